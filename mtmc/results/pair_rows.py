"""Pairs of tracklets as the tables show them: the one that starts first on the left, by the times as printed."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtmc.matching.matches import Candidates
from mtmc.results.csv_tables import SECONDS
from mtmc.tracklets import TrackletTable


def printed_s(times_s: np.ndarray) -> np.ndarray:
    """Times as the tables print them, so that what is derived from them agrees with its own row."""
    return np.round(np.asarray(times_s, dtype=np.float64), SECONDS.decimals)


def oriented(candidates: Candidates, table: TrackletTable, rows: np.ndarray) -> Candidates:
    """The candidates at `rows`, a the tracklet that starts first (ties by camera, then track), `travel_s` from the
    printed times.

    The matcher orders by exact times; two cameras' clocks easily give times that differ by a rounding error
    only, and then the printed table would break its own rule.
    """
    starts, ends = printed_s(table.start_s), printed_s(table.end_s)
    place = np.empty(len(table), dtype=np.int64)  # each tracklet's place in the order of the rule
    place[np.lexsort((table.track_ids, table.camera_rows, starts))] = np.arange(len(table))
    a, b = candidates.pairs[rows].reshape(-1, 2).T
    turned = place[b] < place[a]
    first, second = np.where(turned, b, a), np.where(turned, a, b)
    return Candidates(
        pairs=np.stack([first, second], axis=1),
        tracklet_distances=candidates.tracklet_distances[rows],
        image_distances_ab=_either(turned, candidates.image_distances_ba, candidates.image_distances_ab, rows),
        image_distances_ba=_either(turned, candidates.image_distances_ab, candidates.image_distances_ba, rows),
        ranks_ab=_either(turned, candidates.ranks_ba, candidates.ranks_ab, rows),
        ranks_ba=_either(turned, candidates.ranks_ab, candidates.ranks_ba, rows),
        travel_s=starts[second] - ends[first],
        probabilities=candidates.probabilities[rows],
        gates=candidates.gates[rows],
        term_names=candidates.term_names,
        term_log_odds=candidates.term_log_odds[rows],
    )


def side_columns(table: TrackletTable, rows: np.ndarray, side: str) -> dict[str, Any]:
    """`camera_<side>` and `track_<side>`, `start_<side>_s` and `end_<side>_s` of the tracklets at `rows`."""
    return {
        f"camera_{side}": [table.camera_id(row) for row in rows],
        f"track_{side}": table.track_ids[rows],
        f"start_{side}_s": printed_s(table.start_s[rows]),
        f"end_{side}_s": printed_s(table.end_s[rows]),
    }


def evidence_columns(pairs: Candidates) -> dict[str, Any]:
    """The columns that both pair tables share."""
    return {
        "travel_s": pairs.travel_s,
        "tracklet_distance": pairs.tracklet_distances,
        "image_distance_ab": pairs.image_distances_ab,
        "image_distance_ba": pairs.image_distances_ba,
        "rank_ab": pairs.ranks_ab,
        "rank_ba": pairs.ranks_ba,
        "probability": pairs.probabilities,
    }


def _either(turned: np.ndarray, where_turned: np.ndarray, else_: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.where(turned, where_turned[rows], else_[rows])

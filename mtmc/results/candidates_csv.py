"""`candidates.csv`: every pair of tracklets that was considered, accepted or not, with the gate that refused it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtmc.matching.matches import Matches
from mtmc.results.csv_tables import (
    COUNT,
    DISTANCE,
    INTEGER,
    LOG_ODDS,
    PROBABILITY,
    SECONDS,
    TEXT,
    Column,
    header_of,
    names_of,
    read_table,
    write_table,
)
from mtmc.results.pair_rows import evidence_columns, oriented, side_columns
from mtmc.tracklets import TrackletTable

_BEFORE_TERMS = (
    Column("camera_a", TEXT),
    Column("track_a", INTEGER),
    Column("camera_b", TEXT),
    Column("track_b", INTEGER),
    Column("accepted", INTEGER),
    Column("gate", TEXT),
    Column("tracklet_distance", DISTANCE),
    Column("image_distance_ab", DISTANCE),
    Column("image_distance_ba", DISTANCE),
    Column("rank_ab", COUNT),
    Column("rank_ba", COUNT),
    Column("travel_s", SECONDS),
    Column("probability", PROBABILITY),
)
_AFTER_TERMS = (Column("global_id_a", INTEGER), Column("global_id_b", INTEGER))
_TERM_PREFIX = "log_odds_"


def candidate_columns(term_names: Sequence[str]) -> tuple[str, ...]:
    """The column names of a table with these evidence terms, in order."""
    return names_of(_columns(term_names))


def candidate_values(matches: Matches, table: TrackletTable) -> dict[str, Any]:
    """Column name → cells, a the tracklet that starts first; sorted by camera and track of a, then of b."""
    candidates = matches.candidates
    pairs = oriented(candidates, table, np.arange(len(candidates)))
    a, b = pairs.pairs.T
    order = np.lexsort((table.track_ids[b], table.camera_rows[b], table.track_ids[a], table.camera_rows[a]))
    values: dict[str, Any] = side_columns(table, a, "a") | side_columns(table, b, "b") | evidence_columns(pairs)
    values |= {"accepted": pairs.accepted, "gate": pairs.gates}
    values |= {"global_id_a": matches.global_ids[a], "global_id_b": matches.global_ids[b]}
    values |= {f"{_TERM_PREFIX}{name}": pairs.term_log_odds[:, i] for i, name in enumerate(pairs.term_names)}
    texts = ("camera_a", "camera_b", "gate")
    names = candidate_columns(pairs.term_names)
    return {name: np.asarray(values[name], dtype=object if name in texts else None)[order] for name in names}


def write_candidates_csv(path: Path, matches: Matches, table: TrackletTable) -> None:
    """Write all candidates of `matches` over the tracklets of `table`, atomically."""
    write_table(path, _columns(matches.candidates.term_names), candidate_values(matches, table))


def read_candidates_csv(path: Path) -> dict[str, Any]:
    """Column name → cells of a file that `write_candidates_csv` wrote, whatever its terms.

    Raises `InputError` for any other file.
    """
    terms = [name.removeprefix(_TERM_PREFIX) for name in header_of(path) if name.startswith(_TERM_PREFIX)]
    return read_table(path, _columns(terms))


def _columns(term_names: Sequence[str]) -> tuple[Column, ...]:
    terms = tuple(Column(f"{_TERM_PREFIX}{name}", LOG_ODDS) for name in term_names)
    return _BEFORE_TERMS + terms + _AFTER_TERMS

"""`matches.csv`: one row an accepted link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mtmc.matching.matches import Matches
from mtmc.results.csv_tables import (
    COUNT,
    DISTANCE,
    INTEGER,
    PROBABILITY,
    SECONDS,
    TEXT,
    Column,
    names_of,
    read_table,
    write_table,
)
from mtmc.results.pair_rows import evidence_columns, oriented, side_columns
from mtmc.tracklets import TrackletTable

_COLUMNS = (
    Column("global_id", INTEGER),
    Column("camera_a", TEXT),
    Column("track_a", INTEGER),
    Column("start_a_s", SECONDS),
    Column("end_a_s", SECONDS),
    Column("camera_b", TEXT),
    Column("track_b", INTEGER),
    Column("start_b_s", SECONDS),
    Column("end_b_s", SECONDS),
    Column("travel_s", SECONDS),
    Column("tracklet_distance", DISTANCE),
    Column("image_distance_ab", DISTANCE),
    Column("image_distance_ba", DISTANCE),
    Column("rank_ab", COUNT),
    Column("rank_ba", COUNT),
    Column("probability", PROBABILITY),
)
MATCH_COLUMNS = names_of(_COLUMNS)


def match_columns(matches: Matches, table: TrackletTable) -> dict[str, Any]:
    """Column name → cells: a starts first (ties by camera, then track), `travel_s` = start of b - end of a.

    Rows are sorted by vehicle, then by the start, camera and track of a, then of b.
    """
    pairs = oriented(matches.candidates, table, matches.links)
    a, b = pairs.pairs.T
    values = {"global_id": matches.global_ids[a]}
    values.update(side_columns(table, a, "a") | side_columns(table, b, "b") | evidence_columns(pairs))
    keys_b = (table.track_ids[b], table.camera_rows[b], values["start_b_s"])
    keys_a = (table.track_ids[a], table.camera_rows[a], values["start_a_s"], values["global_id"])
    order = np.lexsort((*keys_b, *keys_a))
    return {name: np.asarray(values[name], dtype=object if "camera" in name else None)[order] for name in MATCH_COLUMNS}


def write_matches_csv(path: Path, matches: Matches, table: TrackletTable) -> None:
    """Write the accepted links of `matches` over the tracklets of `table`, atomically."""
    write_table(path, _COLUMNS, match_columns(matches, table))


def read_matches_csv(path: Path) -> dict[str, Any]:
    """Column name → cells of a file that `write_matches_csv` wrote. Raises `InputError` for any other."""
    return read_table(path, _COLUMNS)

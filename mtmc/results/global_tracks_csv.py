"""`global_tracks.csv`: one row a vehicle, with its way through the cameras and its weakest link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mtmc.matching.matches import Matches
from mtmc.results.csv_tables import (
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
from mtmc.results.tracklets_csv import class_name
from mtmc.tracklets import TrackletTable

_COLUMNS = (
    Column("global_id", INTEGER),
    Column("cameras", INTEGER),
    Column("route", TEXT),
    Column("start_s", SECONDS),
    Column("end_s", SECONDS),
    Column("tracklets", INTEGER),
    Column("class", TEXT),
    Column("weakest_probability", PROBABILITY),
    Column("weakest_distance", DISTANCE),
)
GLOBAL_TRACK_COLUMNS = names_of(_COLUMNS)
_ARROW = ">"


def global_track_columns(matches: Matches, table: TrackletTable) -> dict[str, Any]:
    """Column name → cells, one row a vehicle, sorted by global id.

    route: the cameras in the order in which the vehicle was seen, joined by ">", the same camera twice in a row
    named once. class: the one in which it was seen longest. weakest_probability and weakest_distance: the
    lowest probability and the largest tracklet distance among its links; empty where it has none.
    """
    ids, vehicle_of = np.unique(matches.global_ids, return_inverse=True)
    order = np.lexsort((table.track_ids, table.camera_rows, table.start_s, vehicle_of))
    groups = np.split(order, np.cumsum(np.bincount(vehicle_of, minlength=len(ids)))[:-1]) if len(ids) else []
    probability, distance = _weakest_links(matches, vehicle_of, len(ids))
    return {
        "global_id": ids,
        "cameras": [len(np.unique(table.camera_rows[group])) for group in groups],
        "route": [_route(table, group) for group in groups],
        "start_s": [table.start_s[group].min() for group in groups],
        "end_s": [table.end_s[group].max() for group in groups],
        "tracklets": [len(group) for group in groups],
        "class": [class_name(_main_class(table, group)) for group in groups],
        "weakest_probability": probability,
        "weakest_distance": distance,
    }


def write_global_tracks_csv(path: Path, matches: Matches, table: TrackletTable) -> None:
    """Write one row a vehicle, also for those seen once, atomically."""
    write_table(path, _COLUMNS, global_track_columns(matches, table))


def read_global_tracks_csv(path: Path) -> dict[str, Any]:
    """Column name → cells of a file that `write_global_tracks_csv` wrote. Raises `InputError` for any other."""
    return read_table(path, _COLUMNS)


def _route(table: TrackletTable, group: np.ndarray) -> str:
    cameras = table.camera_rows[group]
    changes = np.concatenate([[True], cameras[1:] != cameras[:-1]])
    return _ARROW.join(table.camera_ids[row] for row in cameras[changes])


def _main_class(table: TrackletTable, group: np.ndarray) -> int:
    """The class with the longest time in view; a known kind wins over an unknown one, ties go to the smaller id."""
    seconds: dict[int, float] = {}
    for row in group:
        class_id = int(table.class_ids[row])
        seconds[class_id] = seconds.get(class_id, 0.0) + float(table.end_s[row] - table.start_s[row])
    known = {class_id: s for class_id, s in seconds.items() if class_id != 0} or seconds
    return min(known, key=lambda class_id: (-known[class_id], class_id))


def _weakest_links(matches: Matches, vehicle_of: np.ndarray, vehicles: int) -> tuple[np.ndarray, np.ndarray]:
    owners = vehicle_of[matches.candidates.pairs[matches.links, 0]]
    probability, distance = np.full(vehicles, np.nan), np.full(vehicles, np.nan)
    np.fmin.at(probability, owners, matches.candidates.probabilities[matches.links])
    np.fmax.at(distance, owners, matches.candidates.tracklet_distances[matches.links].astype(np.float64))
    return probability, distance

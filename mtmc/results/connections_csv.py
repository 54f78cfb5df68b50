"""`connections.csv`: what was learned of each directed pair of cameras, who passes, after how long, how clocks
differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mtmc.matching.matches import CameraGraph
from mtmc.results.csv_tables import INTEGER, SECONDS, TEXT, Column, names_of, read_table, write_table
from mtmc.tracklets import TrackletTable

_COLUMNS = (
    Column("camera_from", TEXT),
    Column("camera_to", TEXT),
    Column("state", TEXT),
    Column("vehicles", INTEGER),
    Column("travel_low_s", SECONDS),
    Column("travel_median_s", SECONDS),
    Column("travel_high_s", SECONDS),
    Column("clock_offset_s", SECONDS),
    Column("clock_offset_error_s", SECONDS),
    Column("clock_drift_s_per_h", SECONDS),
    Column("clock_drift_error_s_per_h", SECONDS),
    Column("note", TEXT),
)
CONNECTION_COLUMNS = names_of(_COLUMNS)


def connection_columns(graph: CameraGraph, table: TrackletTable) -> dict[str, Any]:
    """Column name → cells, one row a directed pair of cameras, sorted by their names."""
    names = np.array(table.camera_ids, dtype=object)
    order = np.lexsort((graph.edges[:, 1], graph.edges[:, 0]))
    cells = {
        "camera_from": names[graph.edges[order, 0]], "camera_to": names[graph.edges[order, 1]],
        "state": graph.state[order].astype(object), "vehicles": graph.support[order],
        "note": graph.notes[order].astype(object),
    }  # fmt: skip
    return cells | {name: getattr(graph, name)[order] for name in CONNECTION_COLUMNS if name not in cells}


def write_connections_csv(path: Path, graph: CameraGraph, table: TrackletTable) -> None:
    """Write what `graph` says of the cameras of `table`, atomically."""
    write_table(path, _COLUMNS, connection_columns(graph, table))


def read_connections_csv(path: Path) -> dict[str, Any]:
    """Column name → cells of a file that `write_connections_csv` wrote. Raises `InputError` for any other."""
    return read_table(path, _COLUMNS)

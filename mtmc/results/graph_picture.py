"""What was learned of the cameras: who follows whom, and after how long (for the report)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.matching.matches import CameraGraph

RADIUS_PX, CENTRE_PX, NODE_PX = 150.0, 210.0, 30.0


@dataclass(frozen=True)
class Edge:
    """One directed pair. path: SVG data of the arrow; width: its stroke in px, by how many links stand behind it.

    bars: (x, height) of the travel-time histogram, 0 to 1; low_s and high_s: its ends.
    """

    camera_from: str
    camera_to: str
    state: str
    support: int
    median_s: float | None
    low_s: float | None
    high_s: float | None
    offset: str
    note: str
    path: str
    width: float
    bars: tuple[tuple[float, float], ...]
    bars_from_s: float
    bars_to_s: float


@dataclass(frozen=True)
class GraphPicture:
    """nodes: (camera, x, y). edges: those that are more than "open"; others are counted in `open_pairs`."""

    nodes: tuple[tuple[str, float, float], ...]
    edges: tuple[Edge, ...]
    open_pairs: int
    size: float


def graph_picture(graph: CameraGraph, camera_ids: Sequence[str]) -> GraphPicture:
    """Cameras on a circle in sorted order, an arrow for every pair of which something is known."""
    count = max(len(camera_ids), 1)
    radius = max(RADIUS_PX, count * 14.0)
    centre = radius + CENTRE_PX - RADIUS_PX
    places = [
        (centre + radius * math.sin(2 * math.pi * i / count), centre - radius * math.cos(2 * math.pi * i / count))
        for i in range(count)
    ]
    nodes = tuple((name, *place) for name, place in zip(camera_ids, places, strict=False))
    known = [row for row in range(len(graph)) if graph.state[row] not in ("open", "none")]
    strongest = max((int(graph.support[row]) for row in known), default=1) or 1
    edges = tuple(_edge(graph, row, camera_ids, places, strongest) for row in known)
    edges = tuple(sorted(edges, key=lambda edge: (-edge.support, edge.camera_from, edge.camera_to)))
    return GraphPicture(nodes, edges, len(graph) - len(known), 2 * centre)


def _edge(
    graph: CameraGraph, row: int, camera_ids: Sequence[str], places: list[tuple[float, float]], strongest: int
) -> Edge:
    a, b = (int(value) for value in graph.edges[row])
    bars, low, high = _histogram(graph, row)
    offset = ""
    if np.isfinite(graph.clock_offset_s[row]):
        offset = f"{graph.clock_offset_s[row]:+.2f} ± {graph.clock_offset_error_s[row]:.2f} s"
    drift, drift_error = float(graph.clock_drift_s_per_h[row]), float(graph.clock_drift_error_s_per_h[row])
    if abs(drift) > 2 * drift_error:  # a drift that cannot be told from none is in connections.csv alone
        offset += f", gains {drift:+.1f} ± {drift_error:.1f} s an hour"
    return Edge(
        camera_ids[a], camera_ids[b], str(graph.state[row]), int(graph.support[row]),
        _number(graph.travel_median_s[row]), _number(graph.travel_low_s[row]), _number(graph.travel_high_s[row]),
        offset, str(graph.notes[row]),
        _arrow(places[a], places[b]), 1.5 + 4.5 * float(graph.support[row]) / strongest, bars, low, high,
    )  # fmt: skip


def _histogram(graph: CameraGraph, row: int) -> tuple[tuple[tuple[float, float], ...], float, float]:
    counts = graph.histogram_counts[graph.histogram_offsets[row] : graph.histogram_offsets[row + 1]]
    if not counts.size or counts.max() <= 0:
        return (), 0.0, 0.0
    low = float(graph.histogram_start_s[row])
    bars = tuple((i / len(counts), float(count / counts.max())) for i, count in enumerate(counts))
    return bars, low, low + len(counts) * float(graph.histogram_bin_s[row])


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A curve that bends to its right, so that both directions of a pair can be seen."""
    (x1, y1), (x2, y2) = start, end
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    bend = 0.14 * length
    mx, my = (x1 + x2) / 2 - uy * bend, (y1 + y2) / 2 + ux * bend
    return (
        f"M{x1 + ux * NODE_PX:.1f} {y1 + uy * NODE_PX:.1f}Q{mx:.1f} {my:.1f} "
        f"{x2 - ux * (NODE_PX + 6):.1f} {y2 - uy * (NODE_PX + 6):.1f}"
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

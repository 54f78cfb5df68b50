"""What was learned of the cameras, read off the vehicles that were found."""

from __future__ import annotations

import itertools

import numpy as np

from mtmc.camera_rules import CameraRules
from mtmc.matching.clocks import ENOUGH, NO_TRAVELS, Travels, clock_drift, clock_offset
from mtmc.matching.learning import Learned
from mtmc.matching.matches import CameraGraph
from mtmc.tracklets import TrackletTable

NO_PASSAGE = 0.05


def camera_graph(table: TrackletTable, rules: CameraRules, learned: Learned, global_ids: np.ndarray) -> CameraGraph:
    """One edge per directed pair of cameras that both have tracklets."""
    travels = travel_times(table, global_ids)
    present = np.unique(table.camera_rows).tolist()
    edges = [(a, b) for a in present for b in present if a != b]
    connected = {int(edge): float(p) for edge, p in zip(learned.edges, learned.connected, strict=True)}
    rows = [_edge(table, rules, edge, travels.get(edge, NO_TRAVELS),
                  connected.get(edge[0] * len(table.camera_ids) + edge[1], 0.0),
                  travels.get(edge[::-1], NO_TRAVELS)) for edge in edges]
    counts = [row[10] for row in rows]

    def numbers(column: int) -> np.ndarray:
        return np.array([row[column] for row in rows], np.float64)

    return CameraGraph(
        edges=np.array(edges, np.int64).reshape(-1, 2), state=np.array([row[0] for row in rows], "<U8"),
        support=np.array([row[1] for row in rows], np.int64), travel_low_s=numbers(2), travel_median_s=numbers(3),
        travel_high_s=numbers(4), clock_offset_s=numbers(5), clock_offset_error_s=numbers(6),
        clock_drift_s_per_h=numbers(7), clock_drift_error_s_per_h=numbers(8),
        notes=np.array([row[9] for row in rows], "<U200"),
        histogram_offsets=np.concatenate([[0], np.cumsum([len(c) for c in counts])]).astype(np.int64),
        histogram_counts=np.concatenate([np.zeros(0), *counts]), histogram_start_s=numbers(11),
        histogram_bin_s=numbers(12))


def travel_times(table: TrackletTable, global_ids: np.ndarray) -> dict[tuple[int, int], Travels]:
    """For each directed pair of cameras: start in the second - end in the first, from every tracklet to the same
    vehicle's next one there, also past other cameras."""
    found: dict[tuple[int, int], list[tuple[float, float, bool]]] = {}
    order = np.lexsort((table.end_s, table.start_s, global_ids))
    bounds = np.flatnonzero(np.diff(global_ids[order], prepend=-1, append=-1))
    for start, stop in itertools.pairwise(bounds):
        rows = order[start:stop]
        for place, row in enumerate(rows):
            seen = {int(table.camera_rows[row])}
            for later in rows[place + 1:]:
                camera = int(table.camera_rows[later])
                if camera == int(table.camera_rows[row]):
                    break
                if camera not in seen:
                    seen.add(camera)
                    key = (int(table.camera_rows[row]), camera)
                    end_s = float(table.end_s[row])
                    direct = len(seen) == 2
                    found.setdefault(key, []).append((float(table.start_s[later]) - end_s, end_s, direct))
    travels = {}
    for key, values in found.items():
        travel_s, at_s, direct_ones = zip(*sorted(values), strict=True)
        travels[key] = Travels(np.array(travel_s), np.array(at_s), np.array(direct_ones, bool))
    return travels


def _edge(table: TrackletTable, rules: CameraRules, edge: tuple[int, int], there: Travels, connected: float,
          back: Travels) -> tuple:
    travel_s = there.travel_s
    rule = rules.rule(table.camera_ids[edge[0]], table.camera_ids[edge[1]])
    low, median, high = np.percentile(travel_s, [5, 50, 95]) if len(travel_s) else (np.nan, np.nan, np.nan)
    if rule is not None or rules.only_listed:
        state, note = "given", "The user's rule." if rule else "Not listed by the user."
    elif len(travel_s) >= ENOUGH:
        state = "overlap" if median < 0 else "passage"
        note = f"{len(travel_s)} vehicles; the travel time holds any difference between the two clocks."
    elif connected < NO_PASSAGE:
        state, note = "none", "Enough traffic was seen, and none that passes."
    else:
        state, note = "open", "Too little evidence: any travel time is possible."
    offset, error = clock_offset(there.straight(), back.straight())
    drift, drift_error = clock_drift(there.straight(), back.straight())
    if np.isfinite(offset):
        note = f"{len(travel_s)} vehicles; clocks told apart by traffic both ways, if it takes the same time each way."
    counts, start, width = histogram(travel_s)
    return (state, len(travel_s), low, median, high, offset, error, drift, drift_error, note, counts, start, width)


def histogram(travel_s: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Counts in at most 24 bins of a round width, where they begin, and the width; empty without travel times."""
    if not len(travel_s):
        return np.zeros(0), np.nan, np.nan
    span = max(float(travel_s[-1] - travel_s[0]), 1.0)
    width = next((w for w in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0) if span / w <= 23), span / 23)
    start = float(np.floor(travel_s[0] / width) * width)
    bins = np.floor((travel_s - start) / width).astype(np.int64)
    return np.bincount(bins).astype(np.float64), start, float(width)

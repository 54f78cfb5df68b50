"""The picture of a run: cameras as lanes, time to the right, one bar a tracklet, links between bars (SVG)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mtmc.matching.matches import Matches
from mtmc.results.colours import vehicle_colour_css
from mtmc.tracklets import TrackletTable

LABEL_PX, RIGHT_PX, AXIS_PX = 110, 20, 28
BAR_PX, GAP_PX, LANE_GAP_PX = 9, 2, 14
MAX_TRACKS_IN_LANE = 8  # more at one moment are drawn over each other
WIDEST_PX = 12_000


@dataclass(frozen=True)
class Bar:
    """One tracklet's bar. x, y, width in px; alone: whether its vehicle was seen only here."""

    row: int
    x: float
    y: float
    width: float
    colour: str
    alone: bool
    title: str


@dataclass(frozen=True)
class Thread:
    """One link, from the end of a bar to the start of another. path: SVG path data."""

    global_id: int
    path: str
    colour: str
    title: str


@dataclass(frozen=True)
class SwimLanes:
    """Everything the template needs to draw. lanes: (camera, y of its middle). ticks: (x, label)."""

    width: float
    height: float
    lanes: tuple[tuple[str, float], ...]
    ticks: tuple[tuple[float, str], ...]
    bars: tuple[Bar, ...]
    threads: tuple[Thread, ...]
    global_ids: tuple[int, ...]


def clock(seconds: float) -> str:
    """-75.25 → "-1:15.2"; hours appear once there are some."""
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    hours, rest = divmod(round(seconds, 1), 3600)
    minutes, rest = divmod(rest, 60)
    head = f"{int(hours)}:{int(minutes):02d}" if hours else f"{int(minutes)}"
    return f"{sign}{head}:{rest:04.1f}"


def swim_lanes(table: TrackletTable, matches: Matches) -> SwimLanes:
    """Lay out all tracklets of a run."""
    if not len(table):
        return SwimLanes(600, 60, (), (), (), (), ())
    first, last = float(table.start_s.min()), float(table.end_s.max())
    span = max(last - first, 1.0)
    inner = min(max(980.0, span * 6), WIDEST_PX)

    def x_of(time_s: float) -> float:
        return LABEL_PX + (time_s - first) / span * inner

    places, depth = _stack(table)
    tops = np.concatenate([[AXIS_PX], AXIS_PX + np.cumsum(depth * (BAR_PX + GAP_PX) + LANE_GAP_PX)])
    y = tops[table.camera_rows] + places * (BAR_PX + GAP_PX)
    seen = np.bincount(matches.global_ids)
    bars = [
        Bar(row, x_of(table.start_s[row]), float(y[row]),
            max(x_of(table.end_s[row]) - x_of(table.start_s[row]), 2.0),
            vehicle_colour_css(int(gid)), bool(seen[gid] == 1),
            f"vehicle {gid}, {table.camera_id(row)} track {table.track_ids[row]}, "
            f"{clock(table.start_s[row])} to {clock(table.end_s[row])}")
        for row, gid in enumerate(matches.global_ids.tolist())
    ]  # fmt: skip
    threads = []
    for a, b in matches.candidates.pairs[matches.links].tolist():
        gid = int(matches.global_ids[a])
        x1, y1 = bars[a].x + bars[a].width, bars[a].y + BAR_PX / 2
        x2, y2 = bars[b].x, bars[b].y + BAR_PX / 2
        bend = max(abs(x2 - x1) / 2, 12)
        path = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        title = f"vehicle {gid}: {table.camera_id(a)} to {table.camera_id(b)}"
        threads.append(Thread(gid, path, bars[a].colour, title))
    lanes = tuple((name, float((tops[i] + tops[i + 1] - LANE_GAP_PX) / 2)) for i, name in enumerate(table.camera_ids))
    ticks = tuple((x_of(t), clock(t)) for t in _ticks(first, last, int(inner // 110)))
    return SwimLanes(LABEL_PX + inner + RIGHT_PX, float(tops[-1]), lanes, ticks, tuple(bars), tuple(threads),
                     tuple(matches.global_ids.tolist()))  # fmt: skip


def _stack(table: TrackletTable) -> tuple[np.ndarray, np.ndarray]:
    """(M,) place inside its lane so that bars do not cover each other, and (C,) the lanes' depths."""
    places = np.zeros(len(table), np.int64)
    depth = np.ones(len(table.camera_ids), np.int64)
    for camera in range(len(table.camera_ids)):
        free_at: list[float] = []
        rows = np.flatnonzero(table.camera_rows == camera)
        for row in rows[np.argsort(table.start_s[rows], kind="stable")]:
            open_places = [i for i, end in enumerate(free_at) if end <= table.start_s[row]]
            if not open_places and len(free_at) < MAX_TRACKS_IN_LANE:
                free_at.append(0.0)
                open_places = [len(free_at) - 1]
            place = open_places[0] if open_places else int(np.argmin(free_at))
            places[row], free_at[place] = place, table.end_s[row]
        depth[camera] = max(len(free_at), 1)
    return places, depth


def _ticks(first: float, last: float, count: int) -> list[float]:
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
    step = next((s for s in steps if (last - first) / s <= max(count, 1)), 86400)
    return [float(k * step) for k in range(math.ceil(first / step), math.floor(last / step) + 1)]

"""Small tables and boxes made at random, with names that file formats stumble over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from mtmc.matching.matches import CameraGraph, Candidates, Matches
from mtmc.results.track_boxes import TrackBoxes
from mtmc.tracklets import Tracklet, TrackletTable

NASTY_NAMES = ("=1+1", "-c002", "a,b", 'say "x"', "'quoted", "ñandú 7", "c\nd")


def make_table(seed: int, m: int, camera_ids: tuple[str, ...] = NASTY_NAMES) -> TrackletTable:
    """M tracklets, sorted by (camera, start, track), times on a grid so that ties happen."""
    rng = np.random.default_rng(seed)
    cameras = tuple(sorted(camera_ids))
    rows = rng.integers(0, len(cameras), m)
    start = rng.integers(0, 40, m) * 0.25
    tracks = rng.permutation(m).astype(np.int64) + 1
    order = np.lexsort((tracks, start, rows))
    boxes = rng.uniform(0, 100, (m, 4)).round(2).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2] + 1
    return TrackletTable(
        camera_ids=cameras, camera_rows=rows[order], track_ids=tracks[order], start_s=start[order],
        end_s=(start + rng.integers(0, 20, m) * 0.125)[order], class_ids=rng.choice([0, 2, 3, 5, 7], m),
        start_boxes_xyxy=boxes, end_boxes_xyxy=boxes + np.float32(1), image_sizes_wh=np.full((m, 2), 640),
        start_ground_m=np.full((m, 2), np.nan), end_ground_m=np.full((m, 2), np.nan))


def make_matches(seed: int, table: TrackletTable, terms: tuple[str, ...] = ("time", "looks")) -> Matches:
    """Candidates among all pairs of different cameras, about a third of them links; ids need not be consistent."""
    rng = np.random.default_rng(seed)
    m = len(table)
    a, b = np.triu_indices(m, 1)
    other = table.camera_rows[a] != table.camera_rows[b]
    pairs = np.stack([a[other], b[other]], axis=1).astype(np.int64)
    swap = table.start_s[pairs[:, 0]] > table.start_s[pairs[:, 1]]
    pairs[swap] = pairs[swap, ::-1]
    p = len(pairs)
    gates = rng.choice(np.array(["", "time", "rank"], dtype=object), p)
    probabilities = np.where(rng.random(p) < 0.3, np.nan, rng.random(p))
    candidates = Candidates(
        pairs=pairs, tracklet_distances=(2 * rng.random(p)).astype(np.float32),
        image_distances_ab=(2 * rng.random(p)).astype(np.float32),
        image_distances_ba=(2 * rng.random(p)).astype(np.float32), ranks_ab=rng.integers(1, 9, p),
        ranks_ba=rng.integers(1, 9, p), travel_s=table.start_s[pairs[:, 1]] - table.end_s[pairs[:, 0]],
        probabilities=probabilities, gates=gates, term_names=terms,
        term_log_odds=rng.normal(size=(p, len(terms))).astype(np.float32))
    shapes = {"edges": (0, 2), "histogram_offsets": (1,)}  # no table shows the graph: an empty one will do
    graph = CameraGraph(**{f.name: np.zeros(shapes.get(f.name, (0,)), dtype=np.int64) for f in fields(CameraGraph)})
    return Matches(candidates, np.flatnonzero(candidates.accepted), rng.integers(1, max(m // 2, 2), m), graph)


def make_tracklets(seed: int, table: TrackletTable) -> list[Tracklet]:
    """A tracklet for every row of `table`, 1 to 9 frames each."""
    rng = np.random.default_rng(seed)
    made = []
    for row in range(len(table)):
        t = int(rng.integers(1, 10))
        boxes = rng.uniform(0, 100, (t, 4))
        boxes[:, 2:] += boxes[:, :2] + 1
        made.append(Tracklet(
            table.camera_id(row), int(table.track_ids[row]), np.linspace(table.start_s[row], table.end_s[row], t),
            np.arange(t) + int(rng.integers(0, 50)), boxes, rng.random(t), rng.random(t) < 0.3,
            int(table.class_ids[row]), float(rng.random())))
    return made


def make_boxes(
    seed: int, n: int, cameras: tuple[str, ...] = ("c001", "c002", "c010"), whole: bool = False
) -> TrackBoxes:
    """N boxes with distinct (camera, id, frame)."""
    rng = np.random.default_rng(seed)
    cells = rng.permutation(len(cameras) * 8 * 40)[:n]
    boxes = np.concatenate([rng.uniform(-5, 300, (n, 2)), rng.uniform(1, 80, (n, 2))], axis=1).round(2)
    boxes = np.round(boxes) if whole else boxes
    cells, rows = cells // len(cameras), cells % len(cameras)
    return TrackBoxes.build(cameras, rows, cells % 8 + 1, cells // 8 + 1, boxes, rng.random(n).round(4))


@pytest.fixture
def table_of() -> Callable[..., TrackletTable]:
    return make_table


@pytest.fixture
def matches_of() -> Callable[..., Matches]:
    return make_matches


@pytest.fixture
def tracklets_of() -> Callable[..., list[Tracklet]]:
    return make_tracklets


@pytest.fixture
def boxes_of() -> Callable[..., TrackBoxes]:
    return make_boxes

"""Positions on the ground: nearer than usual speaks for a pair, out of reach against it, unknown says nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mtmc.camera_rules import CameraRules
from mtmc.embedding import Gallery
from mtmc.matching.matcher import MatchingConfig, match
from mtmc.matching.positions import CLOCK_S, ERROR_M, MOST_LOG_RATIO, SPEED_MPS, UNLIKELY, position_log_ratio
from mtmc.tracklets import TrackletTable


def make_table(cameras: list[str], starts_s: np.ndarray, starts_m: np.ndarray, ends_m: np.ndarray) -> TrackletTable:
    names = tuple(sorted(set(cameras))) or ("a",)
    m = len(cameras)
    boxes, sizes = np.zeros((m, 4), np.float32), np.zeros((m, 2), np.int64)
    return TrackletTable(names, np.array([names.index(c) for c in cameras], np.int64), np.arange(1, m + 1), starts_s,
                         starts_s + 3, np.full(m, 2), boxes, boxes, sizes, starts_m, ends_m)


def slow(table: TrackletTable, a: int, b: int, travel_s: float) -> float:
    if not (np.isfinite(table.end_ground_m[a]).all() and np.isfinite(table.start_ground_m[b]).all()):
        return 0.0
    spread = ERROR_M + SPEED_MPS * (abs(travel_s) + CLOCK_S)

    def near(row: int) -> float:
        return float(np.exp(-0.5 * (np.linalg.norm(table.start_ground_m[row] - table.end_ground_m[a]) / spread) ** 2))

    there = [r for r in range(len(table)) if table.camera_rows[r] == table.camera_rows[b]
             and np.isfinite(table.start_ground_m[r]).all()]
    ratio = np.log((near(b) + UNLIKELY) / (np.mean([near(r) for r in there]) + UNLIKELY))
    return float(np.clip(ratio, -MOST_LOG_RATIO, MOST_LOG_RATIO))


@pytest.mark.parametrize("m", [0, 1, 2, 25])
def test_equals_the_plain_sum(m: int) -> None:
    rng = np.random.default_rng(m)
    points = rng.normal(0, 200, (2, m, 2))
    points[0, m // 2:m // 2 + 2] = np.nan
    table = make_table(["abc"[i % 3] for i in range(m)], np.sort(rng.uniform(0, 60, m)), *points)
    a, b = (part.ravel() for part in np.mgrid[:m, :m])
    travel_s = table.start_s[b] - table.end_s[a]
    found = position_log_ratio(table, a, b, travel_s)
    wanted = [slow(table, *row) for row in zip(a.tolist(), b.tolist(), travel_s.tolist(), strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_look_alikes_on_two_roads_are_told_apart_by_where_they_are() -> None:
    """Two roads through two overlapping views; at every moment a vehicle on each, alike in pairs."""
    rng = np.random.default_rng(5)
    count = 12
    looks = np.repeat(rng.normal(size=(count // 2, 32)), 2, axis=0)
    road = np.arange(count) % 2
    starts_s = np.repeat(np.arange(count // 2) * 20.0, 2) + rng.uniform(0, 0.5, count)
    place = np.stack([rng.normal(0, 3, count), 300.0 * road], axis=1)
    points = np.concatenate([place, place + np.array([40.0, 0.0])])
    both_s = np.concatenate([starts_s, starts_s + 5 + rng.normal(0, 0.7, count)])
    table = make_table(["a"] * count + ["b"] * count, both_s, points, points + np.array([30.0, 0.0]))
    vectors = np.concatenate([looks, looks]) + 0.3 * rng.normal(size=(2 * count, 32))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def right(table: TrackletTable, config: MatchingConfig) -> int:
        ids = match(Gallery(table, unit, unit, np.arange(2 * count + 1)), CameraRules(), config).global_ids
        return int((ids[:count] == ids[count:]).sum())

    unknown = replace(table, start_ground_m=np.full_like(points, np.nan), end_ground_m=np.full_like(points, np.nan))
    assert right(table, MatchingConfig()) == count
    assert right(unknown, MatchingConfig()) < count
    assert right(table, MatchingConfig(use_positions=False)) < count

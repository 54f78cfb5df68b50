"""Memory and cutting alone, on regions drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from detectors import motion_cutting as cutting
from detectors.boxes import iou_matrix
from detectors.motion_memory import Memory, MemoryConfig
from detectors.motion_regions import Regions

HW = (120, 200)
LEAST = 60


def regions_of(boxes: Sequence[Sequence[float]]) -> Regions:
    mask = np.zeros(HW, np.uint8)
    for left, top, right, bottom in np.rint(boxes).astype(int) if len(boxes) else []:
        mask[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)] = 1
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    corners = stats[1:, :2].astype(float)
    return Regions(labels, stats[1:, 4].astype(np.int64), np.concatenate([corners, corners + stats[1:, 2:4]], axis=1))


def play(memory: Memory, frames: Sequence[Sequence[Sequence[float]]], fps: float = 10.0) -> list[np.ndarray]:
    shown = []
    for index, boxes in enumerate(frames):
        found = memory.step(regions_of(boxes), index / fps, LEAST)
        shown.append(np.array([s.box for s in found]).reshape(-1, 4))
    return shown


def overlap(truth: Sequence[Sequence[float]], found: np.ndarray) -> float:
    """The worst overlap of a true box with its best found one."""
    return float(iou_matrix(np.array(truth), found).max(axis=1).min())


def test_one_vehicle_is_its_region() -> None:
    frames = [[(10 + 4 * i, 30, 40 + 4 * i, 50)] for i in range(20)]
    for truth, found in zip(frames, play(Memory(MemoryConfig()), frames), strict=True):
        assert found.tolist() == [list(truth[0])]


@pytest.mark.parametrize("fps", [5.0, 10.0, 25.0])
def test_two_that_meet_stay_two(fps: float) -> None:
    """They pass each other side by side: one region for as long as they overlap."""
    frames = []
    for t in np.arange(0, 4, 1 / fps):
        frames.append([(10 + 40 * t, 30, 50 + 40 * t, 54), (150 - 40 * t, 50, 190 - 40 * t, 76)])
    shown = play(Memory(MemoryConfig()), frames, fps)
    assert min(len(regions_of(f).areas) for f in frames) == 1
    for truth, found in zip(frames, shown, strict=True):
        assert len(found) == 2
        assert overlap(truth, found) > 0.7


def test_a_hidden_vehicle_is_remembered_for_its_time_only() -> None:
    small = [(20 + 6 * i, 40, 40 + 6 * i, 56) for i in range(60)]
    lorry = (80, 20, 150, 90)  # it stands, and the small one drives behind it and stays there
    frames = [[lorry, small[min(i, 14)]] for i in range(40)]
    counts = [len(found) for found in play(Memory(MemoryConfig(hidden_s=1.0)), frames)]
    assert counts[5] == 2
    assert counts[18] == 2
    assert counts[-1] == 1


def test_pieces_of_one_are_joined_and_pieces_that_stay_apart_are_two() -> None:
    whole = [[(60 + 2 * i, 30, 110 + 2 * i, 60)] for i in range(10)]
    torn = [[(80 + 2 * i, 30, 100 + 2 * i, 60), (104 + 2 * i, 30, 130 + 2 * i, 60)] for i in range(3)]
    again = [[(86 + 2 * i, 30, 136 + 2 * i, 60)] for i in range(5)]
    assert [len(f) for f in play(Memory(MemoryConfig()), whole + torn + again)] == [1] * 18
    parting = [[(40 - i, 30, 66 - i, 60), (70 + i, 30, 96 + i, 60)] for i in range(15)]
    together = [[(40, 30, 96, 60)]] * 5
    counts = [len(f) for f in play(Memory(MemoryConfig(apart_s=0.4)), together + parting)]
    assert counts[5] == 1
    assert counts[-1] == 2


def test_a_sudden_neighbour_is_another_vehicle() -> None:
    alone = [[(60, 30 + i, 90, 50 + i)] for i in range(10)]
    joined = [[(60, 40 + i, 90, 60 + i), (88, 40 + i, 118, 70 + i)] for i in range(5)]
    shown = play(Memory(MemoryConfig()), alone + joined)
    assert len(shown[-1]) == 2
    assert overlap(joined[-1], shown[-1]) > 0.6


def test_small_regions_are_no_vehicles_and_nothing_is_nothing() -> None:
    memory = Memory(MemoryConfig())
    assert play(memory, [[], [(5, 5, 10, 10)], []])[1].shape == (0, 4)
    assert play(Memory(MemoryConfig()), [[(5, 5, 25, 25)], [], [(5, 5, 25, 25)]])[2].tolist() == [[5, 5, 25, 25]]


def test_what_left_is_forgotten() -> None:
    memory = Memory(MemoryConfig(forget_s=0.5))
    play(memory, [[(60, 30, 90, 50)]] * 3 + [[]] * 10)
    assert memory._vehicles == []


def test_own_pixels_and_link_against_plain_twins() -> None:
    rng = np.random.default_rng(0)
    for count in (0, 1, 2, 5):
        for _ in range(10):
            corners = rng.integers(-10, [[HW[1], HW[0]]] * count) if count else np.zeros((0, 2))
            boxes = [np.array([x, y, x + w, y + h], float) for (x, y), (w, h) in zip(
                corners, rng.integers(3, 60, (count, 2)), strict=True)]
            regions = regions_of([b + rng.normal(0, 6, 4).round() * [1, 1, 1, 1] for b in boxes])
            mask = regions.labels > 0
            for k in range(count):
                own = sum(
                    1 for y, x in np.argwhere(mask)
                    if [j for j, b in enumerate(boxes) if b[0] <= x < b[2] and b[1] <= y < b[3]] == [k])
                assert cutting.own_pixels(k, boxes, mask) == own
            groups = cutting.link(regions, boxes, 0.3)
            assert sorted(k for members, _ in groups for k in members) == list(range(count))
            assert sorted(r for _, pieces in groups for r in pieces) == list(range(len(regions.areas)))
            for k, box in enumerate(boxes):
                for r in range(len(regions.areas)):
                    assert (tied(regions, box, r) <= any(k in m and r in p for m, p in groups))


def tied(regions: Regions, box: np.ndarray, r: int) -> bool:
    inside = sum(1 for y, x in np.argwhere(regions.labels == r + 1) if box[0] <= x < box[2] and box[1] <= y < box[3])
    width, height = (np.clip(box[2:], 0, HW[::-1]) - np.clip(box[:2], 0, HW[::-1]))
    return inside > 0 and inside >= 0.3 * min(regions.areas[r], 0.6 * width * height)


def test_fit_measures_free_sides_and_keeps_the_size_of_hidden_ones() -> None:
    truth = [np.array([20.0, 30, 60, 60]), np.array([55.0, 40, 95, 80])]
    mask = regions_of(truth).labels > 0
    expected = [truth[0] + [3, -2, 3, -2], truth[1] + [-3, 2, -3, 2]]
    for k in range(2):
        assert cutting.fit(k, expected, mask) == pytest.approx(truth[k], abs=2.5)
    assert cutting.fit(0, [truth[0]], np.zeros(HW, bool)) == pytest.approx(truth[0])
    outside = np.array([-50.0, -50, -20, -20])
    assert cutting.fit(0, [outside], mask) == pytest.approx(outside)

"""Pictures in which nothing changed are not looked at; every change, and every second, is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from detectors.adaptive_stride import AdaptiveStride, StrideConfig, block_means
from detectors.detections import Detections
from detectors.registry import DetectorConfig, ResolvedDetector, for_camera
from mtmc.errors import ConfigError


class Counting:
    """Finds one box whose place is the frame's number; notes what it was asked."""

    name, fingerprint, stateful, batch_size = "counting", "counting", False, 4

    def __init__(self) -> None:
        self.asked: list[int] = []

    def for_camera(self, camera_id: str) -> Counting:
        return self

    def detect(self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int],
               times_s: Sequence[float]) -> list[Detections]:
        self.asked += frame_indices
        return [Detections(np.array([[i, 0, i + 5, 5]]), np.ones(1), np.array([2])) for i in frame_indices]


def scene(vehicle_x: int | None, seed: int, level: int = 100) -> np.ndarray:
    """A noisy street of 180x320 with a vehicle of 20x12 pixels."""
    image = np.random.default_rng(seed).normal(level, 2, (180, 320, 3))
    if vehicle_x is not None:
        image[90:102, vehicle_x : vehicle_x + 20] = 200
    return np.clip(image, 0, 255).astype(np.uint8)


def run(images: list[np.ndarray], rate_hz: float, batch: int = 4, **settings: float) -> tuple[list[int], list[int]]:
    """What the detector was asked, and which frame's boxes each frame got."""
    inner = Counting()
    detector = AdaptiveStride(inner, StrideConfig(**settings)).for_camera("c")  # type: ignore[arg-type]
    answers: list[int] = []
    for start in range(0, len(images), batch):
        rows = range(start, min(start + batch, len(images)))
        found = detector.detect([images[i] for i in rows], list(rows), [i / rate_hz for i in rows])
        answers += [int(f.boxes_xyxy[0, 0]) for f in found]
    return inner.asked, answers


@pytest.mark.parametrize("batch", [1, 3, 4, 20])
def test_a_still_scene_is_looked_at_once_a_second(batch: int) -> None:
    asked, answers = run([scene(60, i) for i in range(20)], 10.0, batch)
    assert asked == [0, 10]
    assert answers == [0] * 10 + [10] * 10


def test_a_moving_vehicle_is_looked_at_every_time() -> None:
    asked, answers = run([scene(8 * i, i) for i in range(20)], 10.0)
    assert asked == answers == list(range(20))


def test_the_first_picture_of_a_vehicle_is_seen_and_so_is_its_leaving() -> None:
    images = [scene(100 if 5 <= i < 9 else None, i) for i in range(14)]
    asked, answers = run(images, 100.0)
    assert asked == [0, 5, 9]
    assert answers == [0] * 5 + [5] * 4 + [9] * 5


def test_slow_changes_add_up() -> None:
    """Dusk: no picture differs much from the one before, but in the end from the last that was looked at."""
    asked, _ = run([scene(None, i, 100 + i // 2) for i in range(20)], 1000.0)
    assert len(asked) > 3


def test_another_size_is_a_change() -> None:
    images = [scene(10, 0), scene(10, 1), scene(10, 2)[:, :150], scene(10, 3)[:, :150]]
    assert run(images, 100.0)[0] == [0, 2]


def test_block_means_are_means() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    grey = image @ np.array([0.299, 0.587, 0.114])
    expected = grey.reshape(9, 10, 16, 10).mean(axis=(1, 3))
    np.testing.assert_allclose(block_means(image, StrideConfig(columns=16)), expected, atol=0.6)


@pytest.mark.parametrize("settings", [{"change": 0}, {"longest_s": -1}, {"columns": 0}])
def test_settings_out_of_range(settings: dict) -> None:
    with pytest.raises(ConfigError):
        StrideConfig(**settings)


@pytest.mark.parametrize(("kind", "stride", "adaptive"), [
    ("onnx", "adaptive", True), ("onnx", "every", False), ("motion", "adaptive", False),
    ("recorded", "adaptive", False),
])  # fmt: skip
def test_only_networks_are_asked_less_often(kind: str, stride: str, adaptive: bool) -> None:
    resolved = ResolvedDetector(kind, str(Path()), "", "")  # type: ignore[arg-type]
    config = DetectorConfig(stride=stride)  # type: ignore[arg-type]
    no_region = np.zeros((0, 0), bool)
    assert isinstance(for_camera(Counting(), resolved, config, "c", no_region), AdaptiveStride) == adaptive

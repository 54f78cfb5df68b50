"""The motion detector on streets made in code: what it must find, and what it must not take for a vehicle."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors.detections import UNKNOWN_VEHICLE
from detectors.motion import MotionConfig, MotionDetector
from detectors.motion_background import BackgroundConfig
from mtmc.errors import ConfigError
from tests.detectors.motion_scenes import HW, car, compressed, score, straight, street

TRAFFIC = [
    car(straight(-54, 30, 70, start_s=0.3)),
    car(straight(-54, 90, 60, start_s=1.0), colour=(165, 165, 170)),
    car(straight(384, 150, -50, start_s=0.5), colour=(235, 235, 235), size_hw=(38, 72)),
    car(straight(-54, 92, 70, start_s=4.0), colour=(25, 25, 28)),
]


@pytest.mark.parametrize("fps", [5.0, 20.0])
def test_finds_vehicles_at_any_frame_rate(fps: float) -> None:
    got = score(street(TRAFFIC, fps=fps), after_s=0.5)
    assert got.recall >= 0.95
    assert got.precision >= 0.9


def test_sharp_shadows_stay_outside_the_boxes() -> None:
    got = score(street(TRAFFIC, shadow_px=20), after_s=0.5)
    assert got.recall >= 0.95
    assert got.precision >= 0.9
    config = MotionConfig(shadows=replace(MotionConfig().shadows, enabled=False))
    assert score(street(TRAFFIC, shadow_px=20), config, after_s=0.5).recall < 0.5  # what this test would not notice


def test_compression_changes_little() -> None:
    got = score(compressed(street(TRAFFIC)), after_s=0.5)
    assert got.recall >= 0.9
    assert got.precision >= 0.85


@pytest.mark.parametrize("light", [
    lambda t: 1 - 0.4 * math.sin(t / 2) ** 2,  # automatic exposure
    lambda t: 1 - 0.03 * t,  # dusk
    lambda t: 1 + 0.25 * (math.sin(9 * t) > 0),  # a flickering lamp
], ids=["exposure", "dusk", "flicker"])  # fmt: skip
def test_light_is_no_vehicle(light: object) -> None:
    assert score(street(seconds=6, light=light)).boxes == 0  # type: ignore[arg-type]
    assert score(street(TRAFFIC[:1], seconds=6, light=light), after_s=0.5).recall >= 0.9  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [{"noise": 8.0}, {"tremble_px": 1.0}], ids=str)
def test_an_empty_street_is_empty(kind: dict[str, float]) -> None:
    assert score(street(seconds=4, **kind)).boxes == 0  # type: ignore[arg-type]


def test_leaves_in_the_wind_calm_down() -> None:
    """What keeps moving on its place loses its boxes or their scores; a vehicle beside it keeps both."""
    detector = MotionDetector().for_camera("c")
    late = [detector.detect([image], [0], [t])[0] for t, image, _ in street(seconds=20, leaves=True)][-50:]
    assert sum(len(found) for found in late) == 0 or max(found.scores.max(initial=0) for found in late) <= 0.5
    assert score(street(TRAFFIC, leaves=True), after_s=0.5).recall >= 0.9


def waits(x: float, y: float, speed: float, from_s: float, to_s: float) -> object:
    return lambda t: (x + speed * (min(t, from_s) + max(t - to_s, 0)), y)


def test_a_vehicle_at_a_red_light_stays_a_vehicle() -> None:
    got = score(street([car(waits(-54, 90, 60, 3, 43))], seconds=47, fps=4), after_s=1.5)  # type: ignore[arg-type]
    assert got.recall >= 0.99
    assert got.precision >= 0.95


def test_a_parked_vehicle_becomes_road_and_leaves_no_ghost() -> None:
    config = MotionConfig(background=BackgroundConfig(absorb_s=8))
    scene = list(street([car(waits(-54, 90, 60, 3, 25))], seconds=32, fps=5))  # type: ignore[arg-type]
    detector = MotionDetector(config).for_camera("c")
    counts = {t: len(detector.detect([image], [0], [t])[0]) for t, image, _ in scene}
    assert all(counts[t] == 1 for t in counts if 3.5 < t < 10)  # it stands
    assert all(counts[t] == 0 for t in counts if 13 < t < 24)  # it is parked
    assert all(counts[t] == 1 for t in counts if 28 < t < 29)  # it drives, and nothing is left where it stood


def test_vehicles_of_the_first_frame_leave_no_ghost() -> None:
    cars = [car(straight(60, 90, 60)), car(straight(280, 150, -40), colour=(210, 210, 210))]
    got = score(street(cars, seconds=5), after_s=3.0)
    assert got.recall == 1
    assert got.precision >= 0.95


def test_touching_vehicles_stay_two() -> None:
    """One overtakes the other in front of it: the boxes overlap by up to a half for two seconds."""
    cars = [car(straight(-54, 80, 80)), car(straight(-54, 96, 40), colour=(40, 40, 160))]
    crossing = [car(straight(0, 80, 40)), car(straight(330, 95, -40), colour=(40, 40, 160))]
    assert score(street(crossing, seconds=8), after_s=1.0).recall >= 0.9
    assert score(street(cars, seconds=5), after_s=2.0).recall >= 0.85


def test_boxes_are_tight_and_in_source_pixels() -> None:
    """Three times the pixels give boxes three times as large."""
    for factor in (1, 3):
        hw = (HW[0] * factor, HW[1] * factor)
        cars = [car(straight(20 * factor, 60 * factor, 80 * factor), size_hw=(30 * factor, 54 * factor))]
        detector = MotionDetector().for_camera("c")
        scene = list(street(cars, seconds=3, hw=hw, fps=5))
        found = [detector.detect([image], [0], [t])[0] for t, image, _ in scene][-1]
        boxes = scene[-1][2]
        assert len(found) == 1
        assert np.abs(found.boxes_xyxy[0] - boxes[0]).max() <= 3 * factor
        assert found.scores[0] > 0.6
        assert found.class_ids.tolist() == [UNKNOWN_VEHICLE]


def rows(detector: MotionDetector, scene: list, size: int) -> list[np.ndarray]:
    found = []
    for start in range(0, len(scene), size):
        batch = scene[start:start + size]
        found += detector.detect([f[1] for f in batch], list(range(len(batch))), [f[0] for f in batch])
    return [np.column_stack([d.boxes_xyxy, d.scores, d.class_ids]) for d in found]


def test_batches_and_companions_change_nothing() -> None:
    scene = list(street(TRAFFIC, seconds=5))
    parent = MotionDetector()
    one, seven = parent.for_camera("a"), parent.for_camera("b")
    singles, sevens = rows(one, scene, 1), rows(seven, scene, 7)
    assert sum(len(r) for r in singles) > 50
    assert all(np.array_equal(a, b) for a, b in zip(singles, sevens, strict=True))
    # Two cameras in turns share nothing.
    first, second = parent.for_camera("a"), parent.for_camera("b")
    turns = [(rows(first, [f], 1)[0], rows(second, [g], 1)[0]) for f, g in zip(scene, scene[::-1], strict=True)]
    assert all(np.array_equal(a, b) for (a, _), b in zip(turns, singles, strict=True))


def test_a_cut_to_another_scene_starts_afresh() -> None:
    before = [(t, image) for t, image, _ in street(TRAFFIC, seconds=3)]
    blocks = np.kron(np.random.default_rng(3).integers(20, 235, (9, 16, 3)), np.ones((24, 24, 1)))
    after = [(3 + t, np.clip(image * 0.2 + blocks * 0.8, 0, 255).astype(np.uint8)) for t, image, _ in street(seconds=3)]
    detector = MotionDetector().for_camera("c")
    counts = {t: len(detector.detect([image], [0], [t])[0]) for t, image in before + after}
    assert all(n == 0 for t, n in counts.items() if t > 4.5)


@pytest.mark.parametrize("hw", [(1, 1), (2, 500), (17, 16), (300, 40)])
def test_odd_sizes_and_times(hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, (*hw, 3), dtype=np.uint8) for _ in range(6)]
    images += [rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)] * 2  # a stream may change its size
    found = MotionDetector().detect(images, list(range(8)), [0, 0.1, 0.1, 0.05, 9.0, 9.1, 9.2, 9.3])
    assert len(found) == 8
    for image, detections in zip(images, found, strict=True):
        assert (detections.boxes_xyxy[:, 2:] <= image.shape[1::-1]).all()
        assert (detections.boxes_xyxy[:, :2] < detections.boxes_xyxy[:, 2:]).all()


def test_noise_all_over_stays_affordable() -> None:
    """Hundreds of specks at once must cost no more than a few frames' time each."""
    import time

    rng = np.random.default_rng(2)
    detector = MotionDetector()
    start = time.process_time()
    for index in range(12):
        detector.detect([rng.integers(0, 255, (270, 480, 3), dtype=np.uint8)], [index], [index / 10])
    assert time.process_time() - start < 6


def test_min_score_and_settings_are_in_the_fingerprint() -> None:
    plain = MotionDetector()
    assert plain.fingerprint != MotionDetector(min_score=0.5).fingerprint
    assert plain.fingerprint != MotionDetector(MotionConfig(working_px=320)).fingerprint
    assert plain.fingerprint == plain.for_camera("c").fingerprint
    assert plain.stateful
    with pytest.raises(ConfigError, match="working_px"):
        MotionConfig(working_px=10)
    with pytest.raises(ConfigError, match="least"):
        MotionConfig(least_area=0.9)


@pytest.mark.slow
@pytest.mark.needs_data
def test_real_footage(shared_data: Path) -> None:
    """A car park from above (Intel): four cars, two of them side by side, with automatic exposure."""
    import av

    detector = MotionDetector().for_camera("c")
    counts = []
    with av.open(str(shared_data / "videos" / "intel_car-detection.mp4")) as container:
        for index, frame in enumerate(container.decode(video=0)):
            image = frame.to_ndarray(format="rgb24")
            counts.append(len(detector.detect([image], [index], [float(frame.time)])[0]))
    assert counts[:50] == [0] * 50
    assert np.mean([n == 1 for n in counts[62:100]]) > 0.9
    assert np.mean([n == 2 for n in counts[195:218]]) > 0.8
    assert np.mean([n == 0 for n in counts[125:170]]) > 0.9
    assert np.mean([n == 0 for n in counts[255:312] + counts[352:]]) > 0.9
    assert np.mean([n == 1 for n in counts[318:345]]) > 0.9

"""The background alone: exposure, learning per second, ghosts, flicker."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.motion_background import Background, BackgroundConfig, Comparison, _at_exposure, _exposure_gains, ghosts

HW = (40, 60)
NOTHING = np.zeros(HW, np.uint8)


def road(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(80, 140, (*HW, 3), dtype=np.uint8)


def watch(background: Background, image: np.ndarray, from_s: float, to_s: float, fps: float) -> Comparison:
    seen = None
    for t in np.arange(from_s, to_s, 1 / fps):
        seen = background.compare(image, float(t))
        background.learn(seen, NOTHING, NOTHING)
    assert seen is not None
    return seen


def test_the_first_frame_differs_nowhere_and_a_patch_differs_where_it_is() -> None:
    background = Background(BackgroundConfig())
    assert not watch(background, road(), 0, 1, 10).different.any()
    image = road()
    image[10:20, 20:40] = (250, 20, 20)
    different = background.compare(image, 1.1).different > 0
    assert different[11:19, 21:39].all()
    assert not np.delete(np.delete(different, slice(8, 22), 0), slice(18, 42), 1).any()


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.0, 1.3])
def test_exposure_is_measured_and_taken_back(factor: float) -> None:
    image = np.clip(road() * factor, 0, 255).astype(np.uint8)
    gains = _exposure_gains(image, road(), NOTHING)
    assert gains == pytest.approx(factor, rel=0.02)
    back = _at_exposure(image, gains).astype(int) - road()
    assert np.abs(back).max() <= 3  # rounding, twice
    half = np.zeros(HW, np.uint8)
    half[:, :25] = 255
    image[:, :25] = 255  # a lorry over two fifths of the picture is left out
    assert _exposure_gains(image, road(), half) == pytest.approx(factor, rel=0.02)


def test_seconds_decide_and_not_frames() -> None:
    """A slow change of one grey level a second is learnt alike at 4 and at 25 frames a second."""
    means = []
    for fps in (4, 25):
        background = Background(BackgroundConfig())
        for t in np.arange(0, 20, 1 / fps):
            image = road() + np.uint8(0)
            image[:, 40:] += np.uint8(t / 2)  # a third of the picture, so that it is no exposure
            background.learn(background.compare(image, float(t)), NOTHING, NOTHING)
        means.append(background._mean)
    assert np.abs(means[0] - means[1]).max() < 1.5
    assert np.abs(means[0][:, 40:] - road()[:, 40:]).mean() > 2


def test_a_still_difference_is_absorbed_after_its_time() -> None:
    background = Background(BackgroundConfig(absorb_s=3))
    watch(background, road(), 0, 1, 10)
    parked = road()
    parked[10:25, 20:40] = np.random.default_rng(1).integers(0, 255, (15, 20, 3))
    assert watch(background, parked, 1, 3.5, 10).different[12:23, 22:38].mean() > 150
    assert not watch(background, parked, 3.5, 4.6, 10).different[12:23, 22:38].any()


def test_ghosts_have_their_outline_in_the_background_only() -> None:
    empty = np.full((*HW, 3), 110, np.uint8)
    vehicle = empty.copy()
    vehicle[10:25, 20:40] = (200, 40, 40)
    still = np.zeros(HW, np.uint8)
    still[10:25, 20:40] = 255
    found = ghosts(still, still, empty, vehicle, contrast=12)
    assert found[10:25, 20:40].all()
    assert found[:8].sum() == 0
    assert not ghosts(still, still, vehicle, empty, contrast=12).any()
    assert not ghosts(still, still, empty, empty + np.uint8(3), contrast=12).any()  # nothing to see in either
    inside = np.zeros(HW, np.uint8)  # a still part inside something larger that differs: no outline to the road
    inside[14:21, 26:34] = 255
    assert not ghosts(inside, still, empty, vehicle, contrast=12).any()


def test_flicker_makes_a_pixel_less_sensitive_and_calm_restores_it() -> None:
    background = Background(BackgroundConfig(flicker_s=2))
    watch(background, road(), 0, 1, 10)
    start = background._needed(1.0).mean()
    bright = np.clip(road().astype(int) + np.random.default_rng(2).integers(-60, 60, (*HW, 1)), 0, 255).astype(np.uint8)
    for i in range(60):
        image = bright if i % 2 else road()
        background.learn(background.compare(image, 1 + i / 10), NOTHING, NOTHING)
    restless = background._needed(1.0).mean()
    assert restless > 1.3 * start
    watch(background, road(), 7, 20, 10)
    assert background._needed(1.0).mean() < start + 0.2 * (restless - start)


def test_burnt_out_pixels_are_no_difference() -> None:
    background = Background(BackgroundConfig())
    image = road()
    image[5:15, 5:15] = 240
    watch(background, image, 0, 1, 10)
    brighter = np.clip(image * 1.4, 0, 255).astype(np.uint8)  # 240 becomes 255 and not 336
    assert not background.compare(brighter, 1.1).different[5:15, 5:15].any()


def test_the_smooth_side_of_what_moves_is_no_ghost() -> None:
    street = np.full((*HW, 3), 120, np.uint8)
    street[10:30, 10:50] = np.random.default_rng(0).integers(0, 90, (20, 40, 3))  # shop windows
    image = street.copy()
    image[10:30, 10:50] = 130  # a grey bus before them, all there is to see of them for a second
    where = np.zeros(HW, np.uint8)
    where[10:30, 10:50] = 255
    kept, taken = (Background(BackgroundConfig()) for _ in range(2))
    for background, moving in ((kept, where), (taken, NOTHING)):
        watch(background, street, 0, 1, 10)
        for t in np.arange(1, 2.5, 0.1):
            background.learn(background.compare(image, float(t)), where, moving)
    assert kept.compare(image, 2.6).different[12:28, 12:48].mean() > 0.9 * 255
    assert not taken.compare(image, 2.6).different[12:28, 12:48].any()  # what it is for: a memory is forgotten

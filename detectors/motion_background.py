"""What an empty road looks like to one fixed camera, learnt while watching it.

Per pixel a mean and a spread (a running Gaussian: Wren et al., "Pfinder", 1997), with what unprepared
footage needs added: the frame's exposure is matched to the background's first, vehicles do not enter
the mean until they have stood for `absorb_s`, a vehicle that was there in the first frame and drives away
leaves no ghost, and pixels that keep flickering (leaves, water) grow less sensitive.
All rates are per second, so a video at 8 and one at 30 frames a second learn alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

_SAMPLE = (slice(2, None, 4), slice(2, None, 4))  # every 16th pixel is plenty to measure exposure


@dataclass(frozen=True)
class BackgroundConfig:
    """How quickly the background is learnt and what counts as different. Grey levels are 0 to 255."""

    contrast: float = 12.0  # grey levels: above video noise and compression, below a grey car on a grey road
    noise_factor: float = 5.0  # times the pixel's own spread: 5 sigma, so that noise alone almost never fires
    learn_s: float = 20.0  # follows the sun and clouds, yet a slow lorry changes nothing for good
    absorb_s: float = 60.0  # a vehicle at a red light stays a vehicle; one that parks becomes road after this
    ghost_s: float = 0.5  # a difference that has stood still so long is tested for being a ghost
    flicker_s: float = 10.0  # memory of pixels that differed without a vehicle
    flicker_factor: float = 4.0  # a pixel that always does so needs 1 + 4 times the difference
    reset_share: float = 0.6  # more of the image than any traffic covers: the camera turned or the scene was cut
    reset_s: float = 1.0  # … and it stays so


@dataclass(frozen=True, eq=False)
class Comparison:
    """One frame against the background, at working size h×w.

    image_rgb, background_rgb: uint8 (h, w, 3), at the same exposure. excess: uint8 (h, w), largest
    difference over the channels, in grey levels. needed: uint8 (h, w), what a pixel must exceed to count.
    different: uint8 (h, w), 255 where it does.
    """

    image_rgb: np.ndarray
    background_rgb: np.ndarray
    excess: np.ndarray
    needed: np.ndarray
    different: np.ndarray


class Background:
    """The background of one camera. Call `compare` and then `learn` for every frame, in order."""

    def __init__(self, config: BackgroundConfig) -> None:
        self._config = config
        self._time_s = self._started_s = self._changed_s = self._elapsed_s = 0.0
        self._mean = np.zeros((0, 0, 3), np.float32)  # (h, w, 3) grey levels at the first frame's exposure
        self._spread = self._flicker = self._still_s = np.zeros((0, 0), np.float32)
        self._still_rgb = np.zeros((0, 0, 3), np.uint8)
        self._last_different: np.ndarray = np.zeros((0, 0), np.uint8)

    @property
    def age_s(self) -> float:
        """Seconds since the scene began: the first frame, another size, or a cut."""
        return self._time_s - self._started_s

    def compare(self, image_rgb: np.ndarray, time_s: float) -> Comparison:
        """`image_rgb`: uint8 (h, w, 3) at working size; a new size starts afresh. The first frame differs nowhere."""
        if image_rgb.shape != self._mean.shape:
            self._start(image_rgb, time_s)
        self._elapsed_s = max(time_s - self._time_s, 0.0)
        self._time_s = time_s
        background = cv2.convertScaleAbs(self._mean)
        gains = _exposure_gains(image_rgb, background, self._last_different)
        image = _at_exposure(image_rgb, gains)
        # A pixel may take any value that its neighbours have in the background: a camera that trembles by a
        # pixel, or a codec that smears an edge, then differs nowhere.
        kernel = np.ones((3, 3), np.uint8)
        above = cv2.subtract(image, cv2.dilate(background, kernel))
        below = cv2.subtract(cv2.erode(background, kernel), image)
        if gains.max() > 1:
            below[image_rgb == 255] = 0  # burnt out: how bright it really is nobody knows
        excess = _channel_max(cv2.max(above, below))
        needed = self._needed(1.0 / min(1.0, float(gains.min())))
        different = cv2.compare(excess, needed, cv2.CMP_GT)
        self._last_different = different
        return Comparison(image, background, excess, needed, different)

    def learn(self, seen: Comparison, vehicles: np.ndarray, moving: np.ndarray) -> None:
        """Update with the frame just compared. `vehicles`: uint8 (h, w), 255 on what was accepted as vehicles and
        about it. `moving`: the same on those that have been seen to move, which are no ghosts."""
        config, dt = self._config, self._elapsed_s
        if self._scene_changed(seen.different, dt):
            self._start(seen.image_rgb, self._time_s)
            return
        covered = cv2.dilate(cv2.bitwise_or(seen.different, vehicles), np.ones((5, 5), np.uint8))
        free = cv2.bitwise_not(covered)
        # Early on the mean of what was seen so far, later a running mean.
        rate = _rate(dt, min(config.learn_s, max(self._time_s - self._started_s, dt)))
        deviation = _channel_max(cv2.absdiff(seen.image_rgb, seen.background_rgb))
        cv2.accumulateWeighted(deviation, self._spread, rate, free)
        cv2.accumulateWeighted(seen.image_rgb, self._mean, rate, free)
        unexplained = cv2.bitwise_and(seen.different, cv2.bitwise_not(vehicles))
        cv2.accumulateWeighted(unexplained, self._flicker, _rate(dt, config.flicker_s))
        self._settle(seen, moving, dt)

    def _start(self, image_rgb: np.ndarray, time_s: float) -> None:
        shape = image_rgb.shape[:2]
        self._mean = image_rgb.astype(np.float32)
        self._spread = np.full(shape, 2.0, np.float32)  # grey levels; ordinary compressed video
        self._flicker = np.zeros(shape, np.float32)
        self._still_rgb = image_rgb.copy()
        self._still_s = np.zeros(shape, np.float32)
        self._last_different = np.zeros(shape, np.uint8)
        self._started_s = self._time_s = time_s
        self._changed_s = self._elapsed_s = 0.0

    def _needed(self, noise_gain: float) -> np.ndarray:
        """uint8 (h, w): difference in grey levels that counts. Brightening a dark frame brightens its noise too."""
        config = self._config
        needed = np.maximum(self._spread * config.noise_factor, config.contrast)
        needed *= noise_gain + (noise_gain * config.flicker_factor / 255.0) * self._flicker
        return cv2.convertScaleAbs(needed)

    def _scene_changed(self, different: np.ndarray, dt: float) -> bool:
        wide = cv2.countNonZero(different) > self._config.reset_share * different.size
        self._changed_s = self._changed_s + dt if wide else 0.0
        return self._changed_s > self._config.reset_s

    def _settle(self, seen: Comparison, moving: np.ndarray, dt: float) -> None:
        """Differences that stand still: ghosts become background at once, parked vehicles after `absorb_s`.

        The smooth side of a passing bus stands still for a second, too, and hides the edges behind it.
        """
        config = self._config
        moved = _channel_max(cv2.absdiff(seen.image_rgb, self._still_rgb))
        changed = cv2.bitwise_or(cv2.compare(moved, seen.needed, cv2.CMP_GT), cv2.bitwise_not(seen.different))
        cv2.copyTo(seen.image_rgb, changed, self._still_rgb)
        self._still_s += dt
        self._still_s[changed > 0] = 0.0
        rows = self._still_s > config.absorb_s
        still = cv2.bitwise_and((self._still_s > config.ghost_s).astype(np.uint8) * 255, cv2.bitwise_not(moving))
        if cv2.countNonZero(still):
            rows |= ghosts(still, seen.different, seen.image_rgb, seen.background_rgb, config.contrast) > 0
        if rows.any():
            self._mean[rows] = seen.image_rgb[rows]
            self._spread[rows] = 2.0
            self._flicker[rows] = 0.0
            self._still_s[rows] = 0.0


def ghosts(
    still: np.ndarray, different: np.ndarray, image_rgb: np.ndarray, background_rgb: np.ndarray, contrast: float
) -> np.ndarray:
    """Which still regions are only memories of something that has left: uint8 (h, w), 255 there.

    A thing that stands in the image shows its outline in the image and not in the background; a
    ghost shows it in the background and not in the image (Cucchiara et al., PAMI 2003, use the same idea).
    Only the outline towards the road counts, and the background's must be worth `contrast` grey levels:
    neither a lorry's inside nor road grain is an outline. The rim of a ghost comes with it, as far as it stands still.
    """
    found = np.zeros_like(still)
    kernel = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(still, cv2.MORPH_OPEN, kernel)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    height, width = still.shape
    for label in range(1, count):
        left, top, w, h = stats[label, :4]
        area = (slice(max(top - 4, 0), min(top + h + 4, height)), slice(max(left - 4, 0), min(left + w + 4, width)))
        region = (labels[area] == label).astype(np.uint8)
        outline = cv2.subtract(cv2.dilate(region, np.ones((5, 5), np.uint8)), cv2.erode(region, kernel)) > 0
        towards_road = outline & (cv2.erode(different[area], np.ones((7, 7), np.uint8)) == 0)
        if 2 * np.count_nonzero(towards_road) < np.count_nonzero(outline):
            continue
        now, before = (_edges(picture[area])[towards_road].mean() for picture in (image_rgb, background_rgb))
        if before > max(2.0 * now, contrast):
            rim = cv2.dilate(region, np.ones((5, 5), np.uint8)) > 0
            found[area][rim & ((still[area] > 0) | (different[area] == 0))] = 255
    return found


def _edges(image_rgb: np.ndarray) -> np.ndarray:
    return _channel_max(cv2.morphologyEx(image_rgb, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))


def _exposure_gains(image_rgb: np.ndarray, background_rgb: np.ndarray, different: np.ndarray) -> np.ndarray:
    """(3,) factors image / background, the median over pixels that were road a frame ago."""
    sample = _SAMPLE if min(different.shape) > 16 else (slice(None), slice(None))
    ratios = (image_rgb[sample].astype(np.float32) + 1) / (background_rgb[sample].astype(np.float32) + 1)
    road = different[sample] == 0
    chosen = ratios[road] if np.count_nonzero(road) * 4 > road.size else ratios.reshape(-1, 3)
    return np.clip(np.median(chosen, axis=0), 0.25, 4.0)


def _at_exposure(image_rgb: np.ndarray, gains: np.ndarray) -> np.ndarray:
    if np.abs(gains - 1).max() < 1 / 256:
        return image_rgb
    levels = np.arange(256)[:, None] / gains
    return cv2.LUT(image_rgb, np.clip(np.rint(levels), 0, 255).astype(np.uint8)[None])


def _channel_max(image: np.ndarray) -> np.ndarray:
    first, second, third = cv2.split(image)
    return cv2.max(cv2.max(first, second), third)


def _rate(elapsed_s: float, memory_s: float) -> float:
    """Share of the newest frame in a running mean over `memory_s`."""
    return 1.0 - math.exp(-elapsed_s / memory_s) if memory_s > 0 else 0.0

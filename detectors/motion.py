"""Vehicles without a network: whatever moves in front of a fixed camera's background, one box each.

background (`motion_background.py`) → regions without shadows (`motion_regions.py`) → one box a vehicle
(`motion_memory.py`) → gates and scores (here). It needs no weights and a few milliseconds an image, and
knows no classes: everything is 0, a vehicle of unknown kind. People and trees that pass the gates pass too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from detectors.boxes import clip_boxes
from detectors.detections import UNKNOWN_VEHICLE, Detections
from detectors.motion_background import Background, BackgroundConfig, Comparison
from detectors.motion_memory import Memory, MemoryConfig, Sighting
from detectors.motion_regions import Regions, ShadowConfig, find_regions
from mtmc.errors import ConfigError

PROVEN_TRAVEL = 1 / 3  # of its own size: what has moved so far is a vehicle
MOVING = 0.1  # of its own size a second: what stands may have left, and its ghost stayed
METHOD_VERSION = 2  # part of the fingerprint: raise it when boxes may change for equal settings


@dataclass(frozen=True)
class MotionConfig:
    """Size gates relative to the image, and the settings of each step."""

    working_px: int = 480  # longer side while looking for motion: 640 found no more and took twice the time
    least_area: float = 0.0006  # share of the image: 35 × 35 px in full HD, below which no vehicle is recognised again
    largest_area: float = 0.7  # share of the image: more is a change of light or a lorry against the lens
    longest_shape: float = 6.0  # long side / short side; articulated lorries from the side reach 5
    least_fill: float = 0.25  # share of a box that differs; less is a twig or a line
    settle_s: float = 1.5  # after a start every region is one vehicle; ghosts of the first image are gone by then
    unproven_s: float = 2.0  # what has not moved by its own third after this is probably a tree or a reflection
    background: BackgroundConfig = field(default_factory=BackgroundConfig)
    shadows: ShadowConfig = field(default_factory=ShadowConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)

    def __post_init__(self) -> None:
        if self.working_px < 64:
            raise ConfigError("motion.working_px", "64 or more", str(self.working_px))
        if not 0 <= self.least_area < self.largest_area <= 1:
            found = f"{self.least_area}, {self.largest_area}"
            raise ConfigError("motion.least_area, motion.largest_area", "0 ≤ least < largest ≤ 1", found)


class MotionDetector:
    """`Detector` for fixed cameras. Remembers what it saw: take a fresh one per camera (`for_camera`)."""

    name = "motion"
    stateful = True

    def __init__(self, config: MotionConfig | None = None, min_score: float = 0.0, batch_size: int = 16) -> None:
        self._config = config or MotionConfig()
        self._min_score = min_score
        self.batch_size = batch_size
        self.fingerprint = f"motion {METHOD_VERSION} {self._config} min_score={min_score}"
        self._background = Background(self._config.background)
        self._memory = Memory(self._config.memory)

    def for_camera(self, camera_id: str) -> MotionDetector:
        """A detector that has seen nothing yet."""
        return MotionDetector(self._config, self._min_score, self.batch_size)

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """One `Detections` an image. Images must come in order; `times_s` sets the rates, so frames may be missing."""
        return [self._detect(image, float(time_s)) for image, time_s in zip(images_rgb, times_s, strict=True)]

    def _detect(self, image_rgb: np.ndarray, time_s: float) -> Detections:
        small = _at_working_size(image_rgb, self._config.working_px)
        seen = self._background.compare(small, time_s)
        regions = find_regions(seen, self._config.shadows)
        if self._background.age_s < self._config.settle_s:
            # Until what stood in the first image has left its place, regions say nothing about each other.
            self._memory = Memory(self._config.memory)
        sightings = self._memory.step(regions, time_s, self._config.least_area * seen.different.size)
        shape = seen.different.shape
        proven = [s.box for s in sightings if not _is_unproven(s, time_s, self._config.unproven_s)]
        moving = [s.box for s in sightings if s.vehicle.travel >= PROVEN_TRAVEL and s.vehicle.sizes_a_second > MOVING]
        self._background.learn(seen, _mask(proven, 0.5, shape), _mask(moving, 0.0, shape))
        boxes = np.array([s.box for s in sightings]).reshape(-1, 4)
        scores = np.array([_score(k, sightings, seen, regions, time_s, self._config) for k in range(len(sightings))])
        height, width = image_rgb.shape[:2]
        scale = np.array([width / small.shape[1], height / small.shape[0]] * 2)
        boxes = clip_boxes(boxes * scale, (height, width))
        keep = self._passes(boxes, (height, width)) & (scores > 0) & (scores >= self._min_score)
        return Detections(boxes[keep], scores[keep].reshape(-1), np.full(int(keep.sum()), UNKNOWN_VEHICLE))

    def _passes(self, boxes_xyxy: np.ndarray, image_hw: tuple[int, int]) -> np.ndarray:
        """Boolean (N,): boxes of a size and shape that a vehicle can have."""
        sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
        share = np.prod(sides, axis=1) / (image_hw[0] * image_hw[1])
        shape = sides.max(axis=1, initial=0) / np.maximum(sides.min(axis=1, initial=np.inf), 1e-6)
        config = self._config
        return (share >= config.least_area) & (share <= config.largest_area) & (shape <= config.longest_shape)


def _at_working_size(image_rgb: np.ndarray, working_px: int) -> np.ndarray:
    height, width = image_rgb.shape[:2]
    scale = working_px / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image_rgb)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)


def _mask(boxes: Sequence[np.ndarray], margin: float, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 (h, w): 255 in the boxes, each wider by `margin` of its size on every side: for the shadows about it."""
    mask = np.zeros(shape, np.uint8)
    for box in boxes:
        beyond = margin * (box[2:] - box[:2])
        left, top = np.maximum(box[:2] - beyond, 0).astype(int)
        right, bottom = np.maximum(box[2:] + beyond, 0).astype(int)
        mask[top:bottom, left:right] = 255
    return mask


def _is_unproven(sighting: Sighting, time_s: float, unproven_s: float) -> bool:
    return sighting.vehicle.travel < PROVEN_TRAVEL and time_s - sighting.vehicle.born_s > unproven_s


def _score(
    k: int, sightings: Sequence[Sighting], seen: Comparison, regions: Regions, time_s: float, config: MotionConfig
) -> float:
    """0 to 1: how full the box is of pixels that differ, how clearly, and how sure the cut is.

    A box three-fifths full of pixels at three times the needed difference scores 1. It is
    lowered where other vehicles cover it, where it was never seen alone, and where it has
    not moved for long. 0 = no box (emptier than `least_fill`).
    """
    sighting = sightings[k]
    height, width = seen.different.shape
    left, top, right, bottom = np.clip(np.rint(sighting.box), 0, [width, height] * 2).astype(int)
    area = (slice(top, bottom), slice(left, right))
    solid = regions.labels[area] > 0
    count = int(np.count_nonzero(solid))
    if count == 0 or count < config.least_fill * solid.size:
        return 0.0
    times_needed = float((seen.excess[area][solid] / np.maximum(seen.needed[area][solid], 1.0)).mean())
    sure = math.sqrt(min(count / solid.size / 0.6, 1.0) * min(times_needed / 3.0, 1.0))
    if sighting.shared:
        sure *= (0.4 + 0.6 * _visible_share(k, sightings)) * (1.0 if sighting.vehicle.alone else 0.6)
    if _is_unproven(sighting, time_s, config.unproven_s):
        sure *= 0.3
    return round(min(max(sure, 0.05), 1.0), 3)


def _visible_share(k: int, sightings: Sequence[Sighting]) -> float:
    """Share of box k not covered by boxes that reach further down: nearer vehicles, as cameras hang above roads."""
    left, top, right, bottom = np.rint(sightings[k].box).astype(int)
    free = np.ones((max(bottom - top, 1), max(right - left, 1)), bool)
    for j, other in enumerate(sightings):
        if j != k and other.box[3] > sightings[k].box[3]:
            x0, y0, x1, y1 = np.rint(other.box).astype(int)
            free[max(y0 - top, 0):max(y1 - top, 0), max(x0 - left, 0):max(x1 - left, 0)] = False
    return float(free.mean())

"""A network sees only the part of the picture that a camera's region of interest needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from detectors.detections import Detections, Detector
from mtmc.errors import ConfigError, InputError

_ALIGNED_PX = 16  # so that cameras whose regions differ by a few pixels share a network's input size


@dataclass(frozen=True)
class RegionConfig:
    """crop: whether networks get the rectangle around a camera's region of interest instead of the whole picture.
    margin: what is added on all four sides, as a share of the picture's longer side, 0 or more: a region says where
    vehicles stand, and they reach beyond it. most: share of the picture's pixels from which on it is left whole."""

    crop: bool = True
    # A vehicle at the far edge of a region is seldom taller than this; boxes cut by the rectangle come out too short.
    margin: float = 0.1
    most: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.margin < float("inf") or not 0 < self.most <= 1:
            raise ConfigError("detector.region", "margin of 0 or more, most above 0 and at most 1",
                              f"{self.margin} and {self.most}")  # fmt: skip


class Rectangle(NamedTuple):
    """Columns x1 to x2 and rows y1 to y2 of a picture, the latter not included."""

    x1: int
    y1: int
    x2: int
    y2: int


def rectangle_of(roi: np.ndarray, config: RegionConfig) -> Rectangle | None:
    """The part of a picture that a region of interest needs, None for the whole picture.

    roi: bool (H, W), as large as the picture, or (0, 0) where there is none. A region without a pixel needs no part
    either, but the whole picture is kept: what is found there is dropped, and counted, later.
    """
    if not config.crop or not roi.any():
        return None
    height, width = roi.shape
    columns, rows = np.flatnonzero(roi.any(axis=0)), np.flatnonzero(roi.any(axis=1))
    margin = config.margin * max(height, width)
    x1, x2 = _widened(columns, margin, width)
    y1, y2 = _widened(rows, margin, height)
    if (x2 - x1) * (y2 - y1) > config.most * height * width:
        return None
    return Rectangle(x1, y1, x2, y2)


def _widened(places: np.ndarray, margin: float, size: int) -> tuple[int, int]:
    low = int(max(0.0, places[0] - margin)) // _ALIGNED_PX * _ALIGNED_PX
    high = -(-int(places[-1] + 1 + margin) // _ALIGNED_PX) * _ALIGNED_PX
    return low, min(size, high)


class RegionDetector:
    """A `Detector` of one camera that shows another one a rectangle of each picture; boxes are of the whole picture.

    picture_hw: height and width of the camera's pictures.
    """

    def __init__(self, detector: Detector, rectangle: Rectangle, picture_hw: tuple[int, int]) -> None:
        self._detector, self._rectangle, self._picture_hw = detector, rectangle, picture_hw
        self.stateful, self.batch_size = detector.stateful, detector.batch_size
        x1, y1, x2, y2 = rectangle
        self.name = f"{detector.name} in columns {x1} to {x2}, rows {y1} to {y2}"
        self.fingerprint = f"{detector.fingerprint} region {tuple(rectangle)}"

    def for_camera(self, camera_id: str) -> RegionDetector:
        """For a camera with the same region, from its first frame."""
        return RegionDetector(self._detector.for_camera(camera_id), self._rectangle, self._picture_hw)

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """See `Detector.detect`. Raises `InputError` for a picture of another size than the region's."""
        x1, y1, x2, y2 = self._rectangle
        for image in images_rgb:
            if image.shape[:2] != self._picture_hw:
                raise InputError("a camera's picture", f"{self._picture_hw}, as its region of interest",
                                 f"{image.shape[:2]}")  # fmt: skip
        parts = [np.ascontiguousarray(image[y1:y2, x1:x2]) for image in images_rgb]
        offset = np.array([x1, y1, x1, y1], np.float32)
        return [Detections(found.boxes_xyxy + offset, found.scores, found.class_ids)
                for found in self._detector.detect(parts, frame_indices, times_s)]

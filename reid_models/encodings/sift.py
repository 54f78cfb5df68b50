"""SIFT of a crop (Lowe 2004), at key points or on a grid, as RootSIFT (Arandjelović and Zisserman 2012). OpenCV's."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mtmc.errors import InputError
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet

LENGTH = 128


class SiftFeatures:
    """Crops to local features: "sift" finds its key points, "dense-sift" has a grid of them at several sizes."""

    backbone_sha256 = ""  # no network behind it

    def __init__(self, config: EncodingConfig, batch_size: int = 32) -> None:
        self.config = config
        self.input_hw = (config.crop_px, config.crop_px)
        self.batch_size = batch_size
        # Vehicle crops are small and soft: the usual contrast threshold of 0.04 leaves many without a key point.
        self._sift = cv2.SIFT_create(contrastThreshold=0.02)  # type: ignore[attr-defined]
        self._grid = dense_grid(config) if config.features == "dense-sift" else None

    def extract(self, crops_rgb: Sequence[np.ndarray]) -> list[LocalSet]:
        """One set a crop, in order. Raises `InputError` for what is no uint8 RGB image."""
        return [self._of(crop, i) for i, crop in enumerate(crops_rgb)]

    def _of(self, crop_rgb: np.ndarray, place: int) -> LocalSet:
        if crop_rgb.ndim != 3 or crop_rgb.shape[2] != 3 or crop_rgb.dtype != np.uint8 or not crop_rgb.size:
            raise InputError(f"crop {place}", "uint8 h x w x 3 with at least one pixel",
                             f"{crop_rgb.dtype} {crop_rgb.shape}")
        side = self.config.crop_px
        shrinks = min(crop_rgb.shape[:2]) >= side
        grey = cv2.cvtColor(np.ascontiguousarray(crop_rgb), cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        points = self._grid if self._grid is not None else self._sift.detect(grey, None)
        points, descriptors = self._sift.compute(grey, points)
        if descriptors is None or not len(points):
            return LocalSet(np.zeros((0, LENGTH), np.float32), np.zeros((0, 2), np.float32), np.zeros(0, np.int64))
        places = np.array([[point.pt[1], point.pt[0]] for point in points], np.float32) / side
        return LocalSet(root_sift(descriptors), places, np.zeros(len(points), np.int64))


def dense_grid(config: EncodingConfig) -> tuple[cv2.KeyPoint, ...]:
    """Upright key points every `step_px`, at each of the sizes, clear of the border by half a step."""
    steps = np.arange(config.step_px / 2, config.crop_px, config.step_px)
    return tuple(cv2.KeyPoint(float(x), float(y), float(size), 0.0)
                 for size in config.sizes_px for y in steps for x in steps)


def root_sift(descriptors: np.ndarray) -> np.ndarray:
    """float32 (N, 128): the root of each descriptor over its sum, of unit length (zeros stay): Hellinger distance."""
    sums = descriptors.sum(axis=1, keepdims=True)
    return np.sqrt(descriptors / np.maximum(sums, 1e-12)).astype(np.float32)

"""Crops of any size into the fixed batch of pictures that a network takes. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mtmc.errors import InputError


def fit_crops(
    crops_rgb: Sequence[np.ndarray], input_hw: tuple[int, int], batch_size: int, first: int = 0
) -> np.ndarray:
    """uint8 (batch_size, H, W, 3) RGB; rows beyond the crops are black. Crops are squashed to `input_hw`, by area where
    they shrink. Raises `InputError` for what is no uint8 RGB image, counting crops from `first`."""
    height, width = input_hw
    stack = np.zeros((batch_size, height, width, 3), np.uint8)
    for i, crop in enumerate(crops_rgb):
        check_crop(crop, first + i)
        shrinks = crop.shape[0] >= height and crop.shape[1] >= width
        stack[i] = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return stack


def check_crop(crop: np.ndarray, number: int) -> None:
    """Raises `InputError` for what is no uint8 RGB image."""
    if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8 or not crop.size:
        raise InputError(f"crop {number}", "uint8 h x w x 3 with at least one pixel", f"{crop.dtype} {crop.shape}")

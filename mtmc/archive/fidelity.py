"""How much a picture lost: PSNR over a whole set of pictures, from one mean squared error (seeds_digest G)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np


def psnr(mean_squared_error: float) -> float:
    """Decibels for 8-bit values: 20 log10 255 - 10 log10 MSE; infinite for 0."""
    return 20 * math.log10(255) - 10 * math.log10(mean_squared_error) if mean_squared_error > 0 else math.inf


def pooled_error(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """Mean squared error over all RGB values of all pairs of pictures uint8 (original, copy) together, so that large
    pictures weigh more. NaN without any."""
    total, count = 0.0, 0
    for original, copy in pairs:
        difference = original.astype(np.float64) - copy.astype(np.float64)
        total, count = total + float((difference**2).sum()), count + difference.size
    return total / count if count else math.nan


def block_errors(blocks: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """float64 (B,): the mean squared error of each block of two uint8 arrays (B, h, w, 3)."""
    difference = blocks.astype(np.float32) - copies.astype(np.float32)
    return np.asarray((difference**2).mean(axis=(1, 2, 3)), dtype=np.float64)

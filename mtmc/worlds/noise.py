"""Smooth random textures for made-up streets."""

from __future__ import annotations

import cv2
import numpy as np


def cloudy(rng: np.random.Generator, size_hw: tuple[int, int], octaves: tuple[int, ...]) -> np.ndarray:
    """float32 (h, w), mean 0, standard deviation 1, that repeats in both directions: a sum of blurred random grids
    of `octaves` cells along the shorter side, coarser ones stronger."""
    h, w = size_hw
    total = np.zeros((h, w), dtype=np.float32)
    for cells in octaves:
        rows, columns = cells, max(1, round(cells * w / h))
        grid = np.pad(rng.normal(size=(rows, columns)).astype(np.float32), 2, mode="wrap")
        scale_y, scale_x = h / rows, w / columns
        xs = (np.arange(w, dtype=np.float32) + 0.5) / scale_x + 1.5
        ys = (np.arange(h, dtype=np.float32) + 0.5) / scale_y + 1.5
        wide = np.stack([np.interp(xs, np.arange(columns + 4), row) for row in grid]).astype(np.float32)
        tall = cv2.remap(wide, np.broadcast_to(np.arange(w, dtype=np.float32), (h, w)).copy(),
                         np.broadcast_to(ys[:, None], (h, w)).copy(), cv2.INTER_LINEAR)
        total += tall / np.sqrt(np.float32(cells))
    return (total - total.mean()) / max(float(total.std()), 1e-6)


def look_up(tile: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values of a repeating tile at real coordinates (in cells), nearest cell."""
    rows = np.floor(y).astype(np.int32) % tile.shape[0]
    columns = np.floor(x).astype(np.int32) % tile.shape[1]
    return np.asarray(tile[rows, columns])

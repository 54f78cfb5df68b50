"""The two distances: tracklet-to-tracklet and image-to-tracklet, Euclidean between unit vectors, 0 to 2."""

from __future__ import annotations

import numpy as np


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float32 (A, B): Euclidean distances between the unit rows of a (A, D) and of b (B, D)."""
    cosines = a.astype(np.float32, copy=False) @ b.astype(np.float32, copy=False).T
    return np.sqrt(np.maximum(2.0 - 2.0 * cosines, 0.0))


def image_to_tracklet(images: np.ndarray, offsets: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    """float32 (A, B): distance from the nearest image of each of A tracklets to each of B pooled vectors.

    images: (sum of K, D) unit rows; tracklet i owns rows offsets[i]:offsets[i + 1]. A tracklet without
    images is at distance NaN.
    """
    every = distances(images, pooled)
    nearest = np.full((len(offsets) - 1, len(pooled)), np.nan, np.float32)
    for row in range(len(nearest)):
        if offsets[row + 1] > offsets[row]:
            nearest[row] = every[offsets[row]:offsets[row + 1]].min(axis=0)
    return nearest

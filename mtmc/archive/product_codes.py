"""Product quantisation (Jégou, Douze, Schmid 2011): a vector in `size` parts, each as the number of its nearest word.

Parts are equal cuts of a rotated vector: principal directions dealt out in turn, so that each part holds as much of
the variance as another ("balanced" allocation, Ge et al. 2013).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reid_models.encodings.codebook import assign, kmeans
from reid_models.encodings.whitening import fit_projection, project

WORDS = 256  # one byte a part
_ROUNDS = 12


def fit(rows: np.ndarray, size: int, seed: int) -> dict[str, np.ndarray]:
    """mean, axes (D, parts · width) and words (parts, k, width). No more parts than rows have directions, no more
    words than rows."""
    mean, axes = fit_projection(rows, 0, whiten=False)
    parts = min(size, axes.shape[1])
    width = axes.shape[1] // parts
    # Component c goes to part c mod parts; those left over at the end, of least variance, are dropped.
    order = np.arange(parts * width).reshape(width, parts).T.ravel()
    axes = axes[:, order]
    points = project(rows, mean, axes).reshape(len(rows), parts, width)
    count = min(WORDS, len(rows))
    words = np.stack([kmeans(points[:, p], count, seed + p, _ROUNDS) for p in range(parts)])
    return {"mean": mean, "axes": axes.astype(np.float16), "words": words.astype(np.float16)}


def encode(rows: np.ndarray, fitted: Mapping[str, np.ndarray]) -> np.ndarray:
    """uint8 (N, parts)."""
    parts, _, width = fitted["words"].shape
    points = project(rows, fitted["mean"], fitted["axes"].astype(np.float32)).reshape(len(rows), parts, width)
    words = fitted["words"].astype(np.float32)
    return np.stack([assign(points[:, p], words[p])[0] for p in range(parts)], axis=1).astype(np.uint8)


def decode(codes: np.ndarray, fitted: Mapping[str, np.ndarray]) -> np.ndarray:
    """float32 (N, D): the words, turned back."""
    parts = fitted["words"].shape[0]
    points = fitted["words"].astype(np.float32)[np.arange(parts), codes]
    return points.reshape(len(codes), -1) @ fitted["axes"].astype(np.float32).T + fitted["mean"]


def bytes_per_row(size: int) -> float:
    """One a part."""
    return float(size)

"""PCA and PCA-whitening (seeds_digest F8; Jégou and Chum 2012), and the normalisations around them.

Whitening gives every kept direction the same weight: co-occurring words and common colours, which make most vectors
alike, no longer outvote what tells vehicles apart.
"""

from __future__ import annotations

import numpy as np

from mtmc.errors import InputError

RANK = 1e-7  # directions with less than this share of the largest variance hold rounding, not data


def fit_projection(rows: np.ndarray, dimension: int = 0, whiten: bool = True,
                   ridge: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """mean float32 (D,) and axes float32 (D, d) of (N, D) rows; d is `dimension` (0: all), at most the rows' rank.

    With `whiten` the projected rows have covariance I (ridge 0); `ridge` times the mean kept variance is added to each
    variance before its root divides. Raises `InputError` for fewer than two distinct rows.
    """
    values = np.asarray(rows, np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise InputError("rows to fit a projection on", "two or more", str(values.shape))
    mean = values.mean(axis=0)
    centred = values - mean
    # Of the two square matrices the smaller one has the same eigenvalues.
    wide = centred.shape[1] > len(centred)
    square = centred @ centred.T if wide else centred.T @ centred
    found, vectors = np.linalg.eigh(square / (len(values) - 1))
    found, vectors = found[::-1], vectors[:, ::-1]
    rank = int((found > RANK * max(float(found[0]), 0.0)).sum()) if found[0] > 0 else 0
    if not rank:
        raise InputError("rows to fit a projection on", "two that differ", "all alike")
    kept = min(dimension or rank, rank)
    variances, axes = found[:kept], vectors[:, :kept]
    if wide:
        axes = centred.T @ axes
        axes /= np.linalg.norm(axes, axis=0)
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(kept)])  # an eigenvector's sign is arbitrary: fix it
    if whiten:
        axes = axes / np.sqrt(variances + ridge * variances.mean())
    return mean.astype(np.float32), axes.astype(np.float32)


def project(rows: np.ndarray, mean: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """float32 (N, d)."""
    return ((rows - mean) @ axes).astype(np.float32)


def signed_power(vector: np.ndarray, power: float) -> np.ndarray:
    """sign(v)·|v|^power, entry by entry."""
    return np.sign(vector) * np.abs(vector) ** power if power != 1 else vector


def unit(vector: np.ndarray) -> np.ndarray:
    """float32 of length 1. A vector of zeros (a crop without local features) becomes the flat unit vector, so that
    such crops are alike and no consumer meets a vector without length."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if length < 1e-12:
        return np.full(vector.shape, 1 / np.sqrt(max(vector.size, 1)), np.float32)
    return (vector / length).astype(np.float32)

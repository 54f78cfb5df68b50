"""Vectors as their first principal components in half precision. size: components."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reid_models.encodings.whitening import fit_projection, project


def fit(rows: np.ndarray, size: int, seed: int) -> dict[str, np.ndarray]:
    """mean and axes; no more components than the rows have directions. `seed` is not needed."""
    mean, axes = fit_projection(rows, min(size, rows.shape[1]), whiten=False)
    return {"mean": mean, "axes": axes.astype(np.float16)}


def encode(rows: np.ndarray, fitted: Mapping[str, np.ndarray]) -> np.ndarray:
    """float16 (N, components)."""
    return project(rows, fitted["mean"], fitted["axes"].astype(np.float32)).astype(np.float16)


def decode(codes: np.ndarray, fitted: Mapping[str, np.ndarray]) -> np.ndarray:
    """float32 (N, D)."""
    return codes.astype(np.float32) @ fitted["axes"].astype(np.float32).T + fitted["mean"]


def bytes_per_row(size: int) -> float:
    """Two a component."""
    return 2.0 * size

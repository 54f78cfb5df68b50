"""Second-order pooling (Carreira et al. 2012; seeds_digest F9): how local features vary together, beside their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet, fit_locals, reduced
from reid_models.encodings.whitening import unit


def second_moment(rows: np.ndarray, central: bool = False) -> np.ndarray:
    """float64 (d, d): (1/N)·XᵀX of (N, d) rows, or with `central` their covariance (divided by N); zeros for N = 0."""
    values = np.asarray(rows, np.float64)
    if not len(values):
        return np.zeros((values.shape[1], values.shape[1]))
    if central:
        values = values - values.mean(axis=0)
    return values.T @ values / len(values)


class SecondOrder:
    """The encoding `second-order`: the mean and the covariance's upper triangle, of equal weight."""

    default = EncodingConfig(features="conv", local_dimension=48)  # 48 · 49 / 2 numbers; 2048² would be too many

    def __init__(self, config: EncodingConfig) -> None:
        self.config = config

    def fit(self, sets: Sequence[LocalSet]) -> dict[str, np.ndarray]:
        """The reduction of the local features."""
        return fit_locals(sets, self.config.local_dimension)

    def encode(self, features: LocalSet, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """float32 (d + d·(d + 1)/2,)."""
        rows = reduced(features, arrays).descriptors
        if not len(rows):
            d = rows.shape[1]
            return np.zeros(d + d * (d + 1) // 2, np.float32)
        covariance = second_moment(rows, central=True)
        i, j = np.triu_indices(len(covariance))
        # An entry off the diagonal stands for two, so that inner products are those of the whole matrices.
        triangle = covariance[i, j] * np.where(i == j, 1.0, np.sqrt(2.0))
        return np.concatenate([_part(rows.mean(axis=0)), _part(triangle)])


def _part(vector: np.ndarray) -> np.ndarray:
    return unit(vector) if vector.any() else vector.astype(np.float32)

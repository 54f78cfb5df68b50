"""Multi-scale regions (seeds_digest F8): a pyramid of equal cells over a convolutional map, each pooled and
normalised by itself, then merged.

Merging by sum gives a vector that does not know where a part was; joining the regions keeps that, at their number
times the length before the final PCA. The slide's grid and merge rule are lost: both are settings. On folds of the
two-view training images, sums did better (R-1 95.7 against 89.8): two views of a vehicle show its parts elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet


def region_vectors(features: LocalSet, levels: Sequence[int], pool: str = "sum", norm: str = "l1") -> np.ndarray:
    """float32 (Σ level², d): each level's cells row by row; a cell without local features is zeros."""
    dimension = features.descriptors.shape[1]
    parts = []
    for cells in levels:
        yx = np.clip((features.places_yx * cells).astype(np.int64), 0, cells - 1)
        cell = yx[:, 0] * cells + yx[:, 1]
        if pool == "max":
            pooled = np.full((cells * cells, dimension), -np.inf)
            np.maximum.at(pooled, cell, features.descriptors)
            pooled[np.isinf(pooled)] = 0
        else:
            pooled = np.zeros((cells * cells, dimension))
            np.add.at(pooled, cell, features.descriptors)
        lengths = np.linalg.norm(pooled, ord=1 if norm == "l1" else 2, axis=1, keepdims=True)
        parts.append(pooled / np.maximum(lengths, 1e-12))
    return np.concatenate(parts).astype(np.float32)


class Regions:
    """The encoding `regions`."""

    default = EncodingConfig(features="conv", power=1.0)

    def __init__(self, config: EncodingConfig) -> None:
        self.config = config

    def fit(self, sets: Sequence[LocalSet]) -> dict[str, np.ndarray]:
        """Nothing to learn but the final whitening."""
        return {}

    def encode(self, features: LocalSet, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """float32 (d,), or (regions × d,) where they are joined."""
        vectors = region_vectors(features, self.config.levels, self.config.pool, self.config.norm)
        return vectors.ravel() if self.config.merge == "concatenate" else vectors.sum(axis=0)

"""SPoC (Babenko and Lempitsky 2015; seeds_digest F6): the sum over all places of a convolutional map.

The order of the paper, sum → unit length → PCA-whitening → unit length, is what `embedder.finish` does with `power: 1`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet


def spoc(descriptors: np.ndarray) -> np.ndarray:
    """float32 (d,): the sum of (N, d) descriptors."""
    return descriptors.sum(axis=0, dtype=np.float64).astype(np.float32)


class Spoc:
    """The encoding `spoc`."""

    default = EncodingConfig(features="conv", power=1.0)

    def __init__(self, config: EncodingConfig) -> None:
        self.config = config

    def fit(self, sets: Sequence[LocalSet]) -> dict[str, np.ndarray]:
        """Nothing to learn but the final whitening."""
        return {}

    def encode(self, features: LocalSet, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """float32 (d,)."""
        return spoc(features.descriptors)

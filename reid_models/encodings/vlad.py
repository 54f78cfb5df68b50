"""VLAD (Jégou et al. 2010; seeds_digest F2): what is left over of each local feature at its nearest centre, summed.

On SIFT it is the classic; on every place of a convolutional map it is F5 (Ng et al. 2015): `features: conv` and
`layer` choose the map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reid_models.encodings.bag_of_words import WORDS
from reid_models.encodings.codebook import assign, kmeans
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet, fit_locals, reduced, stacked


def vlad(descriptors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """float32 (words, d): for each of (words, d) centres the sum of x − centre over the (N, d) descriptors x nearest
    to it; zeros where it has none. The order of the descriptors does not matter but for rounding."""
    sums = np.zeros(centres.shape, np.float64)
    if len(descriptors):
        nearest, _ = assign(descriptors, centres)
        np.add.at(sums, nearest, descriptors.astype(np.float64) - centres[nearest])
    return sums.astype(np.float32)


class Vlad:
    """The encoding `vlad`."""

    default = EncodingConfig(features="conv", words=32)

    def __init__(self, config: EncodingConfig) -> None:
        self.config = config

    def fit(self, sets: Sequence[LocalSet]) -> dict[str, np.ndarray]:
        """The codebook, over reduced local features."""
        arrays = fit_locals(sets, self.config.local_dimension)
        rows = stacked([reduced(s, arrays) for s in sets])
        return arrays | {WORDS: kmeans(rows, self.config.words, self.config.seed)}

    def encode(self, features: LocalSet, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """float32 (words × d,)."""
        return vlad(reduced(features, arrays).descriptors, arrays[WORDS]).ravel()

"""MOP-CNN, multi-scale orderless pooling (Gong et al. 2014; seeds_digest F4): activations of windows at several
scales as local features, VLAD a scale, joined.

The original runs the network on every window; here windows are pooled from one map of the whole crop, since a
vehicle crop is small and a network run for each of 35 windows would cost 35 times the embedder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reid_models.encodings.codebook import kmeans
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet, fit_locals, reduced, stacked
from reid_models.encodings.vlad import vlad
from reid_models.encodings.whitening import unit


class MopCnn:
    """The encoding `mop-cnn`; the local features' `levels` are the scales."""

    default = EncodingConfig(features="windows", words=16)

    def __init__(self, config: EncodingConfig) -> None:
        self.config = config

    def fit(self, sets: Sequence[LocalSet]) -> dict[str, np.ndarray]:
        """A codebook a scale, "words_0", "words_1" …"""
        arrays = fit_locals(sets, self.config.local_dimension)
        small = [reduced(s, arrays) for s in sets]
        for level in range(len(self.config.levels)):
            rows = stacked(small, level)
            arrays[f"words_{level}"] = kmeans(rows, min(self.config.words, len(rows)), self.config.seed)
        return arrays

    def encode(self, features: LocalSet, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """float32 (Σ words × d,): the unit VLAD of each scale, one after the other."""
        small, parts = reduced(features, arrays), []
        for level in range(len(self.config.levels)):
            part = vlad(small.descriptors[small.levels == level], arrays[f"words_{level}"]).ravel()
            parts.append(unit(part) if part.any() else part)
        return np.concatenate(parts)

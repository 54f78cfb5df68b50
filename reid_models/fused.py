"""A network's vector and the weight-free one side by side: on streets unlike those a network was trained on, one may
see what the other does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_models.embedder import Embedder


class FusedEmbedder:
    """`Embedder` of two: concatenated unit vectors, the second's of squared length `second_share`, between 0 and 1."""

    def __init__(self, first: Embedder, second: Embedder, second_share: float) -> None:
        self._parts = (first, second)
        self._scales = np.sqrt(np.array([1 - second_share, second_share], np.float32))
        self.name = f"{first.name} + {second.name}"
        self.fingerprint = f"fused {second_share}: {first.fingerprint} + {second.fingerprint}"
        self.dimension = first.dimension + second.dimension
        self.input_hw = (max(first.input_hw[0], second.input_hw[0]), max(first.input_hw[1], second.input_hw[1]))
        self.batch_size = first.batch_size

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        """(K, D) float32 unit rows. Raises what the two raise."""
        vectors = [scale * part.embed(crops_rgb) for part, scale in zip(self._parts, self._scales, strict=True)]
        return np.concatenate(vectors, axis=1)

"""What an embedder is: crops in, unit vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Embedder(Protocol):
    """Turns vehicle crops into vectors whose Euclidean distance says how alike two vehicles look.

    name: shown to users. fingerprint: text that changes whenever embeddings may (kind, weights'
    SHA-256, settings). dimension: D. input_hw: height and width to which crops are resized, so that
    callers need not keep more pixels. batch_size: the fixed number of crops per network call.
    """

    name: str
    fingerprint: str
    dimension: int
    input_hw: tuple[int, int]
    batch_size: int

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        """(K, D) float32, each row of unit length, in the order of `crops_rgb` (K images uint8 h×w×3
        RGB of any size; K may be 0). A row does not depend on the other crops: the network always
        runs `batch_size` crops, the last batch padded."""
        ...

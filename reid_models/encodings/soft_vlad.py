"""NetVLAD in use (seeds_digest F3), in NumPy: the frames of a tracklet to one vector, without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.errors import InputError
from reid_models.encodings.codebook import kmeans
from reid_models.encodings.local_set import MOST_DESCRIPTORS


@dataclass(frozen=True, eq=False)
class SoftVlad:
    """centres, weight: float32 (k, d). bias: float32 (k,). Frame x is shared out by softmax(weight·x + bias)."""

    centres: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def __post_init__(self) -> None:
        if self.centres.ndim != 2 or self.weight.shape != self.centres.shape or self.bias.shape != (len(self.centres),):
            raise InputError("NetVLAD layer", "centres and weights (k, d) and k biases",
                             f"{self.centres.shape}, {self.weight.shape}, {self.bias.shape}")

    @property
    def dimension(self) -> int:
        """k·d."""
        return self.centres.size

    @classmethod
    def from_centres(cls, centres: np.ndarray, alpha: float) -> SoftVlad:
        """Shares are the softmax of −alpha·|x − centre|²."""
        centres = np.asarray(centres, np.float32)
        return cls(centres, (2 * alpha * centres).astype(np.float32),
                   (-alpha * np.square(centres).sum(axis=1)).astype(np.float32))

    @classmethod
    def fitted(cls, frames: np.ndarray, clusters: int, alpha: float, seed: int = 0) -> SoftVlad:
        """From the k-means of (N, d) frame vectors (evenly taken where there are many). Raises `InputError` for fewer
        than `clusters`."""
        chosen = np.unique(np.linspace(0, max(len(frames) - 1, 0), min(len(frames), MOST_DESCRIPTORS)).astype(np.int64))
        return cls.from_centres(kmeans(np.asarray(frames[chosen], np.float32), clusters, seed), alpha)

    def residuals(self, frames: np.ndarray) -> np.ndarray:
        """float64 (k, d): weighted residuals of (T, d) frames, summed; zeros for T = 0."""
        rows = np.asarray(frames, np.float64)
        scores = rows @ self.weight.T.astype(np.float64) + self.bias
        shares = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf)) if len(rows) else scores
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
        return shares.T @ rows - shares.sum(axis=0)[:, None] * self.centres

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """float32 (k·d,) of unit length: each centre's residuals made a unit vector, then the whole."""
        found = self.residuals(frames)
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        flat = found.ravel()
        return (flat / max(float(np.linalg.norm(flat)), 1e-12)).astype(np.float32)

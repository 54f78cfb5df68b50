"""Fisher vectors (Perronnin and Dance 2007, improved 2010; seeds_digest F2): how a mixture of Gaussians would have to
move to fit a crop's local features better, in mean and in variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reid_models.encodings.codebook import fit_mixture, responsibilities
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet, fit_locals, reduced, stacked

WEIGHTS, MEANS, VARIANCES = "mixture_weights", "mixture_means", "mixture_variances"


def fisher(descriptors: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """float32 (2, words, d): gradients by means and by variances of (N, d) descriptors, zeros for N = 0.

    Of Gaussian k: Σ γ·(x−μ)/σ / (N·√w) and Σ γ·((x−μ)²/σ² − 1) / (N·√(2w)), γ being the share of x that is k's.
    """
    n = len(descriptors)
    if not n:
        return np.zeros((2, *means.shape), np.float32)
    rows, deviation = descriptors.astype(np.float64), np.sqrt(variances.astype(np.float64))
    shares = responsibilities(rows, weights, means, variances)
    mass = shares.sum(axis=0)[:, None]
    first, second = shares.T @ rows, shares.T @ np.square(rows)
    mean = means.astype(np.float64)
    by_mean = (first - mass * mean) / deviation
    by_variance = (second - 2 * mean * first + mass * np.square(mean)) / np.square(deviation) - mass
    root = np.sqrt(np.maximum(weights.astype(np.float64), 1e-12))[:, None] * n
    return np.stack([by_mean / root, by_variance / (root * np.sqrt(2))]).astype(np.float32)


class Fisher:
    """The encoding `fisher`."""

    default = EncodingConfig(features="conv", words=16)  # half of VLAD's words: each gives twice the numbers

    def __init__(self, config: EncodingConfig) -> None:
        self.config = config

    def fit(self, sets: Sequence[LocalSet]) -> dict[str, np.ndarray]:
        """The mixture, over reduced local features."""
        arrays = fit_locals(sets, self.config.local_dimension)
        rows = stacked([reduced(s, arrays) for s in sets])
        weights, means, variances = fit_mixture(rows, self.config.words, self.config.seed)
        return arrays | {WEIGHTS: weights, MEANS: means, VARIANCES: variances}

    def encode(self, features: LocalSet, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """float32 (2 × words × d,)."""
        rows = reduced(features, arrays).descriptors
        return fisher(rows, arrays[WEIGHTS], arrays[MEANS], arrays[VARIANCES]).ravel()

"""Frame embeddings of a tracklet into one vector (seeds_digest.md A6): the mean, plain or weighted by quality.

The mean is made a unit vector again by default. Without that, the squared distance of a query q to a mean μ is
(1/T)Σ d²(q, x_t) − (1/T)Σ ‖x_t − μ‖²: tracklets whose frames scatter (switched identities, blur) would come nearer to
everything. `renormalise=False` is the other reading of the published system, kept for comparison.
"""

from __future__ import annotations

import numpy as np

from mtmc.errors import InputError


def pool(image_embeddings: np.ndarray, renormalise: bool = True) -> np.ndarray:
    """(D,) float32, the mean of (T, D) frame embeddings, whatever their order. Raises `InputError` for T = 0."""
    return pool_weighted(image_embeddings, np.ones(len(image_embeddings)), renormalise)


def pool_weighted(image_embeddings: np.ndarray, weights: np.ndarray, renormalise: bool = True) -> np.ndarray:
    """(D,) float32, the mean of (T, D) frame embeddings weighted by (T,) `weights`, 0 or more, e.g. crop qualities.

    All weights zero counts as all equal. Raises `InputError` for T = 0 and for negative weights.
    """
    if not len(image_embeddings):
        raise InputError("frame embeddings of a tracklet", "at least one", "none")
    weights = np.asarray(weights, np.float64)
    if (weights < 0).any() or not np.isfinite(weights).all():
        raise InputError("weights of frame embeddings", "0 or more", f"{weights.min()}")
    if not weights.any():
        weights = np.ones(len(weights))
    # Summed in float64, so that the order of the frames does not show in the result.
    mean = (weights / weights.sum()) @ np.asarray(image_embeddings, np.float64)
    length = np.linalg.norm(mean)
    return (mean / length if renormalise and length > 0 else mean).astype(np.float32)

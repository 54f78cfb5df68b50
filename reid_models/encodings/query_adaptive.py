"""Query-adaptive matching (seeds_digest F7): the vector that a query is compared with is mixed, for that query, from
all that a gallery entry shows.

An entry is R unit vectors (regions of an image, or the images of a tracklet); the mix Σ w·r with w ≥ 0 is the one with
the largest cosine to the query. The survey leaves the optimisation out; this one is a non-negative least-squares
problem: its optimum w has cosine √(cᵀw), c being the cosines of the single vectors.
"""

from __future__ import annotations

import itertools

import numpy as np

SWEEPS = 500  # of coordinate descent at most; it stops where no weight moves any more, mostly after a tenth of them
_SETTLED = 1e-6


def adaptive_cosines(queries: np.ndarray, regions: np.ndarray, sweeps: int = SWEEPS) -> np.ndarray:
    """float64 (Q,): the best cosine of each of (Q, D) unit queries to a non-negative mix of (R, D) unit `regions`.

    Never below the best single cosine; equal to it for R = 1 and where none is positive (a mix of vectors that all
    point away points away further). −1 for R = 0.
    """
    if not len(regions):
        return np.full(len(queries), -1.0)
    single = np.asarray(queries, np.float64) @ np.asarray(regions, np.float64).T
    gram = np.asarray(regions, np.float64) @ np.asarray(regions, np.float64).T
    weights = np.zeros(single.shape)
    left = single.copy()  # c − G·w, kept up to date
    for _ in range(sweeps):
        moved = 0.0
        for r in range(len(regions)):
            new = np.maximum(weights[:, r] + left[:, r] / max(float(gram[r, r]), 1e-12), 0.0)
            step = new - weights[:, r]
            left -= step[:, None] * gram[r]
            weights[:, r] = new
            moved = max(moved, float(np.abs(step).max(initial=0.0)))
        if moved < _SETTLED:
            break
    mixed = np.einsum("qr,qr->q", single, weights)
    lengths = np.sqrt(np.maximum(np.einsum("qr,rs,qs->q", weights, gram, weights), 1e-24))
    return np.minimum(np.maximum(np.where(mixed > 0, mixed / lengths, -1.0), single.max(axis=1)), 1.0)


def adaptive_distances(queries: np.ndarray, images: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """float32 (Q, M): Euclidean distance, 0 to 2, of each query to the best mix of the images of each of M entries;
    entry i owns rows offsets[i]:offsets[i + 1] of (ΣK, D) `images`."""
    result = np.empty((len(queries), len(offsets) - 1), np.float32)
    for i, (start, stop) in enumerate(itertools.pairwise(offsets)):
        cosines = adaptive_cosines(queries, images[int(start) : int(stop)])
        result[:, i] = np.sqrt(np.maximum(2 - 2 * cosines, 0))
    return result

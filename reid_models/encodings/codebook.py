"""Codebooks: k-means and a mixture of Gaussians with diagonal covariance, the same bytes for the same rows and seed.

Ours, in NumPy: using a fitted encoding and fitting one then need no library beyond those that `reid_models` has; the
tests hold both to scikit-learn.
"""

from __future__ import annotations

import numpy as np

from mtmc.errors import InputError

KMEANS_ROUNDS = 40  # it has settled long before on descriptors
MIXTURE_ROUNDS = 20
_BLOCK = 8192  # rows at once: distances to all words stay small in memory


def kmeans(rows: np.ndarray, words: int, seed: int, rounds: int = KMEANS_ROUNDS) -> np.ndarray:
    """float32 (words, d) centres of (N, d) rows: Lloyd's iterations from a k-means++ start (Arthur 2007).

    A centre that loses all rows moves to the row farthest from its own. Raises `InputError` for fewer rows than words.
    """
    rows = np.asarray(rows, np.float32)
    if len(rows) < words:
        raise InputError(f"a codebook of {words} words", f"{words} or more local features", str(len(rows)),
                         "Ask for fewer words, or give more pictures.")
    centres = _spread_start(rows, words, np.random.default_rng([seed, 1]))
    nearest = np.full(len(rows), -1)
    for _ in range(rounds):
        before, (nearest, squared) = nearest, assign(rows, centres)
        if np.array_equal(before, nearest):
            break
        counts, sums = np.bincount(nearest, minlength=words), _sums(rows, nearest, words)
        farthest = np.argsort(-squared, kind="stable")
        centres = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
        empty = np.flatnonzero(counts == 0)
        centres[empty] = rows[farthest[: len(empty)]]
    return centres


def assign(rows: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 (N,) nearest centre of each row (the first of equals) and float32 (N,) its squared distance."""
    nearest, squared = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.float32)
    lengths = np.square(centres).sum(axis=1)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        scores = lengths - 2 * (block @ centres.T)
        best = scores.argmin(axis=1)
        nearest[start : start + _BLOCK] = best
        own = scores[np.arange(len(block)), best] + np.square(block).sum(axis=1)
        squared[start : start + _BLOCK] = np.maximum(own, 0)
    return nearest, squared


def _sums(rows: np.ndarray, nearest: np.ndarray, words: int) -> np.ndarray:
    """float64 (words, d): the sum of the rows of each word."""
    total = np.zeros((words, rows.shape[1]))
    for start in range(0, len(rows), _BLOCK):
        own = np.arange(words)[:, None] == nearest[None, start : start + _BLOCK]
        total += own.astype(np.float32) @ rows[start : start + _BLOCK]
    return total


def _spread_start(rows: np.ndarray, words: int, rng: np.random.Generator) -> np.ndarray:
    """Rows chosen one by one, each with a chance proportional to its squared distance from those chosen."""
    chosen = [int(rng.integers(len(rows)))]
    squared = np.square(rows - rows[chosen[0]]).sum(axis=1, dtype=np.float64)
    for _ in range(words - 1):
        summed = np.cumsum(squared)
        # Where all rows are chosen already (copies of each other), the first stands again.
        place = int(np.searchsorted(summed, rng.random() * float(summed[-1]), side="right"))
        chosen.append(min(place, len(rows) - 1))
        squared = np.minimum(squared, np.square(rows - rows[chosen[-1]]).sum(axis=1, dtype=np.float64))
    return rows[chosen].copy()


def fit_mixture(rows: np.ndarray, words: int, seed: int,
                rounds: int = MIXTURE_ROUNDS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """weights (words,), means and variances (words, d), float32, by expectation and maximisation from `kmeans`."""
    values = np.asarray(rows, np.float64)
    means = kmeans(rows, words, seed).astype(np.float64)
    floor = max(float(values.var(axis=0).mean()), 1e-12) * 1e-3
    nearest, _ = assign(np.asarray(rows, np.float32), means.astype(np.float32))
    shares = np.eye(words)[nearest]
    weights, variances = np.full(words, 1 / words), np.full(means.shape, 1.0)
    for _ in range(rounds + 1):
        mass = shares.sum(axis=0) + 1e-9
        weights = mass / mass.sum()
        means = shares.T @ values / mass[:, None]
        variances = np.maximum(shares.T @ np.square(values) / mass[:, None] - np.square(means), floor)
        shares = responsibilities(values, weights, means, variances)
    return weights.astype(np.float32), means.astype(np.float32), variances.astype(np.float32)


def responsibilities(rows: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """float64 (N, words): how probably each row is of each Gaussian; rows sum to 1."""
    precision = 1 / variances.astype(np.float64)
    means = means.astype(np.float64)
    rows = rows.astype(np.float64)
    squared = np.square(rows) @ precision.T - 2 * rows @ (means * precision).T + (np.square(means) * precision).sum(1)
    logs = np.log(np.maximum(weights, 1e-30)) - 0.5 * (squared + np.log(variances.astype(np.float64)).sum(axis=1))
    logs -= logs.max(axis=1, keepdims=True)
    shares = np.exp(logs)
    return shares / shares.sum(axis=1, keepdims=True)

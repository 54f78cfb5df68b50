"""Pictures back from features, by the plainest decoder there is: a ridge regression to small pictures.

The published attack is a conditional GAN (seeds_digest C3: 60,000 steps on a large data set), which draws what a
linear decoder cannot. So this is a lower bound: what it explains of a picture, anybody can read; what it does not
explain is not thereby safe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.errors import InputError
from mtmc.privacy.folds import splits

PENALTIES = (1e2, 1.0, 1e-1, 1e-2, 1e-3)  # against squared features of mean 1; chosen on rows that were not fitted


@dataclass(frozen=True)
class ReconstructionResult:
    """Mean squared errors over held-out pictures: of the decoder, and of the mean picture."""

    rows: int
    error: float
    error_of_mean: float

    @property
    def explained(self) -> float:
        """Share of the variance that is reconstructed; 0 where the mean picture does as well, or better."""
        return max(0.0, 1 - self.error / self.error_of_mean) if self.error_of_mean > 0 else 0.0


def reconstruct(features: np.ndarray, pictures: np.ndarray, groups: np.ndarray, seed: int = 0) -> ReconstructionResult:
    """Decode pictures (N, P), 0 to 1, from features (N, D) of groups that the decoder never saw. groups: int64 (N,).

    Raises `InputError` for fewer than five groups.
    """
    if len(np.unique(groups)) < 5:
        raise InputError("reconstruction", "five vehicles or more", f"{len(np.unique(groups))}")
    errors, errors_of_mean = np.zeros(len(features)), np.zeros(len(features))
    for split in splits(np.zeros(len(features), np.int64), groups, 5, seed):
        trials = [_error(decode(features[split.fit], pictures[split.fit], features[split.selection], p),
                         pictures[split.selection]).mean() for p in PENALTIES]  # fmt: skip
        penalty = PENALTIES[int(np.argmin(trials))]  # of equals the first, the largest
        known = np.concatenate([split.fit, split.selection])
        decoded = decode(features[known], pictures[known], features[split.test], penalty)
        errors[split.test] = _error(decoded, pictures[split.test])
        errors_of_mean[split.test] = _error(pictures[known].mean(axis=0), pictures[split.test])
    return ReconstructionResult(len(features), float(errors.mean()), float(errors_of_mean.mean()))


def decode(features: np.ndarray, pictures: np.ndarray, others: np.ndarray, penalty: float) -> np.ndarray:
    """Pictures for the features `others`, by ridge regression on (features, pictures)."""
    mean, picture_mean = features.mean(axis=0), pictures.mean(axis=0)
    x, y = np.asarray(features - mean, np.float64), pictures - picture_mean
    unit = max(float((x**2).sum(axis=1).mean()), 1e-30)
    if len(x) < x.shape[1]:  # the smaller of the two systems
        matrix = x.T @ np.linalg.solve(x @ x.T + penalty * unit * np.eye(len(x)), y)
    else:
        matrix = np.linalg.solve(x.T @ x + penalty * unit * np.eye(x.shape[1]), x.T @ y)
    return (others - mean) @ matrix + picture_mean


def _error(decoded: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    return np.asarray(((decoded - pictures) ** 2).mean(axis=1))

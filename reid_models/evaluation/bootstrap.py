"""How far a mean over queries may be from the truth: percentile bootstrap (Efron and Tibshirani 1993, ch. 13).

Whole units are drawn with replacement: queries, or vehicles with all their queries, since the queries of one
vehicle succeed and fail together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.errors import InputError

DRAWS = 2000  # the ends of a 95 % interval then vary by about 0.1 of its width
COVERAGE = 0.95
SEED = 0  # so that one result has one interval
_DRAWS_AT_ONCE = 100  # bounds memory: 100 × units numbers


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its bootstrap interval; NaN where there was nothing to draw from."""

    mean: float
    low: float
    high: float


def bootstrap_mean(values: np.ndarray, units: np.ndarray) -> Interval:
    """The mean of `values` (Q,), NaN left out, with a 95 % interval over draws of `units` (Q,) int64."""
    _check(values, units)
    kept = ~np.isnan(values)
    values, units = values[kept], units[kept]
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    means = _means_of_draws(values, units)
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired_bootstrap(ours: np.ndarray, theirs: np.ndarray, units: np.ndarray) -> tuple[Interval, float]:
    """The mean of ours − theirs over the same queries with its interval, and how sure its sign is.

    The second number is the share of draws (0 to 1) in which the mean difference is above 0, draws of exactly
    0 counted half. Queries where either is NaN are left out.
    """
    if len(ours) != len(theirs):
        raise InputError("paired scores", f"{len(ours)} of the same queries", str(len(theirs)))
    difference = ours - theirs
    interval = bootstrap_mean(difference, units)
    kept = ~np.isnan(difference)
    if not kept.any():
        return interval, float("nan")
    means = _means_of_draws(difference[kept], units[kept])
    return interval, float(np.mean(means > 0) + np.mean(means == 0) / 2)


def _means_of_draws(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(DRAWS,) means of draws of whole units, drawn uniformly with replacement."""
    _, unit_of = np.unique(units, return_inverse=True)
    sums, counts = np.bincount(unit_of, weights=values), np.bincount(unit_of)
    random, means = np.random.default_rng(SEED), []
    for start in range(0, DRAWS, _DRAWS_AT_ONCE):
        drawn = random.integers(len(sums), size=(min(_DRAWS_AT_ONCE, DRAWS - start), len(sums)))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)


def _check(values: np.ndarray, units: np.ndarray) -> None:
    if len(values) != len(units):
        raise InputError("bootstrap units", f"{len(values)}, one a value", str(len(units)))

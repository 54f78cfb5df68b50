"""How normal a code is: the cosine to the nearest cluster's direction (seeds_digest H2)."""

from __future__ import annotations

import numpy as np

from mtmc.errors import InputError

_EPSILON = 1e-12


def normality(codes: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """float64 (N,), -1 to 1: max over the k centres (k, d) of code · centre / |centre|, for unit codes (N, d).

    The length of a centre does not matter; one of no length has no direction and counts for nothing.
    Raises `InputError` without a centre.
    """
    lengths = np.linalg.norm(np.asarray(centres, np.float64), axis=1)
    used = lengths > _EPSILON
    if not used.any():
        raise InputError("centres of normal rows", "at least one with a direction", f"{len(centres)} without")
    directions = np.asarray(centres, np.float64)[used] / lengths[used, None]
    return np.clip((np.asarray(codes, np.float64) @ directions.T).max(axis=1), -1.0, 1.0)


def odd(normalities: np.ndarray, least: float) -> np.ndarray:
    """bool (N,): below `least` (τ, -1 to 1); -1 flags nothing."""
    return np.asarray(normalities < least)

"""The local features of one crop, whatever they come from, and their reduction by PCA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.errors import InputError
from reid_models.encodings.whitening import fit_projection, project

MOST_DESCRIPTORS = 60_000  # for fitting: more change a codebook of some hundred words by less than its own chance
LOCAL_MEAN, LOCAL_AXES = "local_mean", "local_axes"


@dataclass(frozen=True, eq=False)
class LocalSet:
    """descriptors: float32 (N, d), N may be 0. places_yx: float32 (N, 2), centres in the crop, 0 to 1. levels: int64
    (N,), the scale that each belongs to (0 where there is one)."""

    descriptors: np.ndarray
    places_yx: np.ndarray
    levels: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.descriptors)
        if self.descriptors.ndim != 2 or self.places_yx.shape != (n, 2) or self.levels.shape != (n,):
            raise InputError("local features", f"{n} descriptors, places and levels",
                             f"{self.descriptors.shape}, {self.places_yx.shape}, {self.levels.shape}")

    def __len__(self) -> int:
        return len(self.descriptors)


def fit_locals(sets: Sequence[LocalSet], dimension: int) -> dict[str, np.ndarray]:
    """What `reduced` needs: nothing where `dimension` is 0 or not below that of the descriptors."""
    rows = _unit_rows(stacked(sets))
    if not dimension or not len(rows) or dimension >= rows.shape[1]:
        return {}
    mean, axes = fit_projection(rows, dimension, whiten=False)
    return {LOCAL_MEAN: mean, LOCAL_AXES: axes}


def reduced(features: LocalSet, arrays: Mapping[str, np.ndarray]) -> LocalSet:
    """The set with its descriptors brought to unit length, then projected where the fit did so."""
    rows = _unit_rows(features.descriptors)
    if LOCAL_AXES in arrays:
        rows = project(rows, arrays[LOCAL_MEAN], arrays[LOCAL_AXES])
    return LocalSet(rows, features.places_yx, features.levels)


def stacked(sets: Sequence[LocalSet], level: int | None = None) -> np.ndarray:
    """float32 (n, d): descriptors of all sets (of one level), at most `MOST_DESCRIPTORS`, evenly taken. Raises
    `InputError` where the sets hold none at all."""
    parts = [s.descriptors if level is None else s.descriptors[s.levels == level] for s in sets]
    total = sum(map(len, parts))
    if not total:
        raise InputError("pictures to fit an encoding on", "some local features", f"none in {len(sets)} pictures",
                         "Give more pictures, or larger ones.")
    rows = np.concatenate(parts)
    chosen = np.unique(np.linspace(0, total - 1, min(total, MOST_DESCRIPTORS)).astype(np.int64))
    return rows[chosen]


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    """Without this the bright places of a map would outvote all others."""
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)

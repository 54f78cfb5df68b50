"""Distances in standard deviations: how alike two tracklets are next to all others of their two cameras.

A vehicle that is like all others, and a pair of cameras with unlike light, do not mislead then (symmetric score
normalisation, as in speaker verification).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.matching.distances import distances
from mtmc.matching.looks import Looks
from mtmc.matching.threads import in_threads

COHORT = 128  # tracklets of a camera that stand for all of it
COHORT_PRIOR = 10.0  # how many tracklets' worth of its two cameras' mean stands behind a tracklet's own
PAIRS_AT_ONCE = 8192  # gathered vectors: 2 × 50 MB at 1536 dimensions
ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Likeness:
    """Standardised tracklet-to-tracklet distances of any pair. mean, scale: float32 (M, C), over each tracklet's
    distances to the tracklets of every camera (itself left out). matrix: float32 (M, M) of all pairs, or (0, 0)
    where there are too many to hold."""

    pooled: np.ndarray
    cameras: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    matrix: np.ndarray

    def of_distances(self, apart: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """float32: the distances `apart` between rows u and v (arrays that broadcast), standardised."""
        cu, cv = self.cameras[u], self.cameras[v]
        return ((apart - self.mean[u, cv]) / self.scale[u, cv] + (apart - self.mean[v, cu]) / self.scale[v, cu]) / 2

    def of_block(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """float32 (len(rows), len(columns))."""
        apart = distances(self.pooled[rows], self.pooled[columns])
        return self.of_distances(apart, rows[:, None], columns[None])

    def of_pairs(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """float32 (P,)."""
        if self.matrix.size:
            return self.matrix[u, v]
        result = np.empty(len(u), np.float32)
        for start in range(0, len(u), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            cosine = np.einsum("ij,ij->i", self.pooled[u[part]], self.pooled[v[part]])
            result[part] = np.sqrt(np.maximum(2.0 - 2.0 * cosine, 0.0))
        return self.of_distances(result, u, v)


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of `rows`, spread evenly over them."""
    if len(rows) <= most:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(np.int64))]


def measure_likeness(looks: Looks, cameras: np.ndarray, count: int) -> Likeness:
    """Mean and scale of every tracklet's distances to every camera, from at most `COHORT` tracklets of each."""
    m = len(cameras)
    mean, scale = np.zeros((m, count), np.float32), np.ones((m, count), np.float32)
    groups = [np.flatnonzero(cameras == camera) for camera in range(count)]

    def measure(camera: int) -> None:
        cohort = evenly(groups[camera], COHORT)
        if not len(cohort):
            return
        for start in range(0, m, ROWS_AT_ONCE):
            part = slice(start, min(start + ROWS_AT_ONCE, m))
            mean[part, camera], scale[part, camera] = _moments(looks.pooled[part], looks.pooled[cohort])
        if len(cohort) > 1:
            for place, row in enumerate(cohort.tolist()):
                itself = slice(row, row + 1)
                others = looks.pooled[np.delete(cohort, place)]
                mean[itself, camera], scale[itself, camera] = _moments(looks.pooled[itself], others)
        for camera_from in range(count):
            own = groups[camera_from]
            known = len(cohort) - (camera_from == camera)
            if len(own):
                _shrink(mean, scale, own, camera, float(max(known, 0)))

    in_threads(measure, range(count))
    return Likeness(looks.pooled, cameras, mean, scale, np.zeros((0, 0), np.float32))


def _moments(own: np.ndarray, cohort: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 (N,), float64 (N,): mean and variance of the distances of each own vector to the cohort's."""
    apart = distances(own, cohort)
    centre = apart.sum(axis=1, dtype=np.float64) / len(cohort)
    return centre, np.maximum(np.einsum("ij,ij->i", apart, apart) / len(cohort) - np.square(centre), 0.0)


def _shrink(mean: np.ndarray, scale: np.ndarray, own: np.ndarray, camera: int, known: float) -> None:
    """Draw the means and variances of one camera's tracklets towards what they have in common; roots of variances."""
    if not known:
        mean[own, camera], scale[own, camera] = 1.0, 1.0
        return
    overall = float(mean[own, camera].mean(dtype=np.float64))
    variance = float((scale[own, camera] + np.square(mean[own, camera] - overall)).mean(dtype=np.float64))
    variance = max(variance, 1e-6)
    mean[own, camera] = (known * mean[own, camera] + COHORT_PRIOR * overall) / (known + COHORT_PRIOR)
    scale[own, camera] = np.sqrt((known * scale[own, camera] + COHORT_PRIOR * variance) / (known + COHORT_PRIOR))

"""k-means with restarts, and how well a grouping agrees with classes (seeds_digest H1)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from mtmc.errors import InputError
from reid_models.encodings.codebook import assign, kmeans

RESTARTS = 10  # k-means ends in whatever valley it began in


def cluster(rows: np.ndarray, count: int, seed: int, restarts: int = RESTARTS) -> tuple[np.ndarray, np.ndarray]:
    """float32 (count, D) centres of rows (N, D), and int64 (N,) the nearest of each; the tightest of several starts.

    Raises `InputError` for fewer rows than centres.
    """
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for start in range(restarts):
        centres = kmeans(rows, count, seed * restarts + start)
        nearest, squared = assign(np.asarray(rows, np.float32), centres)
        spread = float(squared.sum(dtype=np.float64))
        if best is None or spread < best[0]:
            best = spread, centres, nearest
    if best is None:
        raise InputError("k-means", "one start or more", str(restarts))
    return best[1], best[2]


def clustering_accuracy(classes: np.ndarray, groups: np.ndarray) -> float:
    """Share of N rows that are right when groups and classes (whole numbers from 0) are matched one to one as well as
    can be (Hungarian method); 0 for no row."""
    if not len(classes):
        return 0.0
    side = int(max(classes.max(), groups.max())) + 1
    counts = np.zeros((side, side), np.int64)
    np.add.at(counts, (classes, groups), 1)
    rows, columns = linear_sum_assignment(-counts)
    return float(counts[rows, columns].sum() / len(classes))

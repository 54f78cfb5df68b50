"""Where vehicles come into a picture and leave it, in a few zones per camera: found, in place of painted ones.

Places of like position and heading are one zone (average linkage, cut at a fixed distance). A zone is only a
hypothesis for the search for travel times (`structure.py`); shares that vary smoothly over places are learned
afterwards (`places.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are first used

APART = 0.4  # of the picture (and heading): mean distance at which two groups of places are two zones
LEAST_SHARE, LEAST_COUNT = 0.06, 4  # smaller groups are strays, not zones
MOST_CLUSTERED = 600  # places that are clustered; further ones take the nearest zone
STRAY = -1


@dataclass(frozen=True, eq=False)
class Zones:
    """labels: int64 (N,), the zone of each place of one camera, `STRAY` for none. count: number of zones."""

    labels: np.ndarray
    count: int

    @property
    def sizes(self) -> np.ndarray:
        """int64 (count,): places in each."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.count)


def no_zones(count: int) -> Zones:
    """For a camera whose places are not known."""
    return Zones(np.full(count, STRAY, np.int64), 0)


def find_zones(places: np.ndarray) -> Zones:
    """Zones of one camera's places, float64 (N, F), in order of their first place.

    One zone that holds everything says nothing and is none.
    """
    n = len(places)
    if n < 2 * LEAST_COUNT:
        return no_zones(n)
    chosen = np.unique(np.linspace(0, n - 1, min(n, MOST_CLUSTERED)).astype(np.int64))
    hierarchy = scipy.cluster.hierarchy
    groups = hierarchy.fcluster(hierarchy.linkage(places[chosen], "average"), APART, "distance")
    least = max(LEAST_COUNT, LEAST_SHARE * len(chosen))
    members = [chosen[groups == group] for group in np.unique(groups)]
    members = sorted((rows for rows in members if len(rows) >= least), key=lambda rows: int(rows[0]))
    if len(members) < 2:
        return no_zones(n)
    labels = np.full(n, STRAY, np.int64)
    middles = np.stack([places[rows].mean(axis=0) for rows in members])
    if len(chosen) < n:
        apart = np.linalg.norm(places[:, None] - middles[None], axis=2)
        labels = np.where(apart.min(axis=1) < APART, apart.argmin(axis=1), STRAY)
    for zone, rows in enumerate(members):
        labels[rows] = zone
    return Zones(labels, len(members))

"""The later part of a run, set aside before anything is learned: what the network is judged on."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mtmc.errors import ConfigError, InputError


def held_out(start_s: np.ndarray, labels: tuple[np.ndarray, ...], share: float) -> np.ndarray:
    """bool (M,): the tracklets set aside, about `share` of all.

    start_s: float64 (M,). labels: int64 (M,) each, -1 for none; tracklets that share a label of any kind stay on one
    side, so that no vehicle that was learned from is judged. Such families go by their first start: the latest ones are
    set aside. Raises `ConfigError` for a share outside 0 to 1 and `InputError` where one family is all there is.
    """
    if not 0 < share < 1:
        raise ConfigError("holdout_share", "above 0 and below 1", str(share))
    families = families_of(labels, len(start_s))
    first = np.full(int(families.max(initial=-1)) + 1, np.inf)
    np.minimum.at(first, families, start_s)
    sizes = np.bincount(families, minlength=len(first))
    latest = np.argsort(-first, kind="stable")
    wanted = max(1, round(share * len(start_s)))
    taken = latest[: int(np.searchsorted(np.cumsum(sizes[latest]), wanted)) + 1]
    inside = np.isin(families, taken)
    if inside.all():
        raise InputError("tracklets of the run", "several vehicles, some to learn from and some to judge on",
                         f"{len(start_s)} tracklets that all hang together")
    return inside


def families_of(labels: tuple[np.ndarray, ...], count: int) -> np.ndarray:
    """int64 (M,): the connected parts of tracklets that share a label of any kind."""
    ends = [np.zeros((2, 0), np.int64)]
    for values in labels:
        known = np.flatnonzero(values >= 0)
        order = known[np.argsort(values[known], kind="stable")]
        same = values[order[1:]] == values[order[:-1]]
        ends.append(np.stack([order[:-1][same], order[1:][same]]))
    rows, columns = np.concatenate(ends, axis=1)
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1] if count else np.zeros(0), np.int64)

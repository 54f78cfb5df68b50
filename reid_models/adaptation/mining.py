"""Same-vehicle groups among unlabelled tracklets (seeds_digest E7; ICT-CAS in the ALISC contest).

Published: cluster inside a coarse class and take groups closer than a threshold as the same item. Here the coarse
class is the vehicle's kind, the threshold is the only rule by which a tracklet is let into a group, and two tracklets
that one camera saw at the same time are never put together, whatever they look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from mtmc.errors import ConfigError, InputError

NOISE = -1  # the group of a tracklet that is in none
_NEVER = 8.0  # beyond any distance of unit vectors, and of sums of two
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class MiningConfig:
    """What counts as surely one vehicle.

    threshold: all pairs of a group are at most this far apart (Euclidean, unit vectors, 0 to 2); 0 takes it from the
    run: `from_sure_negatives`. negative_share: of the sure negatives that may lie below that threshold. longest: the
    threshold taken from a run is at most this. doubt: groups nearer to each other than this times the threshold may
    show one vehicle and are not both used, unless they are sure negatives.
    """

    threshold: float = 0.0
    # Sure negatives share camera, light and hour, so they look more alike than strangers in two cameras do: one in two
    # hundred of them below the threshold is fewer still among the pairs that matter.
    negative_share: float = 0.005
    # Among 9,000 pairs of strangers over four cameras the nearest two were 0.48 apart (docs/methods.md), while a run's
    # few sure negatives may lie far above that.
    longest: float = 0.5
    doubt: float = 1.15

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 2 or not 0 < self.longest <= 2:
            raise ConfigError("mining.threshold and mining.longest", "0 to 2", f"{self.threshold}, {self.longest}")
        if not 0 <= self.negative_share <= 0.5 or self.doubt < 1:
            raise ConfigError("mining", "negative_share of 0 to 0.5 and doubt of 1 or more",
                              f"{self.negative_share}, {self.doubt}")


def from_sure_negatives(embeddings: np.ndarray, negatives: np.ndarray, config: MiningConfig) -> float:
    """The threshold for tracklets (M, D): below it lie `negative_share` of the sure negatives, bool (M, M).

    The config's own where it sets one, `longest` where there are no sure negatives.
    """
    if config.threshold:
        return config.threshold
    rows, columns = np.nonzero(np.triu(negatives, 1))
    if not len(rows):
        return config.longest
    apart = np.linalg.norm(embeddings[rows].astype(np.float64) - embeddings[columns], axis=1)
    return float(min(np.quantile(apart, config.negative_share), config.longest))


def mine_groups(
    embeddings: np.ndarray, kinds: Sequence[str], negatives: np.ndarray, threshold: float
) -> np.ndarray:
    """int64 (M,): the group of each tracklet, numbered from 0 in the order of their first members; `NOISE` alone.

    Complete linkage: two groups become one where all their members are at most `threshold` apart, nearest first. A
    higher threshold only ever joins groups. embeddings: (M, D) unit vectors. kinds: M words, "" fits all. negatives:
    bool (M, M), pairs that cannot be one vehicle. Raises `InputError` where lengths differ.
    """
    m = len(embeddings)
    if len(kinds) != m or negatives.shape != (m, m):
        raise InputError("tracklets to be grouped", f"{m} kinds and ({m}, {m}) negatives",
                         f"{len(kinds)} and {negatives.shape}")
    rows, columns = _near_pairs(embeddings, _forbidden(kinds, negatives), threshold)
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(m, m))
    # Groups lie inside connected parts of what is near, so each part is linked by itself: no M × M matrix of them all.
    _, parts = connected_components(links, directed=False) if m else (0, np.zeros(0, np.int64))
    order = np.argsort(parts, kind="stable")
    raw, used = np.full(m, NOISE, np.int64), 0
    for members in np.split(order, np.flatnonzero(np.diff(parts[order])) + 1):
        if len(members) > 1:
            labels = _linked(embeddings[members], _forbidden([kinds[i] for i in members],
                                                             negatives[np.ix_(members, members)]), threshold)
            raw[members] = used + labels
            used += int(labels.max()) + 1
    return _numbered(raw)


def without_doubt(
    embeddings: np.ndarray, groups: np.ndarray, negatives: np.ndarray, least_apart: float
) -> np.ndarray:
    """int64 sorted: which tracklets may be told apart in training. groups: int64 (M,) of `mine_groups`; a tracklet of
    no group stands by itself.

    Two of them nearer than `least_apart` that are not sure negatives may be one vehicle after all, and would teach the
    opposite; larger ones are kept first, then earlier ones.
    """
    units = [np.flatnonzero(groups == g) for g in np.unique(groups[groups != NOISE])]
    units += [np.array([row]) for row in np.flatnonzero(groups == NOISE)]
    units.sort(key=lambda rows: (-len(rows), int(rows[0])))
    kept: list[np.ndarray] = []
    for rows in units:
        held = np.concatenate([np.zeros(0, np.int64), *kept])
        apart = np.linalg.norm(embeddings[rows][:, None] - embeddings[held][None], axis=2)
        if not ((apart < least_apart) & ~_between_units(kept, rows, negatives)).any():
            kept.append(rows)
    return np.sort(np.concatenate([np.zeros(0, np.int64), *kept]))


def _between_units(kept: Sequence[np.ndarray], rows: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """bool (len(rows), members of kept): True where a unit has any sure negative in the other, so that both differ."""
    columns = [np.full((len(rows), len(other)), negatives[np.ix_(rows, other)].any()) for other in kept]
    return np.concatenate([np.zeros((len(rows), 0), bool), *columns], axis=1)


def _forbidden(kinds: Sequence[str], negatives: np.ndarray) -> np.ndarray:
    words = np.asarray(kinds, dtype=np.str_)
    differ = (words[:, None] != words[None]) & (words != "")[:, None] & (words != "")[None]
    return differ | negatives


def _near_pairs(embeddings: np.ndarray, forbidden: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, row < column, of allowed pairs at most `threshold` apart."""
    values = np.asarray(embeddings, np.float64)
    squares = (values**2).sum(axis=1)
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(values), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        apart = squares[block, None] + squares[None] - 2 * values[block] @ values.T
        near = (apart <= (threshold + 1e-6) ** 2) & ~forbidden[block]  # rounding: linkage judges again, exactly
        found = np.argwhere(np.triu(near, start + 1))
        rows.append(found[:, 0] + start)
        columns.append(found[:, 1])
    return np.concatenate(rows), np.concatenate(columns)


def _linked(embeddings: np.ndarray, forbidden: np.ndarray, threshold: float) -> np.ndarray:
    """int64 (m,) cluster numbers from 0; those of one member are told from others by `_numbered`."""
    values = np.asarray(embeddings, np.float64)
    apart = np.linalg.norm(values[:, None] - values[None], axis=2)
    apart[forbidden] = _NEVER
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), method="complete")
    return np.asarray(fcluster(tree, threshold, criterion="distance"), np.int64) - 1


def _numbered(raw: np.ndarray) -> np.ndarray:
    """Groups of two or more numbered by first appearance, all others `NOISE`."""
    values, first, counts = np.unique(raw, return_index=True, return_counts=True)
    real = (values != NOISE) & (counts > 1)
    result = np.full(len(raw), NOISE, np.int64)
    for number, value in enumerate(values[real][np.argsort(first[real], kind="stable")]):
        result[raw == value] = number
    return result

"""Who else speaks for a pair: the tracklets already linked to either side, and those between the two."""

from __future__ import annotations

import numpy as np
import scipy  # its parts are loaded when they are first used

from mtmc.matching.pairs import Pairs
from mtmc.tracklets import TrackletTable

LEAST_LINK = 0.2  # probability from which a pair makes neighbours
STEPS = 4  # appearances that are looked back and ahead along a vehicle's way


def none_between(table: TrackletTable, pairs: Pairs, probability: np.ndarray) -> np.ndarray:
    """(P,) that a's vehicle appears nowhere before b, nor b's after a: from the probabilities of all pairs."""
    after = _chance_of_none_before(pairs.a, table.start_s[pairs.b], probability)
    before = _chance_of_none_before(pairs.b, -table.end_s[pairs.a], probability)
    return after * before


def links(pairs: Pairs, probability: np.ndarray, count: int) -> scipy.sparse.csr_matrix:
    """(count, count): probability of each likely link, from a to b."""
    rows = probability > LEAST_LINK
    return scipy.sparse.csr_matrix((probability[rows], (pairs.a[rows], pairs.b[rows])), shape=(count, count))


def support_of(cameras: np.ndarray, pairs: Pairs, asked: np.ndarray,
               neighbours: scipy.sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """(Q,), (Q,), of the pairs `asked`: mean likeness of each side to the other's neighbours in third cameras, and how
    many those are."""
    return _support(cameras, pairs, neighbours, neighbours, asked, third_camera=True)


def support_along(cameras: np.ndarray, pairs: Pairs, asked: np.ndarray,
                  probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with those before a (likeness to b) and those after b (likeness to a) on the vehicle's way."""
    step = links(pairs, probability, len(cameras))
    way, reach = step.copy(), step
    for _ in range(STEPS - 1):
        reach = reach @ step
        way = way + reach
    return _support(cameras, pairs, way.T.tocsr(), way.tocsr(), asked, third_camera=False)


def _support(cameras: np.ndarray, pairs: Pairs, of_a: scipy.sparse.csr_matrix,
             of_b: scipy.sparse.csr_matrix, asked: np.ndarray,
             third_camera: bool) -> tuple[np.ndarray, np.ndarray]:
    total, count = np.zeros(len(asked)), np.zeros(len(asked))
    a, b = pairs.a[asked], pairs.b[asked]
    for neighbours, own, other in ((of_a, a, b), (of_b, b, a)):
        place, near = _expand(neighbours, own)
        weight, far = neighbours.data[near], neighbours.indices[near]
        kept = cameras[far] != cameras[other[place]]
        if third_camera:
            kept &= cameras[far] != cameras[own[place]]
        place, weight, far = place[kept], weight[kept], far[kept]
        likeness = pairs.tracklets.of_pairs(far, other[place])
        total += np.bincount(place, weight * likeness, minlength=len(asked))
        count += np.bincount(place, weight, minlength=len(asked))
    return np.where(count > 1e-9, total / np.maximum(count, 1e-9), 0.0), count


def _expand(neighbours: scipy.sparse.csr_matrix, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each place in `rows`, every stored entry of that row: (place, index into the matrix's data)."""
    counts = np.diff(neighbours.indptr)[rows]
    place = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place, neighbours.indptr[rows][place] + within


def _chance_of_none_before(slots: np.ndarray, order_by: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """(P,): product of 1 - probability over the pairs of the same slot that come earlier by `order_by`."""
    if not len(slots):
        return np.zeros(0)
    order = np.lexsort((order_by, slots))
    logs = np.log1p(-np.minimum(probability[order], 0.999))
    before = np.cumsum(logs) - logs
    first = np.concatenate([[True], slots[order][1:] != slots[order][:-1]])
    result = np.empty(len(slots))
    result[order] = np.exp(before - before[first][np.cumsum(first) - 1])
    return result

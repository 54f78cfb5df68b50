"""Who belongs to whom where everyone has at most one partner on each side: marginals of one-to-one matchings."""

from __future__ import annotations

import numpy as np

MAX_ROUNDS = 100
TOLERANCE = 1e-4
NEGLIGIBLE = 1e-7


def link_probabilities(odds: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """float64 (P,): the probability of each pair under all its rivals and the choice of no partner at all.

    odds: (P,) weight of each pair against both of its sides staying alone. left, right: int64 (P,), the two slots
    that a pair takes, numbered closely; of the pairs of one slot at most one can be real. Belief propagation on the
    sparse bipartite graph (Williams and Lau, IEEE Trans. AES 50, 2014), exact where the graph is a tree, damped for the
    others.
    """
    if not len(odds):
        return np.zeros(0)
    matters = odds > NEGLIGIBLE
    if not matters.all():  # what is hopeless alone disturbs nobody
        result = odds.astype(np.float64)
        result[matters] = link_probabilities(odds[matters], left[matters], right[matters])
        return result
    free = np.ones(len(odds))  # how far the right slot is free for this pair, judged without it
    for _ in range(MAX_ROUNDS):
        offered = odds * free
        others = np.maximum(np.bincount(left, offered)[left] - offered, 0.0)
        claim = odds / (1.0 + others)
        others = np.maximum(np.bincount(right, claim)[right] - claim, 0.0)
        updated = 0.5 * free + 0.5 / (1.0 + others)
        change = float(np.abs(updated - free).max())
        free = updated
        if change < TOLERANCE:
            break
    offered = odds * free
    return offered / (1.0 + np.bincount(left, offered)[left])

"""Agreement in attributes as evidence that two tracklets are one vehicle (optional; seeds_digest D1).

If both show word c with chances p(c) and q(c), and c is that of a share π(c) of all tracklets, two pictures of one
vehicle are Σ p(c)·q(c)/π(c) times as likely as those of two: two red buses say more than two grey cars.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DOUBT = 0.2  # share of a tracklet's vote that is taken for chance, so that no disagreement is proof
FEWEST = 1.0  # tracklets added to each word's count: a word that one tracklet shows is not infinitely rare


def agreement(shares: Mapping[str, np.ndarray], a: np.ndarray, b: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """float64 (P,) log likelihood ratios of pairs of rows a, b, times `weight`. shares: attribute → (M, C) votes; rows
    of zeros (no crop) say nothing. Several attributes are taken as independent."""
    total = np.zeros(len(a))
    for own in shares.values():
        known = own.sum(axis=1) > 0
        if not known.any():
            continue
        count = own[known].sum(axis=0) + FEWEST
        usual = count / count.sum()
        mixed = (1 - DOUBT) * own + DOUBT * usual
        ratio = ((mixed / usual)[a] * mixed[b]).sum(axis=1)
        total += np.where(known[a] & known[b], np.log(np.maximum(ratio, 1e-9)), 0.0)
    return weight * total

"""Identity scores (Ristani et al. 2016, "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking").

One assignment of predicted identities to true ones over everything that is scored, chosen such that most boxes are
right; then counts of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.evaluation.bipartite import best_assignment


@dataclass(frozen=True)
class IdentityScore:
    """Boxes whose identity is right (idtp), predicted boxes without one (idfp), truth boxes without one (idfn)."""

    idtp: int = 0
    idfp: int = 0
    idfn: int = 0

    @property
    def idf1(self) -> float:
        """2 idtp / (truth boxes + predicted boxes), 0 to 1."""
        return self.idtp / max(1.0, self.idtp + 0.5 * self.idfp + 0.5 * self.idfn)

    @property
    def idp(self) -> float:
        """Precision: the share of predicted boxes whose identity is right."""
        return self.idtp / max(1, self.idtp + self.idfp)

    @property
    def idr(self) -> float:
        """Recall: the share of truth boxes whose identity was found."""
        return self.idtp / max(1, self.idtp + self.idfn)

    def __add__(self, other: IdentityScore) -> IdentityScore:
        return IdentityScore(self.idtp + other.idtp, self.idfp + other.idfp, self.idfn + other.idfn)


def identity_score(
    truth_ids: np.ndarray, prediction_ids: np.ndarray, matched_truth: np.ndarray, matched_prediction: np.ndarray
) -> IdentityScore:
    """The score of N truth boxes and M predicted ones.

    truth_ids (N,), prediction_ids (M,): identities, over all cameras that are scored together.
    matched_truth, matched_prediction: int64 (E,), rows of the pairs that overlap enough.
    """
    counts = count_pairs(truth_ids[matched_truth], prediction_ids[matched_prediction])
    idtp = int(counts.counts[best_assignment(counts.left, counts.right, counts.counts)].sum())
    return IdentityScore(idtp, len(prediction_ids) - idtp, len(truth_ids) - idtp)


@dataclass(frozen=True, eq=False)
class PairCounts:
    """How often values meet. left, right: int64 (E,), places in left_values and right_values (sorted, distinct);
    counts: int64 (E,), over 0; sorted by left, then right."""

    left_values: np.ndarray
    right_values: np.ndarray
    left: np.ndarray
    right: np.ndarray
    counts: np.ndarray


def count_pairs(left_ids: np.ndarray, right_ids: np.ndarray) -> PairCounts:
    """Count each pair (left_ids[i], right_ids[i])."""
    left_values, left = np.unique(left_ids, return_inverse=True)
    right_values, right = np.unique(right_ids, return_inverse=True)
    codes, counts = np.unique(left * max(len(right_values), 1) + right, return_counts=True)
    places = np.divmod(codes, max(len(right_values), 1))
    return PairCounts(left_values, right_values, places[0], places[1], counts)

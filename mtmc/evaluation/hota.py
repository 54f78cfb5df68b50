"""HOTA of one camera (Luiten et al. 2021), counted as TrackEval does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mtmc.evaluation.bipartite import best_assignment
from mtmc.evaluation.overlaps import Overlaps
from mtmc.results.track_boxes import TrackBoxes

ALPHAS = np.arange(0.05, 0.99, 0.05)  # 19 thresholds of overlap, over which the score is averaged
_EPSILON = float(np.finfo("float").eps)


@dataclass(frozen=True, eq=False)
class HotaScore:
    """Counts at each of the 19 thresholds: boxes found, found wrongly, missed (int64), and the association accuracy
    summed over the found ones (float64)."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    association_sum: np.ndarray

    @property
    def hota(self) -> float:
        """Mean over the thresholds of the geometric mean of detection and association accuracy, 0 to 1."""
        return float(np.sqrt(self._detection() * self._association()).mean())

    @property
    def det_a(self) -> float:
        """Detection accuracy, 0 to 1."""
        return float(self._detection().mean())

    @property
    def ass_a(self) -> float:
        """Association accuracy, 0 to 1."""
        return float(self._association().mean())

    def _detection(self) -> np.ndarray:
        return self.tp / np.maximum(1, self.tp + self.fp + self.fn)

    def _association(self) -> np.ndarray:
        return self.association_sum / np.maximum(1, self.tp)

    @classmethod
    def total(cls, scores: Iterable[HotaScore]) -> HotaScore:
        """Over several cameras with identities of their own, as TrackEval combines sequences."""
        sums = [np.zeros(len(ALPHAS), dtype=np.int64) for _ in range(3)] + [np.zeros(len(ALPHAS))]
        for score in scores:
            added = (score.tp, score.fp, score.fn, score.association_sum)
            sums = [a + b for a, b in zip(sums, added, strict=True)]
        return cls(*sums)


def hota_score(truth: TrackBoxes, prediction: TrackBoxes, overlaps: Overlaps) -> HotaScore:
    """The score of one camera's N truth and M predicted boxes; `overlaps` as `find_overlaps` gives them."""
    truth_sizes = _sizes(truth.ids)[overlaps.truth_rows]
    prediction_sizes = _sizes(prediction.ids)[overlaps.prediction_rows]
    pair_of = _pair_of(truth.ids[overlaps.truth_rows], prediction.ids[overlaps.prediction_rows])
    together = np.bincount(pair_of, weights=_shared_part(overlaps, len(truth), len(prediction)))
    alignment = together[pair_of] / (truth_sizes + prediction_sizes - together[pair_of])
    found = best_assignment(overlaps.truth_rows, overlaps.prediction_rows, alignment * overlaps.ious)

    tp, association = np.zeros(len(ALPHAS), dtype=np.int64), np.zeros(len(ALPHAS))
    for place, alpha in enumerate(ALPHAS):
        right = found & (overlaps.ious >= alpha - _EPSILON)
        hits = np.bincount(pair_of[right])[pair_of[right]]
        accuracy = hits / np.maximum(1, truth_sizes[right] + prediction_sizes[right] - hits)
        tp[place], association[place] = right.sum(), accuracy.sum()
    return HotaScore(tp, len(prediction) - tp, len(truth) - tp, association)


def _sizes(ids: np.ndarray) -> np.ndarray:
    """For every row, the number of rows of its identity."""
    _, place, counts = np.unique(ids, return_inverse=True, return_counts=True)
    return counts[place] if len(ids) else np.zeros(0, dtype=np.int64)


def _pair_of(truth_ids: np.ndarray, prediction_ids: np.ndarray) -> np.ndarray:
    """int64 (E,): the place of each edge's pair of identities among the distinct pairs."""
    left = np.unique(truth_ids, return_inverse=True)[1]
    right_values, right = np.unique(prediction_ids, return_inverse=True)
    return np.unique(left * max(len(right_values), 1) + right, return_inverse=True)[1]


def _shared_part(overlaps: Overlaps, n_truth: int, n_prediction: int) -> np.ndarray:
    """float64 (E,): each overlap's part of all that its two boxes overlap."""
    of_truth = np.bincount(overlaps.truth_rows, weights=overlaps.ious, minlength=n_truth)
    of_prediction = np.bincount(overlaps.prediction_rows, weights=overlaps.ious, minlength=n_prediction)
    whole = of_truth[overlaps.truth_rows] + of_prediction[overlaps.prediction_rows] - overlaps.ious
    return np.divide(overlaps.ious, whole, out=np.zeros_like(whole), where=whole > _EPSILON)

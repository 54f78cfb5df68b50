"""CLEAR MOT of one camera (Bernardin and Stiefelhagen 2008), counted as TrackEval does.

Frame by frame, truth and predicted boxes are assigned one to one, pairs of the frame before first, then by overlap.
Only frames where the assignment is not obvious are solved; the rest is counted in one sweep.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from mtmc.evaluation.bipartite import obvious_and_contested, solve_part
from mtmc.evaluation.overlaps import Overlaps
from mtmc.results.track_boxes import TrackBoxes

MATCH_IOU = 0.5  # the threshold of MOTChallenge and of AI City
_EPSILON = float(np.finfo("float").eps)
_STAY_BONUS = 1000.0  # larger than any sum of overlaps in a frame: keeping a pair comes before a better overlap
_MOSTLY, _PARTLY = 0.8, 0.2  # shares of a vehicle's boxes, as MOTChallenge counts mostly and partly tracked


@dataclass(frozen=True)
class ClearScore:
    """Boxes found (tp), found wrongly (fp), missed (fn); identity switches and breaks of tracks; vehicles by the
    share of their boxes that was found; the sum of the overlaps of the found ones."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    switches: int = 0
    fragments: int = 0
    mostly_tracked: int = 0
    partly_tracked: int = 0
    mostly_lost: int = 0
    overlap_sum: float = 0.0

    @property
    def mota(self) -> float:
        """1 - (missed + wrong + switches) / truth boxes; below 0 where more is wrong than there is to find."""
        return (self.tp - self.fp - self.switches) / max(1, self.tp + self.fn)

    @property
    def motp(self) -> float:
        """Mean overlap of the found boxes, 0 to 1."""
        return self.overlap_sum / max(1, self.tp)

    @property
    def precision(self) -> float:
        """The share of predicted boxes that are right."""
        return self.tp / max(1, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """The share of truth boxes that were found."""
        return self.tp / max(1, self.tp + self.fn)

    def __add__(self, other: ClearScore) -> ClearScore:
        return ClearScore(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def clear_score(truth: TrackBoxes, prediction: TrackBoxes, overlaps: Overlaps) -> ClearScore:
    """The score of one camera's N truth and M predicted boxes; `overlaps` as `find_overlaps` gives them."""
    truth_ids = np.unique(truth.ids, return_inverse=True)[1]
    prediction_ids = np.unique(prediction.ids, return_inverse=True)[1]
    steps = np.intersect1d(truth.frames, prediction.frames)  # TrackEval steps over frames where a side is empty
    edges = overlaps[overlaps.ious >= MATCH_IOU - _EPSILON]
    step_of = np.searchsorted(steps, truth.frames[edges.truth_rows])
    chosen = _match(edges, truth_ids[edges.truth_rows], prediction_ids[edges.prediction_rows], step_of)
    found, step_of = edges[chosen], step_of[chosen]
    who, by = truth_ids[found.truth_rows], prediction_ids[found.prediction_rows]
    switches, fragments = _breaks(who, by, step_of)
    mostly, partly, lost = _coverage(truth_ids, who)
    tp = len(found)
    return ClearScore(
        tp, len(prediction) - tp, len(truth) - tp, switches, fragments, mostly, partly, lost, float(found.ious.sum())
    )


def _match(edges: Overlaps, truth_ids: np.ndarray, prediction_ids: np.ndarray, step_of: np.ndarray) -> np.ndarray:
    """bool (E,): the edges that the frame-by-frame assignment takes."""
    chosen, contested = obvious_and_contested(edges.truth_rows, edges.prediction_rows)
    obvious = np.flatnonzero(chosen)
    pair_at = {(step, who): by for step, who, by in _triples(step_of, truth_ids, prediction_ids, obvious)}
    for group in sorted(contested, key=lambda group: int(step_of[group[0]])):
        step = int(step_of[group[0]])
        before = [pair_at.get((step - 1, int(who)), -1) for who in truth_ids[group]]
        stays = prediction_ids[group] == np.array(before)
        weights = edges.ious[group] + _STAY_BONUS * stays
        taken = group[solve_part(edges.truth_rows[group], edges.prediction_rows[group], weights)]
        chosen[taken] = True
        pair_at.update(((step, who), by) for step, who, by in _triples(step_of, truth_ids, prediction_ids, taken))
    return chosen


def _triples(step_of: np.ndarray, truth_ids: np.ndarray, prediction_ids: np.ndarray, edges: np.ndarray) -> zip:
    columns = (step_of[edges].tolist(), truth_ids[edges].tolist(), prediction_ids[edges].tolist())
    return zip(*columns, strict=True)


def _breaks(who: np.ndarray, by: np.ndarray, step_of: np.ndarray) -> tuple[int, int]:
    """Identity switches, and times a vehicle was found again after a step in which it was not."""
    order = np.lexsort((step_of, who))
    who, by, step_of = who[order], by[order], step_of[order]
    same = who[1:] == who[:-1]
    return int((same & (by[1:] != by[:-1])).sum()), int((same & (step_of[1:] > step_of[:-1] + 1)).sum())


def _coverage(truth_ids: np.ndarray, found_ids: np.ndarray) -> tuple[int, int, int]:
    there = np.bincount(truth_ids)
    share = np.bincount(found_ids, minlength=len(there)) / np.maximum(there, 1)
    mostly = int((share > _MOSTLY).sum())
    partly = int((share >= _PARTLY).sum()) - mostly
    return mostly, partly, len(there) - mostly - partly

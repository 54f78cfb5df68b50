"""How well an embedder does on a part of a run, without labels.

Two questions, both answered by retrieval of crops (mAP and R-1 as everywhere):

- *sure pairs*: a crop must find the other crops of its own tracklet among those of tracklets that its camera saw at
  the same time. Nobody doubts the answer; it says nothing of other cameras.
- *other cameras*: a crop must find the crops in other cameras that the run's matcher, by looks and travel times, took
  for the same vehicle (or a person did, in a column `identity`). It speaks of the task itself; the run's answers lean
  towards the embedder that the run was made with, so another one that does better has reason to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_models.adaptation.run_passages import Passages
from reid_models.data.relevance import UNKNOWN, Relevance, RowLists, judge, row_lists
from reid_models.evaluation.bootstrap import Interval, paired_bootstrap
from reid_models.evaluation.metrics import QueryScores, score_features, summarise

CERTAIN = 0.95  # share of bootstrap draws in which the new weights must do better
TOLERATED = 0.005  # of mAP on the sure pairs that may be lost on the way


@dataclass(frozen=True, eq=False)
class Judgement:
    """Scores of N crops as queries, one embedder. Crops without an answer, or with nothing to be confused with, have
    none."""

    sure_pairs: QueryScores
    other_cameras: QueryScores


@dataclass(frozen=True)
class Comparison:
    """New against old weights on the same crops; shares of 1.

    gain, sure_gain: differences of mAP with intervals over vehicles (other cameras, sure pairs). sureness: share of the
    draws in which the new do better in other cameras.
    """

    queries: int
    old_map: float
    new_map: float
    old_r1: float
    new_r1: float
    gain: Interval
    sureness: float
    sure_queries: int
    old_sure_map: float
    new_sure_map: float
    sure_gain: Interval

    @property
    def helped(self) -> bool:
        """Surely better in other cameras, and no worse on the sure pairs."""
        keeps = self.sure_queries == 0 or self.sure_gain.mean >= -TOLERATED
        return bool(self.queries > 0 and self.sureness >= CERTAIN and self.gain.mean > 0 and keeps)


def judge_part(passages: Passages, part: np.ndarray, negatives: np.ndarray, image_embeddings: np.ndarray) -> Judgement:
    """Of the tracklets `part` (bool (M,)). negatives: bool (M, M). image_embeddings: (N, D) of all crops."""
    rows = np.flatnonzero(part[passages.samples.tracklets])
    features = image_embeddings[rows]
    samples = passages.samples.select(rows)
    across = judge(samples.identities, samples.identities, samples.cameras, samples.cameras)
    across = _without_hopeless(across.leaving_out(_same_camera(samples.cameras)))
    within = _sure_relevance(samples.tracklets, negatives)
    return Judgement(score_features(features, features, within), score_features(features, features, across))


def compare(passages: Passages, part: np.ndarray, old: Judgement, new: Judgement) -> Comparison:
    """Of two embedders on the tracklets `part` (bool (M,))."""
    crops = passages.samples.tracklets[part[passages.samples.tracklets]]
    # Crops of one vehicle succeed and fail together; one without an identity stands for itself.
    identities = passages.identities[crops]
    vehicles = np.where(identities == UNKNOWN, -2 - crops, identities)
    gain, sureness = paired_bootstrap(new.other_cameras.ap_rectangle, old.other_cameras.ap_rectangle, vehicles)
    sure_gain, _ = paired_bootstrap(new.sure_pairs.ap_rectangle, old.sure_pairs.ap_rectangle, vehicles)
    before, after = summarise(old.other_cameras), summarise(new.other_cameras)
    sure_before, sure_after = summarise(old.sure_pairs), summarise(new.sure_pairs)
    return Comparison(
        before.queries - before.unanswered, before.map_rectangle, after.map_rectangle, before.r1, after.r1, gain,
        sureness, sure_before.queries - sure_before.unanswered, sure_before.map_rectangle, sure_after.map_rectangle,
        sure_gain)


def _sure_relevance(tracklets: np.ndarray, negatives: np.ndarray) -> Relevance:
    """Good: other crops of the same tracklet. Wrong: crops of sure negatives. All else is left out, and so are the
    good ones of a crop without any wrong one."""
    same = tracklets[:, None] == tracklets[None]
    wrong = negatives[np.ix_(tracklets, tracklets)]
    good = same & ~np.eye(len(tracklets), dtype=bool) & wrong.any(axis=1, keepdims=True)
    return Relevance(row_lists(_rows_of(good)), row_lists(_rows_of(~(good | wrong))), len(tracklets))


def _same_camera(cameras: np.ndarray) -> RowLists:
    return row_lists(_rows_of(cameras[:, None] == cameras[None]))


def _without_hopeless(relevance: Relevance) -> Relevance:
    """Queries whose ranking would hold right answers only have none: nothing can be got wrong."""
    left = relevance.gallery_size - relevance.junk.lengths
    easy = relevance.good.lengths == left
    good = [np.zeros(0, np.int64) if easy[q] else relevance.good.of(q) for q in range(len(relevance))]
    junk = [np.union1d(relevance.junk.of(q), relevance.good.of(q)) if easy[q] else relevance.junk.of(q)
            for q in range(len(relevance))]
    return Relevance(row_lists(good), row_lists(junk), relevance.gallery_size)


def _rows_of(mask: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(row) for row in mask]

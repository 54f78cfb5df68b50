"""Tasks and vectors in, scores by protocol out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_models.data.samples import UNKNOWN, ReidTask
from reid_models.evaluation.bootstrap import Interval, bootstrap_mean
from reid_models.evaluation.features import ImageVectors
from reid_models.evaluation.metrics import (
    QueryScores,
    Summary,
    concatenate_scores,
    score_distances,
    score_features,
    summarise,
)
from reid_models.evaluation.protocols import Retrieval, apply_protocol
from reid_models.reranking import RerankConfig, rerank_features

ALL_QUERIES = "all"


@dataclass(frozen=True)
class GroupScores:
    """Means of one group of queries with 95 % bootstrap intervals that draw whole vehicles."""

    group: str
    summary: Summary
    map_interval: Interval
    r1_interval: Interval


@dataclass(frozen=True, eq=False)
class ProtocolScores:
    """What one protocol gave: the groups (all queries last, as "all") and each query's scores.

    entries: gallery entries that are compared (images or tracks), of the first task. lone_queries: queries of
    tracklet-to-tracklet without a track. scores: all queries of all tasks, one task after the other.
    """

    protocol: str
    entries: int
    lone_queries: int
    groups: tuple[GroupScores, ...]
    scores: QueryScores


def evaluate_protocol(protocol: str, tasks: Sequence[ReidTask], vectors: ImageVectors, renormalise: bool = True,
                      rerank: RerankConfig | None = None) -> ProtocolScores:
    """Scores of all tasks together: a mean over their queries, so tasks of equal size count alike."""
    scores, lone, entries = [], 0, []
    for task in tasks:
        retrieval = apply_protocol(protocol, task, vectors.of(task.query), vectors.of(task.gallery), renormalise)
        scores.append(score_retrieval(retrieval, rerank))
        lone += retrieval.lone_queries
        entries.append(len(retrieval.entry_vectors))
    together = concatenate_scores(scores)
    groups = np.array([group for task in tasks for group in task.groups])
    units = _vehicles(tasks)
    names = [name for name in dict.fromkeys(groups.tolist()) if name] if len(set(groups.tolist())) > 1 else []
    scored = [_group(name, together.select(groups == name), units[groups == name]) for name in names]
    return ProtocolScores(protocol, entries[0], lone, (*scored, _group(ALL_QUERIES, together, units)), together)


def score_retrieval(retrieval: Retrieval, rerank: RerankConfig | None = None) -> QueryScores:
    """Scores of one retrieval, plain or re-ranked."""
    if rerank is None:
        return score_features(retrieval.query_vectors, retrieval.entry_vectors, retrieval.relevance, retrieval.columns)
    distances = rerank_features(retrieval.query_vectors, retrieval.entry_vectors, rerank)
    return score_distances(distances[:, retrieval.columns], retrieval.relevance)


def _group(name: str, scores: QueryScores, units: np.ndarray) -> GroupScores:
    hits = np.where(scores.answered, (scores.first_ranks == 1).astype(np.float64), np.nan)
    return GroupScores(name, summarise(scores), bootstrap_mean(scores.ap_rectangle, units),
                       bootstrap_mean(hits, units))


def _vehicles(tasks: Sequence[ReidTask]) -> np.ndarray:
    """int64: the vehicle of every query; one that is not known is a unit of its own."""
    vehicles = np.concatenate([task.query.identities for task in tasks]).copy()
    unknown = vehicles == UNKNOWN
    vehicles[unknown] = int(vehicles.max(initial=0)) + 1 + np.arange(int(unknown.sum()))
    return vehicles

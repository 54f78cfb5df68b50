"""Average precision and first ranks of queries against a gallery (NumPy alone).

Rules, the same for every protocol:

- Entries are ranked by Euclidean distance, nearest first; **ties go to the lower gallery row** (a stable sort,
  as the VeRi-776 MATLAB code ranks). Junk entries leave the ranking before ranks are counted.
- With G right answers at ranks r_1 < … < r_G and P(r) the precision of the first r entries:
  AP rectangle = (1/G) Σ P(r_i); AP trapezoid = (1/G) Σ [P(r_i) + P(r_i − 1)] / 2 with P(0) = 1 (the official
  VeRi-776 form, never above the first); AP top-100 = (1/G) Σ over r_i ≤ 100 of P(r_i) (the list that the AI City
  server takes, divided by G as the public VPULab re-implementation does).
- CMC R-k = share of queries whose first right answer has a rank ≤ k, however short the ranking is.
- A query without a right answer has no AP and no rank: it is counted apart and enters no mean.

The whole order is never needed. A row of distances is sorted by value (fast, vectorised) and the few judged
entries are looked up in it: that is how many entries are nearer. Only rows where a judged entry ties fall back
to a stable argsort.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtmc.errors import InputError
from reid_models.data.relevance import JUNK_SAME_IDENTITY_AND_CAMERA, Relevance, judge

TOP = 100  # length of an AI City answer list
BLOCK_QUERIES = 512  # rows of distances held at once: 24 MB for VeRi-776; smaller blocks multiply slower
UNIT_TOLERANCE = 1e-3  # squared lengths this near 1 are rounding of unit vectors (float16 features reach 5e-4)


@dataclass(frozen=True, eq=False)
class QueryScores:
    """What Q queries reached.

    first_ranks: int64 (Q,), rank of the first right answer from 1, 0 where the query has none.
    ap_rectangle, ap_trapezoid, ap_top100: float64 (Q,), 0 to 1, NaN where the query has no right answer.
    """

    first_ranks: np.ndarray
    ap_rectangle: np.ndarray
    ap_trapezoid: np.ndarray
    ap_top100: np.ndarray

    def __len__(self) -> int:
        return len(self.first_ranks)

    @property
    def answered(self) -> np.ndarray:
        """bool (Q,): True where the gallery holds a right answer."""
        return self.first_ranks > 0

    def select(self, queries: np.ndarray) -> QueryScores:
        """Some of the queries (rows or mask)."""
        return QueryScores(self.first_ranks[queries], self.ap_rectangle[queries], self.ap_trapezoid[queries],
                           self.ap_top100[queries])


@dataclass(frozen=True)
class Summary:
    """Means over the queries that have an answer, as shares of 1; NaN where there is none.

    queries: all. unanswered: those without a right answer in the gallery, which enter no mean.
    """

    queries: int
    unanswered: int
    map_rectangle: float
    map_trapezoid: float
    map_top100: float
    r1: float
    r5: float
    r10: float


def score(query_features: np.ndarray, gallery_features: np.ndarray, query_identities: np.ndarray,
          gallery_identities: np.ndarray, query_cameras: np.ndarray, gallery_cameras: np.ndarray,
          junk_rule: str = JUNK_SAME_IDENTITY_AND_CAMERA) -> QueryScores:
    """Scores of Q queries: features float (Q, D) and (G, D), identity and camera numbers int64."""
    relevance = judge(query_identities, gallery_identities, query_cameras, gallery_cameras, junk_rule)
    return score_features(query_features, gallery_features, relevance)


def score_features(query_features: np.ndarray, gallery_features: np.ndarray, relevance: Relevance,
                   columns: np.ndarray | None = None) -> QueryScores:
    """Scores by Euclidean distance of features float (Q, D) and (E, D); never holds all distances.

    columns: int64 (G,), the entry that stands at each gallery row (default: each by itself), so that many rows
    may carry one vector and tie exactly. `relevance` judges the G rows.
    """
    _check_features(query_features, gallery_features)
    blocks = (keys if columns is None else keys[:, columns] for keys in distance_keys(query_features, gallery_features))
    return _score_blocks(blocks, len(query_features), relevance)


def score_distances(distances: np.ndarray, relevance: Relevance) -> QueryScores:
    """Scores by a matrix of distances (Q, G), smaller = more alike (any real numbers)."""
    if distances.ndim != 2 or distances.shape != (len(relevance), relevance.gallery_size):
        raise InputError("distances", f"shape {(len(relevance), relevance.gallery_size)}", str(distances.shape))
    blocks = (distances[start:start + BLOCK_QUERIES] for start in range(0, len(distances), BLOCK_QUERIES))
    return _score_blocks(blocks, len(distances), relevance)


def squared_distances(query_features: np.ndarray, gallery_features: np.ndarray) -> np.ndarray:
    """(Q, G) squared Euclidean distances in the features' precision, never below 0."""
    _check_features(query_features, gallery_features)
    squares = (query_features**2).sum(axis=1)[:, None] + (gallery_features**2).sum(axis=1)
    squares -= 2 * (query_features @ gallery_features.T)
    return np.maximum(squares, 0, out=squares)


def summarise(scores: QueryScores) -> Summary:
    """Means over the queries with an answer."""
    found = scores.select(scores.answered)

    def mean(values: np.ndarray) -> float:
        return float(np.mean(values)) if len(values) else float("nan")

    return Summary(len(scores), len(scores) - len(found), mean(found.ap_rectangle), mean(found.ap_trapezoid),
                   mean(found.ap_top100), *(mean(found.first_ranks <= k) for k in (1, 5, 10)))


def concatenate_scores(parts: list[QueryScores]) -> QueryScores:
    """The queries of several scorings in one."""
    return QueryScores(*(np.concatenate([getattr(part, name) for part in parts])
                         for name in ("first_ranks", "ap_rectangle", "ap_trapezoid", "ap_top100")))


def _score_blocks(blocks: Iterator[np.ndarray], query_count: int, relevance: Relevance) -> QueryScores:
    if query_count != len(relevance):
        raise InputError("queries", f"{len(relevance)}, one a judgement", str(query_count))
    ranks, start = [], 0
    for block in blocks:
        if block.shape[1] != relevance.gallery_size:
            raise InputError("gallery", f"{relevance.gallery_size} rows", str(block.shape[1]))
        ranks.append(_ranks_of_block(block, relevance, start))
        start += len(block)
    return _scores_of_ranks(np.concatenate([np.zeros(0, dtype=np.int64), *ranks]), relevance.good.offsets)


def _ranks_of_block(block: np.ndarray, relevance: Relevance, start: int) -> np.ndarray:
    """int64: the ranks (from 1, junk gone) of the right answers of queries start, start + 1 …, rising for each query.

    block: (B, G) distances of those queries.
    """
    ascending = np.sort(block, axis=1)
    if block.size and np.isnan(ascending[:, -1]).any():
        raise InputError("distances", "numbers", "NaN", "A feature is not finite: check the weights.")
    queries, rows, good = _judged(relevance, start, len(block))
    values = block[queries, rows]
    bounds = np.searchsorted(queries, np.arange(len(block) + 1))
    places = np.empty(len(rows), dtype=np.int64)
    for query, (first, last) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        places[first:last] = ascending[query].searchsorted(values[first:last])
    following = np.minimum(places + 1, max(block.shape[1] - 1, 0))
    tied = (following > places) & (ascending[queries, following] == values)
    for query in np.unique(queries[tied]):
        of_row = np.empty(block.shape[1], dtype=np.int64)
        of_row[np.argsort(block[query], kind="stable")] = np.arange(len(of_row))
        places[bounds[query]:bounds[query + 1]] = of_row[rows[bounds[query]:bounds[query + 1]]]
    order = np.argsort(queries * max(block.shape[1], 1) + places)
    queries, places, good = queries[order], places[order], good[order]
    junk_before = np.cumsum(~good) - np.concatenate([[0], np.cumsum(~good)])[bounds[queries]]
    return (places + 1 - junk_before)[good]


def _judged(relevance: Relevance, start: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The right and the junk rows of `count` queries: query (from 0, rising), gallery row, whether right."""
    parts = []
    for lists in (relevance.good, relevance.junk):
        offsets = lists.offsets[start:start + count + 1]
        parts.append((np.repeat(np.arange(count), np.diff(offsets)), lists.rows[offsets[0]:offsets[-1]]))
    queries, rows = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    order = np.argsort(queries, kind="stable")
    return queries[order], rows[order], (np.arange(len(queries)) < len(parts[0][0]))[order]


def _scores_of_ranks(ranks: np.ndarray, offsets: np.ndarray) -> QueryScores:
    """Scores from the rising ranks of all right answers; query q owns ranks[offsets[q]:offsets[q + 1]]."""
    counts = np.diff(offsets)
    queries = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(1, len(ranks) + 1) - np.repeat(offsets[:-1], counts)
    precision = nth / ranks
    # Of the list that ends just before the answer; an empty list has precision 1.
    before = np.where(ranks == 1, 1.0, (nth - 1) / np.maximum(ranks - 1, 1))
    shares = np.where(counts > 0, 1 / np.maximum(counts, 1), np.nan)
    rectangle, lower, top = (np.bincount(queries, weights=values, minlength=len(counts)) * shares
                             for values in (precision, before, np.where(ranks <= TOP, precision, 0.0)))
    first = np.zeros(len(counts), dtype=np.int64)
    first[counts > 0] = ranks[offsets[:-1][counts > 0]]
    return QueryScores(first, rectangle, (rectangle + lower) / 2, top)


def distance_keys(query_features: np.ndarray, gallery_features: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks of numbers that order a query's gallery as Euclidean distance does: |g|²/2 − q·g.

    For unit galleries the first term is a constant up to rounding, and left out.
    """
    squares = np.einsum("ij,ij->i", gallery_features, gallery_features)
    if not np.isfinite(squares).all():
        raise InputError("gallery features", "finite numbers", "NaN or infinity", "Check the weights.")
    unit = bool((np.abs(squares - 1) < UNIT_TOLERANCE).all())
    halves = squares / 2
    columns = gallery_features.T
    for start in range(0, len(query_features), BLOCK_QUERIES):
        keys = -query_features[start:start + BLOCK_QUERIES] @ columns
        yield keys if unit else np.add(keys, halves, out=keys)


def _check_features(query_features: np.ndarray, gallery_features: np.ndarray) -> None:
    for name, features in (("query", query_features), ("gallery", gallery_features)):
        if features.ndim != 2 or features.dtype not in (np.float32, np.float64):
            raise InputError(f"{name} features", "float32 or float64 (rows, dimensions)",
                             f"{features.dtype} {features.shape}")
    if query_features.shape[1] != gallery_features.shape[1]:
        raise InputError("gallery features", f"{query_features.shape[1]} dimensions", str(gallery_features.shape[1]))

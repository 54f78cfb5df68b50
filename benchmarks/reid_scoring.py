"""What scoring and re-ranking cost: `python benchmarks/reid_scoring.py [--full]`.

Scoring: a VeRi-776-sized problem (1,678 queries × 11,579 images × 1,536 dimensions, 200 vehicles, 20 cameras,
camera junk) against its bare matrix product in the same run; the two take turns, and the medians are compared.
Re-ranking: the sparse form against a dense one that follows the definition as torchreid's `re_ranking` does
(full sorts, dense M × M weights, loops over rows), from the same three distance matrices, with the same result;
at 3,500 items, or with `--full` at VeRi-776 size (a few minutes and 6 GB).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from reid_models.evaluation.metrics import score, squared_distances, summarise
from reid_models.reranking import RerankConfig, rerank_distances


def make_problem(queries: int, gallery: int, dimensions: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Unit features around 200 vehicles, seen by 20 cameras."""
    random = np.random.default_rng(seed)
    vehicles = random.standard_normal((200, dimensions), dtype=np.float32)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        identities, cameras = random.integers(200, size=count), random.integers(20, size=count)
        features = vehicles[identities] + 3 * random.standard_normal((count, dimensions), dtype=np.float32)
        return features / np.linalg.norm(features, axis=1, keepdims=True), identities, cameras

    (q, q_ids, q_cams), (g, g_ids, g_cams) = draw(queries), draw(gallery)
    return q, g, q_ids, g_ids, q_cams, g_cams


def dense_rerank(q_g: np.ndarray, q_q: np.ndarray, g_g: np.ndarray, config: RerankConfig) -> np.ndarray:
    """The textbook form with dense matrices and full sorts."""
    q = len(q_g)
    original = np.block([[q_q, q_g], [q_g.T, g_g]]).astype(np.float32) ** 2
    original = (original / original.max(axis=0)).T
    order = np.argsort(original, axis=1)
    weights = np.zeros_like(original)

    def reciprocal(item: int, k: int) -> np.ndarray:
        forward = order[item, :k + 1]
        return forward[(order[forward, :k + 1] == item).any(axis=1)]

    for item in range(len(original)):
        base = reciprocal(item, config.k1)
        members = [base]
        for candidate in base:
            other = reciprocal(candidate, round(config.k1 / 2))
            if len(np.intersect1d(other, base)) > 2 / 3 * len(other):
                members.append(other)
        chosen = np.unique(np.concatenate(members))
        values = np.exp(-original[item, chosen])
        weights[item, chosen] = values / values.sum()
    original = original[:q]
    if config.k2 > 1:
        weights = np.stack([weights[order[item, :config.k2]].mean(axis=0) for item in range(len(weights))])
    holders = [np.flatnonzero(weights[:, column]) for column in range(weights.shape[1])]
    jaccard = np.empty_like(original)
    for item in range(q):
        shared = np.zeros(weights.shape[1], dtype=np.float32)
        for column in np.flatnonzero(weights[item]):
            rows = holders[column]
            shared[rows] += np.minimum(weights[item, column], weights[rows, column])
        jaccard[item] = 1 - shared / (2 - shared)
    return ((1 - config.lambda_value) * jaccard + config.lambda_value * original)[:, q:]


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="re-rank at VeRi-776 size too")
    parser.add_argument("--turns", type=int, default=7, help="how often product and scoring take turns")
    arguments = parser.parse_args()

    problem = make_problem(1678, 11579, 1536)
    products, scorings = [], []
    for _ in range(arguments.turns):
        products.append(timed(lambda: problem[0] @ problem[1].T)[0])
        seconds, scores = timed(lambda: score(*problem))
        scorings.append(seconds)
    bare, whole = statistics.median(products), statistics.median(scorings)
    print(f"matrix product 1678 x 11579 x 1536: {bare:.3f} s; scoring with junk: {whole:.3f} s; "
          f"ratio {whole / bare:.2f}")
    print(f"  {summarise(scores)}")
    compare_reranking(500, 3000)
    if arguments.full:
        compare_reranking(1678, 11579)


def compare_reranking(queries: int, gallery: int) -> None:
    """Time both forms on one set of distances and print how far their results differ."""
    q, g, *_ = make_problem(queries, gallery, 256)
    distances = tuple(np.sqrt(squared_distances(a, b)) for a, b in ((q, g), (q, q), (g, g)))
    ours, sparse = timed(lambda: rerank_distances(*distances))
    theirs, dense = timed(lambda: dense_rerank(*distances, RerankConfig()))
    print(f"re-ranking {queries} x {gallery}: sparse {ours:.2f} s, dense {theirs:.2f} s, {theirs / ours:.1f} times; "
          f"largest difference {np.abs(sparse - dense).max():.1e}")


if __name__ == "__main__":
    main()

"""Exact k-reciprocal re-ranking against the textbook definition, written with sets."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from mtmc.errors import ConfigError, InputError
from reid_models.evaluation.metrics import squared_distances
from reid_models.reranking import RerankConfig, rerank_distances, rerank_features


def plain_rerank(squared: np.ndarray, queries: int, config: RerankConfig) -> np.ndarray:
    """Zhong et al. 2017 by the book over M × M squared distances, with Python sets."""
    m = len(squared)
    d = squared / squared.max(axis=1, keepdims=True)

    def nearest(p: int, k: int) -> list[int]:
        others = sorted((g for g in range(m) if g != p), key=lambda g: (d[p, g], g))
        return [p, *others[:k]]

    def reciprocal(p: int, k: int) -> set[int]:
        return {g for g in nearest(p, k) if p in nearest(g, k)}

    v = np.zeros((m, m))
    for p in range(m):
        own = reciprocal(p, config.k1)
        wide = set(own)
        for q in own:
            half = reciprocal(q, round(config.k1 / 2))
            if len(half & own) > 2 / 3 * len(half):
                wide |= half
        for g in wide:
            v[p, g] = np.exp(-d[p, g])
        v[p] /= v[p].sum()
    v = np.array([np.mean([v[g] for g in nearest(p, config.k2 - 1)], axis=0) for p in range(m)])
    result = np.zeros((queries, m - queries))
    for p in range(queries):
        for g in range(queries, m):
            jaccard = 1 - np.minimum(v[p], v[g]).sum() / np.maximum(v[p], v[g]).sum()
            result[p, g - queries] = (1 - config.lambda_value) * jaccard + config.lambda_value * d[p, g]
    return result


def make(seed: int, queries: int, gallery: int, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((4, 6))
    items = centres[random.integers(4, size=queries + gallery)] + 0.7 * random.standard_normal((queries + gallery, 6))
    return items[:queries].astype(dtype), items[queries:].astype(dtype)


@pytest.mark.parametrize("config", [RerankConfig(), RerankConfig(7, 2, 0.6), RerankConfig(5, 1, 0.0),
                                    RerankConfig(3, 4, 0.3), RerankConfig(1, 1, 0.5)])
@pytest.mark.parametrize(("queries", "gallery"), [(1, 1), (1, 2), (2, 9), (6, 30)])
def test_equals_the_definition(queries: int, gallery: int, config: RerankConfig) -> None:
    q, g = make(queries + gallery, queries, gallery)
    items = np.concatenate([q, g])
    squared = squared_distances(items, items)
    np.fill_diagonal(squared, 0)
    expected = plain_rerank(squared, queries, config)
    assert np.allclose(rerank_features(q, g, config), expected, atol=1e-12)
    distances = np.sqrt(squared)
    from_matrices = rerank_distances(distances[:queries, queries:], distances[:queries, :queries],
                                     distances[queries:, queries:], config)
    assert np.allclose(from_matrices, expected, atol=1e-12)


def test_equals_the_definition_among_twins() -> None:
    """Equal images tie at distance 0: each is its own first neighbour, then the lower one."""
    random = np.random.default_rng(3)
    items = random.integers(0, 3, size=(24, 2)).astype(np.float64)
    squared = ((items[:, None] - items[None])**2).sum(axis=2)
    config = RerankConfig(4, 2, 0.3)
    assert np.allclose(rerank_features(items[:5], items[5:], config), plain_rerank(squared, 5, config), atol=1e-12)


def test_blocks_of_rows_do_not_matter() -> None:
    """More items than a block holds; single precision agrees to its rounding."""
    q, g = make(1, 40, 560)
    items = np.concatenate([q, g])
    squared = squared_distances(items, items)
    np.fill_diagonal(squared, 0)
    d = np.sqrt(squared)
    double = rerank_distances(d[:40, 40:], d[:40, :40], d[40:, 40:])
    assert np.allclose(rerank_features(q, g), double, atol=1e-10)
    single = rerank_features(q.astype(np.float32), g.astype(np.float32))
    assert np.quantile(np.abs(single - double), 0.999) < 1e-4


@pytest.mark.parametrize(("queries", "gallery"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_rank(queries: int, gallery: int) -> None:
    assert rerank_features(*make(0, queries, gallery)).shape == (queries, gallery)


def test_lambda_one_keeps_the_order() -> None:
    q, g = make(2, 8, 50)
    plain, reranked = squared_distances(q, g), rerank_features(q, g, RerankConfig(lambda_value=1.0))
    assert np.array_equal(np.argsort(plain, axis=1), np.argsort(reranked, axis=1))


def test_a_chained_hard_positive_rises() -> None:
    """The far end of the query's own street lies farther away than another street, but is kin of its kin."""
    own = np.stack([np.linspace(0, 1.5, 9), np.zeros(9)], axis=1)
    other = np.stack([np.linspace(-0.2, 0.2, 8), np.linspace(1.3, 1.4, 8)], axis=1)
    gallery = np.concatenate([other, own[1:]])
    plain = squared_distances(own[:1], gallery)[0]
    reranked = rerank_features(own[:1], gallery, RerankConfig(8, 4, 0.3))[0]
    assert plain[-1] > plain[:8].max()
    assert reranked[-1] < reranked[:8].min()


def test_all_items_alike() -> None:
    same = np.ones((6, 3))
    assert np.isfinite(rerank_features(same[:2], same[2:])).all()


@pytest.mark.parametrize("values", [{"k1": 0}, {"k2": 0}, {"lambda_value": 1.1}, {"lambda_value": -0.1}])
def test_settings_out_of_range(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        RerankConfig(**values)  # type: ignore[arg-type]


def test_input_that_does_not_fit() -> None:
    q, g = make(0, 3, 5)
    with pytest.raises(InputError):
        rerank_features(q, g[:, :2])
    with pytest.raises(InputError):
        rerank_features(q, g * np.nan)
    with pytest.raises(InputError):
        rerank_distances(np.zeros((3, 5)), np.zeros((3, 3)), np.zeros((4, 4)))


@pytest.mark.slow
def test_memory_is_bounded_for_5000_items() -> None:
    q, g = (part.astype(np.float32) for part in make(4, 500, 4500))
    tracemalloc.start()
    rerank_features(q, g)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6, "one dense 5000 x 5000 matrix of single precision is 100 MB; the definition holds several"

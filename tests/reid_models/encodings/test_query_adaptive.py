"""Query-adaptive matching (seeds_digest F7)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from reid_models.encodings.query_adaptive import adaptive_cosines, adaptive_distances


def units(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("q", "r"), [(0, 3), (1, 1), (5, 2), (9, 8)])
def test_it_is_the_best_mix_and_never_below_a_single_region(seed: int, q: int, r: int) -> None:
    queries, regions = units(q, 6, seed), units(r, 6, seed + 50)
    found = adaptive_cosines(queries, regions)
    assert (found >= (queries @ regions.T).max(axis=1) - 1e-9).all()
    for i in range(q):
        weights, _ = nnls(regions.T, queries[i])
        best = (queries[i] @ regions.T).max()
        if weights.any():
            mixed = weights @ regions
            best = max(best, float(queries[i] @ mixed / np.linalg.norm(mixed)))
        assert found[i] == pytest.approx(best, abs=1e-4)


def test_one_region_is_its_own_cosine_and_none_is_opposite() -> None:
    queries, regions = units(7, 4, 0), units(1, 4, 1)
    np.testing.assert_allclose(adaptive_cosines(queries, regions), (queries @ regions.T)[:, 0], atol=1e-12)
    assert adaptive_cosines(queries, regions[:0]).tolist() == [-1] * 7


def test_two_halves_of_a_query_are_found_in_two_regions() -> None:
    """A vehicle that two pictures show in part matches better than with either picture."""
    regions = np.eye(3)[:2]
    query = np.array([[1.0, 1.0, 0.0]]) / np.sqrt(2)
    assert adaptive_cosines(query, regions)[0] == pytest.approx(1)


def test_distances_are_entry_by_entry() -> None:
    queries, images, offsets = units(4, 5, 0), units(6, 5, 1), np.array([0, 1, 1, 6])
    found = adaptive_distances(queries, images, offsets)
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found[:, 0], np.linalg.norm(queries - images[0], axis=1), atol=1e-5)
    np.testing.assert_allclose(found[:, 1], 2)
    np.testing.assert_allclose(found[:, 2], np.sqrt(2 - 2 * adaptive_cosines(queries, images[1:])), atol=1e-6)

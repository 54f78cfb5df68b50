"""Temporal pooling (seeds_digest.md A6)."""

from __future__ import annotations

import numpy as np
import pytest

from mtmc.errors import InputError
from reid_models.temporal import pool, pool_weighted


def test_the_digests_example() -> None:
    frames, query = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0])
    mean = pool(frames, renormalise=False)
    np.testing.assert_allclose(mean, [0.5, 0.5])
    squared = float(((query - mean) ** 2).sum())
    scatter = float(((frames - mean) ** 2).sum(axis=1).mean())
    assert squared == pytest.approx(float(((query - frames) ** 2).sum(axis=1).mean()) - scatter)
    np.testing.assert_allclose(pool(frames), [np.sqrt(0.5)] * 2, rtol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 7, 100])
def test_order_does_not_matter_and_chunks_add_up(frames: int) -> None:
    rng = np.random.default_rng(frames)
    x = rng.normal(size=(frames, 16)).astype(np.float32)
    plain = np.zeros(16)
    for row in x:  # the slow twin: a running sum
        plain += row / frames
    np.testing.assert_allclose(pool(x, renormalise=False), plain, atol=1e-6)
    np.testing.assert_allclose(pool(x[rng.permutation(frames)]), pool(x), atol=1e-6)
    assert np.linalg.norm(pool(x)) == pytest.approx(1, abs=1e-6)


def test_weights() -> None:
    x = np.eye(3)[:2]
    np.testing.assert_allclose(pool_weighted(x, np.array([3.0, 1.0]), renormalise=False), [0.75, 0.25, 0])
    np.testing.assert_allclose(pool_weighted(x, np.zeros(2)), pool(x))
    for wrong in (np.array([1.0, -1.0]), np.array([1.0, np.nan])):
        with pytest.raises(InputError):
            pool_weighted(x, wrong)
    with pytest.raises(InputError):
        pool(np.zeros((0, 3)))

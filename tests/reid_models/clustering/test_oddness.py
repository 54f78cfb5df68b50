"""Golden values and checks of seeds_digest H2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from mtmc.errors import ConfigError, InputError
from reid_models.clustering.clusters import cluster
from reid_models.clustering.normality import normality, odd
from reid_models.clustering.oddness import OddnessConfig, normalities_of


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def units(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """P(a positive scores higher than a negative), ties half."""
    a, b = scores[positive][:, None], scores[~positive][None]
    return float((a > b).mean() + (a == b).mean() / 2)


def planted(seed: int = 0, outliers: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """The digest's check: nine tight clusters of unit vectors, 2 % strangers."""
    r = np.random.default_rng(seed)
    centres = units(r.normal(size=(9, 64)))
    normal = units(centres[r.integers(0, 9, 2000)] + 0.06 * r.normal(size=(2000, 64)))
    return np.r_[normal, units(r.normal(size=(outliers, 64)))], np.r_[np.zeros(2000, bool), np.ones(outliers, bool)]


def test_golden_normality() -> None:
    codes, centres = np.array([[0.6, 0.8]]), np.array([[3.0, 0.0], [0.0, 2.0]])
    assert normality(codes, centres).tolist() == [0.8]


def test_the_length_of_centres_does_not_matter_and_values_are_cosines() -> None:
    r = np.random.default_rng(0)
    codes, centres = units(r.normal(size=(200, 5))), r.normal(size=(4, 5))
    found = normality(codes, centres)
    np.testing.assert_allclose(normality(codes, centres * np.array([[2.0], [0.1], [7], [100]])), found)
    assert found.min() >= -1
    assert found.max() <= 1
    plain = [max(float(np.dot(code, c) / np.linalg.norm(c)) for c in centres) for code in codes]
    np.testing.assert_allclose(found, plain, atol=1e-12)
    assert normality(codes[:1], -codes[:1])[0] == pytest.approx(-1)


def test_zeros_are_handled() -> None:
    assert normality(np.zeros((1, 2)), np.array([[1.0, 0]])).tolist() == [0]
    assert normality(np.array([[1.0, 0]]), np.array([[0.0, 0], [0, 3]])).tolist() == [0]
    with pytest.raises(InputError, match="direction"):
        normality(np.ones((1, 2)), np.zeros((2, 2)))


def test_planted_outliers_among_nine_clusters_are_found() -> None:
    rows, strange = planted()
    centres, _ = cluster(rows, 9, seed=0, restarts=4)
    assert auc(-normality(rows, centres), strange) >= 0.95


@pytest.mark.slow
def test_planted_outliers_are_found_by_the_whole_method() -> None:
    rows, strange = planted()
    assert auc(-normalities_of(rows, OddnessConfig()), strange) >= 0.95


def test_a_threshold_of_minus_one_flags_nothing() -> None:
    found = np.array([-1.0, -0.5, 0.3, 1.0])
    assert not odd(found, -1.0).any()
    assert odd(found, 0.3).tolist() == [True, True, False, False]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_rows_and_equal_rows(count: int) -> None:
    config = OddnessConfig(network=replace(OddnessConfig().network, epochs=2, widths=(8,)))
    rows = np.ones((count, 6), np.float32)
    found = normalities_of(rows, config)
    assert found.shape == (count,)
    np.testing.assert_allclose(found, 1, atol=1e-5)


def test_the_order_of_rows_does_not_matter() -> None:
    config = OddnessConfig(network=replace(OddnessConfig().network, epochs=3, widths=(8,)))
    rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    order = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(normalities_of(rows[order], config), normalities_of(rows, config)[order])
    with pytest.raises(ConfigError):
        OddnessConfig(clusters=0)

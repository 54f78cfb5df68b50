"""PCA and whitening (seeds_digest F8)."""

from __future__ import annotations

import numpy as np
import pytest

from mtmc.errors import InputError
from reid_models.encodings.whitening import fit_projection, project, signed_power, unit


def rows_of(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)).astype(np.float32)


@pytest.mark.parametrize(("n", "d", "kept"), [(200, 6, 6), (200, 6, 3), (12, 40, 5), (40, 40, 0)])
def test_whitened_training_rows_have_covariance_one(n: int, d: int, kept: int) -> None:
    rows = rows_of(n, d)
    mean, axes = fit_projection(rows, kept)
    found = project(rows, mean, axes)
    np.testing.assert_allclose(np.cov(found.T).reshape(axes.shape[1], -1), np.eye(axes.shape[1]), atol=1e-3)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-3)


def test_a_rotation_alone_changes_no_distance() -> None:
    """PCA without whitening and without truncation keeps all cosines of centred data."""
    rows = rows_of(30, 8)
    mean, axes = fit_projection(rows, 0, whiten=False)
    centred, turned = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (rows - mean, project(rows, mean, axes)))
    np.testing.assert_allclose(centred @ centred.T, turned @ turned.T, atol=1e-5)


def test_fewer_directions_than_dimensions_stay_finite() -> None:
    rows = rows_of(50, 3) @ np.random.default_rng(1).normal(size=(3, 10)).astype(np.float32)
    mean, axes = fit_projection(rows, 10)
    assert axes.shape == (10, 3)
    assert np.isfinite(project(rows, mean, axes)).all()


def test_the_first_direction_is_scikit_learns() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    rows = rows_of(60, 7, 4)
    theirs = decomposition.PCA(4, whiten=True).fit(rows)
    mean, axes = fit_projection(rows, 4)
    np.testing.assert_allclose(np.abs(project(rows, mean, axes)), np.abs(theirs.transform(rows)), atol=1e-3)


def test_a_ridge_tames_the_weak_directions() -> None:
    rows = rows_of(100, 5)
    plain, tamed = (np.linalg.norm(fit_projection(rows, 0, ridge=r)[1], axis=0) for r in (0.0, 0.5))
    assert (tamed < plain).all()
    assert tamed[-1] / tamed[0] < plain[-1] / plain[0]


@pytest.mark.parametrize("rows", [np.zeros((1, 3)), np.ones((5, 3))])
def test_rows_without_a_direction_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(InputError):
        fit_projection(rows)


def test_power_and_unit() -> None:
    np.testing.assert_allclose(signed_power(np.array([-4.0, 0.0, 9.0]), 0.5), [-2, 0, 3])
    np.testing.assert_allclose(unit(np.array([3.0, -4.0])), [0.6, -0.8], atol=1e-7)
    np.testing.assert_allclose(unit(np.zeros(4)), [0.5] * 4)

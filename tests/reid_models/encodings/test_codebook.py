"""k-means and the mixture, against plain loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from mtmc.errors import InputError
from reid_models.encodings.codebook import assign, fit_mixture, kmeans, responsibilities


def blobs(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Four clear groups in five dimensions, and their centres."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 5)) * 8
    return np.concatenate([c + rng.normal(size=(count, 5)) for c in centres]).astype(np.float32), centres


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "k"), [(0, 3), (1, 1), (7, 3), (50, 9)])
def test_assignment_is_the_nearest_centre(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    rows, centres = rng.normal(size=(n, 4)).astype(np.float32), rng.normal(size=(k, 4)).astype(np.float32)
    nearest, squared = assign(rows, centres)
    for i in range(n):
        plain = [float(np.square(rows[i] - c).sum()) for c in centres]
        assert plain[nearest[i]] == pytest.approx(min(plain), abs=1e-5)
        assert squared[i] == pytest.approx(min(plain), abs=1e-4)


def test_kmeans_finds_clear_groups_as_scikit_learn_does() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    rows, _ = blobs(0)
    ours = kmeans(rows, 4, 0)
    theirs = cluster.KMeans(4, init=kmeans(rows, 4, 0, rounds=0), n_init=1, tol=0).fit(rows)
    assert assign(rows, ours)[1].sum() == pytest.approx(theirs.inertia_, rel=1e-4)
    order, other = np.lexsort(ours.T), np.lexsort(theirs.cluster_centers_.T)
    np.testing.assert_allclose(ours[order], theirs.cluster_centers_[other], atol=1e-4)


def test_kmeans_is_repeatable_and_settled() -> None:
    rows, _ = blobs(3)
    centres = kmeans(rows, 6, 5)
    assert np.array_equal(centres, kmeans(rows, 6, 5))
    nearest, _ = assign(rows, centres)
    for k in range(6):
        np.testing.assert_allclose(centres[k], rows[nearest == k].mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("k", [1, 3])
def test_copies_of_one_row_still_give_a_codebook(k: int) -> None:
    assert np.isfinite(kmeans(np.ones((3, 2), np.float32), k, 0)).all()


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InputError, match="5 or more local features"):
        kmeans(np.zeros((4, 2), np.float32), 5, 0)


def test_the_mixture_agrees_with_scikit_learn() -> None:
    mixture = pytest.importorskip("sklearn.mixture")
    rows, _ = blobs(1, 200)
    weights, means, variances = fit_mixture(rows, 4, 0)
    theirs = mixture.GaussianMixture(4, covariance_type="diag", random_state=0).fit(rows)
    order, other = np.lexsort(means.T), np.lexsort(theirs.means_.T)
    np.testing.assert_allclose(weights[order], theirs.weights_[other], atol=1e-3)
    np.testing.assert_allclose(means[order], theirs.means_[other], atol=1e-2)
    np.testing.assert_allclose(variances[order], theirs.covariances_[other], atol=2e-2)


@pytest.mark.parametrize("n", [0, 1, 6])
def test_responsibilities_follow_their_definition(n: int) -> None:
    rng = np.random.default_rng(n)
    rows, means = rng.normal(size=(n, 3)), rng.normal(size=(2, 3))
    weights, variances = np.array([0.3, 0.7]), rng.uniform(0.2, 2, (2, 3))
    found = responsibilities(rows, weights, means, variances)
    for i in range(n):
        density = [weights[k] * np.prod(np.exp(-0.5 * (rows[i] - means[k])**2 / variances[k])
                                        / np.sqrt(2 * np.pi * variances[k])) for k in (0, 1)]
        np.testing.assert_allclose(found[i], density / np.sum(density), rtol=1e-9)

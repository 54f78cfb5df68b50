"""Each encoding's formula: golden values and checks of seeds_digest F1 to F9."""

from __future__ import annotations

import numpy as np
import pytest

from reid_models.encodings.bag_of_words import bag_of_words
from reid_models.encodings.codebook import fit_mixture, responsibilities
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.conv_features import places, windows
from reid_models.encodings.fisher import fisher
from reid_models.encodings.local_set import LocalSet
from reid_models.encodings.mop_cnn import MopCnn
from reid_models.encodings.regions import Regions, region_vectors
from reid_models.encodings.second_order import SecondOrder, second_moment
from reid_models.encodings.spoc import spoc
from reid_models.encodings.vlad import Vlad, vlad
from reid_models.encodings.whitening import unit

LINE, CENTRES = np.array([[1.0], [2.0], [9.0]], np.float32), np.array([[0.0], [10.0]], np.float32)


def cloud(n: int, d: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def set_of(rows: np.ndarray, levels: np.ndarray | None = None) -> LocalSet:
    n = len(rows)
    yx = np.random.default_rng(n).uniform(0, 1, (n, 2)).astype(np.float32)
    return LocalSet(rows, yx, np.zeros(n, np.int64) if levels is None else levels)


@pytest.mark.parametrize("n", [0, 1, 40])
def test_words_are_counted_whatever_their_order(n: int) -> None:
    rows, centres = cloud(n), cloud(5, seed=1)
    counts = bag_of_words(rows, centres)
    assert counts.sum() == n
    assert np.array_equal(counts, bag_of_words(rows[::-1], centres))
    plain = [np.argmin([np.linalg.norm(r - c) for c in centres]) for r in rows]
    assert counts.tolist() == [plain.count(k) for k in range(5)]


def test_vlad_of_the_digest() -> None:
    assert vlad(LINE, CENTRES).ravel().tolist() == [3, -1]
    np.testing.assert_allclose(unit(vlad(LINE, CENTRES).ravel()), [0.948683, -0.316228], atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 30])
def test_vlad_is_a_sum_of_residuals(n: int) -> None:
    rows, centres = cloud(n), cloud(4, seed=1)
    plain = np.zeros((4, 6))
    for row in rows:
        k = int(np.argmin([np.linalg.norm(row - c) for c in centres]))
        plain[k] += row - centres[k]
    np.testing.assert_allclose(vlad(rows, centres), plain, atol=1e-5)
    np.testing.assert_allclose(vlad(rows[::-1], centres), plain, atol=1e-5)


@pytest.mark.parametrize("n", [0, 1, 20])
def test_fisher_is_the_gradient_of_the_likelihood(n: int) -> None:
    """By numeric differentiation of the mean log likelihood, scaled by the Fisher information's diagonal."""
    rows = cloud(n, 3).astype(np.float64)
    weights, means = np.array([0.4, 0.6]), cloud(2, 3, 1).astype(np.float64)
    variances = np.random.default_rng(2).uniform(0.5, 2, (2, 3))
    found = fisher(rows, weights, means, variances)
    if not n:
        assert not found.any()
        return

    def likelihood(mean: np.ndarray, deviation: np.ndarray) -> float:
        density = [weights[k] * np.prod(np.exp(-0.5 * ((rows - mean[k]) / deviation[k])**2)
                                        / deviation[k], axis=1) for k in (0, 1)]
        return float(np.log(np.sum(density, axis=0)).mean())

    deviations, step = np.sqrt(variances), 1e-5
    for k in range(2):
        for d in range(3):
            nudge = np.zeros((2, 3))
            nudge[k, d] = step
            by_mean = (likelihood(means + nudge, deviations) - likelihood(means - nudge, deviations)) / (2 * step)
            by_deviation = (likelihood(means, deviations + nudge) - likelihood(means, deviations - nudge)) / (2 * step)
            assert found[0, k, d] == pytest.approx(by_mean * deviations[k, d] / np.sqrt(weights[k]), abs=1e-4)
            assert found[1, k, d] == pytest.approx(by_deviation * deviations[k, d] / np.sqrt(2 * weights[k]), abs=1e-4)


def test_a_fitted_mixture_has_no_gradient_on_its_own_rows() -> None:
    rows = np.concatenate([cloud(100, 3) + 6, cloud(100, 3, 1) - 6])
    weights, means, variances = fit_mixture(rows, 2, 0)
    assert np.abs(fisher(rows, weights, means, variances)).max() < 1e-3
    assert responsibilities(rows, weights, means, variances).sum(axis=1) == pytest.approx(1)


def test_one_scale_of_one_patch_is_vlad() -> None:
    """seeds_digest F4."""
    config = EncodingConfig(features="windows", levels=(1,), local_dimension=0, words=2)
    sets = [set_of(unit(cloud(1, seed=i)[0])[None]) for i in range(9)]
    encoding = MopCnn(config)
    arrays = encoding.fit(sets)
    for s in sets:
        np.testing.assert_allclose(encoding.encode(s, arrays), unit(vlad(s.descriptors, arrays["words_0"]).ravel()),
                                   atol=1e-6)


def test_scales_stand_one_after_the_other() -> None:
    config = EncodingConfig(features="windows", levels=(1, 2), local_dimension=0, words=3)
    sets = [windows(np.abs(cloud(36, 4, seed)).reshape(6, 6, 4), (1, 2)) for seed in range(5)]
    assert [np.bincount(s.levels).tolist() for s in sets] == [[1, 9]] * 5
    encoding = MopCnn(config)
    arrays = encoding.fit(sets)
    vector = encoding.encode(sets[0], arrays)
    assert vector.shape == (2 * 3 * 4,)
    np.testing.assert_allclose(vector[12:], unit(vlad(sets[0].descriptors[1:], arrays["words_1"]).ravel()), atol=1e-6)


@pytest.mark.parametrize(("h", "w"), [(1, 1), (3, 5), (6, 6)])
def test_every_place_of_a_map_is_a_local_feature(h: int, w: int) -> None:
    """seeds_digest F5: H·W positions, in their places."""
    feature_map = cloud(h * w, 7).reshape(h, w, 7)
    found = places(feature_map)
    assert len(found) == h * w
    for i in range(h * w):
        y, x = int(found.places_yx[i, 0] * h), int(found.places_yx[i, 1] * w)
        assert np.array_equal(found.descriptors[i], feature_map[y, x])


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (6, 6), (7, 5)])
def test_windows_are_means_of_unit_length(size: tuple[int, int]) -> None:
    feature_map = np.abs(cloud(size[0] * size[1], 4)).reshape(*size, 4)
    found = windows(feature_map, (1, 2, 3))
    assert len(found) == 1 + 9 + 25
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.descriptors[0], unit(feature_map.mean(axis=(0, 1))), atol=1e-6)
    if size == (6, 6):
        np.testing.assert_allclose(found.descriptors[1], unit(feature_map[:3, :3].mean(axis=(0, 1))), atol=1e-6)
        np.testing.assert_allclose(found.descriptors[-1], unit(feature_map[4:, 4:].mean(axis=(0, 1))), atol=1e-6)


@pytest.mark.parametrize("n", [1, 12])
def test_spoc_is_mean_pooling_but_for_its_length(n: int) -> None:
    """seeds_digest F6."""
    rows = np.abs(cloud(n))
    np.testing.assert_allclose(unit(spoc(rows)), unit(rows.mean(axis=0)), atol=1e-6)


@pytest.mark.parametrize("pool", ["sum", "max"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("levels", [(1,), (2,), (1, 2, 3)])
@pytest.mark.parametrize("n", [0, 1, 36])
def test_regions_are_the_cells_of_all_levels(pool: str, norm: str, levels: tuple[int, ...], n: int) -> None:
    """seeds_digest F8: as many as the levels have cells; each against a loop."""
    features = set_of(cloud(n))
    found = region_vectors(features, levels, pool, norm)
    assert found.shape == (sum(c * c for c in levels), 6)
    row = 0
    for cells in levels:
        for y in range(cells):
            for x in range(cells):
                own = [d for d, (py, px) in zip(features.descriptors, features.places_yx, strict=True)
                       if int(py * cells) == y and int(px * cells) == x]
                plain = np.zeros(6) if not own else np.sum(own, axis=0) if pool == "sum" else np.max(own, axis=0)
                length = np.abs(plain).sum() if norm == "l1" else np.linalg.norm(plain)
                np.testing.assert_allclose(found[row], plain / max(length, 1e-12), atol=1e-5)
                row += 1


def test_regions_merge_by_sum_or_stand_side_by_side() -> None:
    features = set_of(cloud(20))
    vectors = region_vectors(features, (1, 2), "sum", "l2")
    summed, joined = (Regions(EncodingConfig(levels=(1, 2), norm="l2", merge=m)).encode(features, {})
                      for m in ("sum", "concatenate"))
    np.testing.assert_allclose(summed, vectors.sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(joined, vectors.ravel(), atol=1e-6)


def test_second_moments_of_the_digest() -> None:
    """seeds_digest F9."""
    rows = np.array([[1.0, 0.0], [1.0, 2.0], [3.0, 1.0]])
    np.testing.assert_allclose(second_moment(rows), [[3.666667, 1.666667], [1.666667, 1.666667]], atol=1e-6)
    np.testing.assert_allclose(second_moment(rows, central=True), np.diag([0.888889, 0.666667]), atol=1e-6)
    assert np.linalg.matrix_rank(second_moment(rows[:1])) == 1
    assert not second_moment(rows[:0]).any()
    assert np.linalg.eigvalsh(second_moment(cloud(3, 6))).min() > -1e-9


def test_inner_products_of_the_triangle_are_those_of_the_matrices() -> None:
    encoding = SecondOrder(EncodingConfig(local_dimension=0))
    a, b = (set_of(cloud(9, 4, seed)) for seed in (1, 2))
    covariances = []
    for s in (a, b):
        rows = s.descriptors / np.linalg.norm(s.descriptors, axis=1, keepdims=True)
        covariances.append(second_moment(rows, central=True))
    whole = sum(float((x * y).sum()) for x, y in [covariances])
    whole /= np.linalg.norm(covariances[0]) * np.linalg.norm(covariances[1])
    assert float(encoding.encode(a, {})[4:] @ encoding.encode(b, {})[4:]) == pytest.approx(whole, abs=1e-5)
    assert encoding.encode(set_of(cloud(0, 4)), {}).shape == (14,)


def test_vlad_reads_unit_local_features() -> None:
    config = EncodingConfig(words=3, local_dimension=2)
    sets = [set_of(cloud(10, 5, i)) for i in range(4)]
    arrays = Vlad(config).fit(sets)
    loud = LocalSet(sets[0].descriptors * 7, sets[0].places_yx, sets[0].levels)
    np.testing.assert_allclose(Vlad(config).encode(sets[0], arrays), Vlad(config).encode(loud, arrays), atol=1e-5)
    assert arrays["words"].shape == (3, 2)

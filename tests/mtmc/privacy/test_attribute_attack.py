"""The attacks find what is there, report chance where nothing is, and judge only what they never saw (C1 to C3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mtmc.errors import ConfigError, InputError
from mtmc.privacy.attribute_attack import METHODS, AttackConfig, attack, predictions
from mtmc.privacy.folds import fold_numbers, splits
from mtmc.privacy.linear_probe import balanced_accuracy, cross_entropy, fit, fit_exact, row_weights
from mtmc.privacy.published_probe import PublishedSchedule, _gradients, _start, fit_published
from mtmc.privacy.reconstruction_attack import decode, reconstruct

NAMES = np.array(["car", "bus", "truck"])


def planted(n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """The digest's check of C2: three classes of 90, 9 and 1 %, 128 dimensions, a linear signal."""
    r = np.random.default_rng(0)
    y = r.choice(3, n, p=[0.9, 0.09, 0.01])
    means = r.normal(size=(3, 128)) * 0.6
    return r.normal(size=(n, 128)) + means[y], y


def test_golden_balanced_accuracy() -> None:
    assert balanced_accuracy(np.zeros(4, int), np.array([0, 0, 0, 1])) == 0.5
    _, y = planted()
    assert balanced_accuracy(np.zeros(1000, int), y[2000:]) == 1 / 3
    assert balanced_accuracy(np.zeros(0, int), np.zeros(0, int)) == 0


@pytest.mark.parametrize("method", list(METHODS))
def test_a_planted_attribute_is_read(method: str) -> None:
    x, y = planted()
    chosen = x[1500:2000], y[1500:2000]
    if method == "published":  # as printed, it needs more steps than so few rows give: see docs/privacy.md
        schedule = replace(PublishedSchedule(), epochs=20, learning_rate=5e-3)
        probe = fit_published(x[:1500], y[:1500], 3, chosen, 0, schedule)
    else:
        probe = METHODS[method](x[:1500], y[:1500], 3, chosen, 0)
    assert balanced_accuracy(probe.predict(x[2000:]), y[2000:]) >= 0.9


def test_the_published_schedule_is_the_published_one() -> None:
    s = PublishedSchedule()
    assert (s.epochs, s.batch_rows, s.learning_rate, s.drop_after_epochs, s.drop_factor) == (100, 128, 5e-5, 50, 5)


def test_the_attack_reports_what_was_planted_and_nothing_in_noise() -> None:
    x, y = planted(1000)
    found = attack("kind", x, NAMES[y], np.arange(1000), AttackConfig(resamples=300))
    assert found.readable
    assert found.balanced_accuracy >= 0.9
    assert found.low <= found.balanced_accuracy <= found.high
    assert found.chance == 1 / 3
    noise = np.random.default_rng(1).normal(size=(300, 32))
    for seed in range(4):
        labels = NAMES[np.random.default_rng(seed).integers(0, 3, 300)]
        result = attack("kind", noise, labels, np.arange(300) // 3, AttackConfig(resamples=300, seed=seed))
        assert not result.readable
        assert abs(result.balanced_accuracy - 1 / 3) < 0.1


def test_what_only_identifies_a_vehicle_is_not_read_from_others() -> None:
    """Features that are a vehicle's own code tell its colour only to who saw that vehicle."""
    r = np.random.default_rng(0)
    vehicle = np.repeat(np.arange(60), 6)
    colour = NAMES[r.integers(0, 3, 60)][vehicle]
    x = r.normal(size=(60, 200))[vehicle] + 0.01 * r.normal(size=(360, 200))
    assert not attack("colour", x, colour, vehicle, AttackConfig(resamples=300)).readable
    assert attack("colour", x, colour, np.arange(360), AttackConfig(resamples=300)).balanced_accuracy > 0.95


def test_every_row_is_judged_by_a_reader_that_saw_no_row_of_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    r = np.random.default_rng(0)
    groups, labels = r.integers(0, 25, 100), r.integers(0, 2, 100)
    x, seen = groups[:, None].astype(float), []

    def spy(features, labels, classes, selection, seed):  # type: ignore[no-untyped-def]
        seen.append(set(features.ravel()) | set(selection[0].ravel()))
        assert not set(features.ravel()) & set(selection[0].ravel())
        return fit(features, labels, classes, 1.0)

    monkeypatch.setitem(METHODS, "exact", spy)
    predictions(x, labels, groups, AttackConfig())
    tests = [set(groups[s.test].tolist()) for s in splits(labels, groups, 5, 0)]
    assert all(not known & judged for known, judged in zip(seen, tests, strict=True))
    assert sorted(v for judged in tests for v in judged) == sorted(set(groups.tolist()))


@pytest.mark.parametrize("n", [0, 1, 2, 40])
def test_folds_hold_whole_groups_and_a_part_of_every_class(n: int) -> None:
    r = np.random.default_rng(n)
    labels, groups = r.integers(0, 3, n), r.integers(0, max(1, n // 2), n)
    found = fold_numbers(labels, groups, 5, 0)
    assert found.shape == (n,)
    assert all(len(set(found[groups == g])) == 1 for g in set(groups.tolist()))
    rare = np.r_[np.zeros(95, int), np.ones(5, int)]
    own = fold_numbers(rare, np.arange(100), 5, 0)
    assert sorted(own[rare == 1]) == [0, 1, 2, 3, 4]
    assert set(np.bincount(own)) == {20}


def test_rare_classes_unknown_labels_and_few_classes_are_left_out() -> None:
    r = np.random.default_rng(0)
    labels = np.array(["a"] * 20 + ["b"] * 20 + ["c"] * 4 + [""] * 6)
    result = attack("x", r.normal(size=(50, 4)), labels, np.arange(50))
    assert (result.classes, result.left_out, result.rows, result.groups) == (("a", "b"), ("c",), 40, 40)
    alone = attack("x", r.normal(size=(24, 4)), labels[20:44], np.arange(24))
    assert alone.classes == ("b",)
    assert np.isnan(alone.balanced_accuracy)
    assert not alone.readable
    empty = attack("x", np.zeros((0, 4)), np.zeros(0, np.str_), np.zeros(0, np.int64))
    assert (empty.rows, empty.classes, empty.readable) == (0, (), False)


def test_the_answer_is_the_same_every_time() -> None:
    x, y = planted(400)
    for method in METHODS:
        config = AttackConfig(method=method, resamples=50, most_rows=300)
        if method == "exact":
            assert attack("x", x, NAMES[y], np.arange(400), config) == attack("x", x, NAMES[y], np.arange(400), config)
    assert fit_published(x, y, 3, (x, y), 5, PublishedSchedule(epochs=2)).bias.tolist() == fit_published(
        x, y, 3, (x, y), 5, PublishedSchedule(epochs=2)).bias.tolist()  # fmt: skip


def test_what_cannot_be_attacked_gets_a_sentence() -> None:
    with pytest.raises(InputError, match="as many labels"):
        attack("x", np.zeros((3, 2)), np.array(["a"]), np.arange(3))
    with pytest.raises(InputError, match="NaN"):
        attack("x", np.full((3, 2), np.nan), np.array(["a"] * 3), np.arange(3))
    with pytest.raises(ConfigError, match="exact"):
        AttackConfig(method="exat")
    with pytest.raises(ConfigError, match="folds"):
        AttackConfig(folds=2)


def test_class_weights_are_inverse_to_counts() -> None:
    weights = row_weights(np.array([0, 0, 0, 1]), 3)
    np.testing.assert_allclose(weights, [1 / 6, 1 / 6, 1 / 6, 1 / 2])


@pytest.mark.parametrize(("rows", "width"), [(30, 5), (8, 20), (1, 1)])
def test_the_exact_probe_is_at_its_optimum(rows: int, width: int) -> None:
    """The slow twin is calculus: at the optimum, all numerical derivatives vanish, in either way of solving."""
    r = np.random.default_rng(rows)
    x, y, penalty = r.normal(size=(rows, width)), r.integers(0, 3, rows), 0.1
    probe = fit(x, y, 3, penalty)
    z = (x - probe.mean) / probe.scale

    def loss(weights: np.ndarray, bias: np.ndarray) -> float:
        return cross_entropy(z @ weights + bias, y, row_weights(y, 3))[0] + penalty / 2 * float((weights**2).sum())

    best = loss(probe.weights, probe.bias)
    for _ in range(50):
        step = 1e-2 * r.normal(size=probe.weights.shape)
        assert loss(probe.weights + step, probe.bias + 1e-2 * r.normal(size=3)) > best - 1e-4


def test_the_gradients_of_the_published_network_by_differences() -> None:
    r = np.random.default_rng(0)
    x, y, schedule = r.normal(size=(6, 4)), r.integers(0, 3, 6), PublishedSchedule()
    parameters, weights = _start(4, 3, r), r.random(6)

    def loss() -> float:
        unit = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + schedule.epsilon)
        gamma, beta, matrix, bias = parameters
        return cross_entropy((gamma * unit + beta) @ matrix + bias, y, weights)[0]

    for value, gradient in zip(parameters, _gradients(parameters, x, y, weights, schedule), strict=True):
        for place in np.ndindex(value.shape):
            kept = value[place]
            value[place] = kept + 1e-6
            high = loss()
            value[place] = kept - 1e-6
            low = loss()
            value[place] = kept
            assert gradient[place] == pytest.approx((high - low) / 2e-6, abs=1e-6)


def test_a_linear_code_of_pictures_is_decoded() -> None:
    """The check of C3 on pictures that we make: smooth 8 by 8 patterns behind a random 16-dimensional linear code."""
    r = np.random.default_rng(0)
    coarse = r.random((400, 4, 4))
    pictures = np.kron(coarse, np.ones((1, 2, 2))).reshape(400, 64)
    code = pictures @ r.normal(size=(64, 12))
    result = reconstruct(code, pictures, np.arange(400))
    assert result.error <= 0.5 * result.error_of_mean
    assert result.explained == 1 - result.error / result.error_of_mean
    nothing = reconstruct(r.normal(size=(400, 12)), pictures, np.arange(400))
    assert nothing.explained < 0.02
    with pytest.raises(InputError, match="five"):
        reconstruct(code[:4], pictures[:4], np.arange(4))


def test_the_digits_of_the_digest() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    pictures = datasets.load_digits().data / 16
    code = pictures @ np.random.default_rng(0).normal(size=(64, 16))
    decoded = decode(code[:1200], pictures[:1200], code[1200:], 1e-9)
    assert ((decoded - pictures[1200:]) ** 2).mean() == pytest.approx(0.0292, abs=1e-4)
    assert ((pictures[:1200].mean(axis=0) - pictures[1200:]) ** 2).mean() == pytest.approx(0.0742, abs=1e-4)


@pytest.mark.parametrize(("rows", "width"), [(3, 8), (8, 3), (1, 1)])
def test_both_ways_of_ridge_are_one(rows: int, width: int) -> None:
    r = np.random.default_rng(rows)
    x, y, others, penalty = r.normal(size=(rows, width)), r.random((rows, 5)), r.normal(size=(4, width)), 0.1
    z = x - x.mean(axis=0)
    scale = max((z**2).sum(axis=1).mean(), 1e-30)
    plain = np.linalg.solve(z.T @ z + penalty * scale * np.eye(width), z.T @ (y - y.mean(axis=0)))
    np.testing.assert_allclose(decode(x, y, others, penalty), (others - x.mean(axis=0)) @ plain + y.mean(axis=0))


def test_exact_fit_finds_at_least_what_the_published_schedule_finds() -> None:
    x, y = planted(1200)
    scores = [balanced_accuracy(f(x[:600], y[:600], 3, (x[600:800], y[600:800]), 0).predict(x[800:]), y[800:])
              for f in (fit_exact, fit_published)]  # fmt: skip
    assert scores[0] >= scores[1]

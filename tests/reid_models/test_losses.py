"""Losses against closed forms (float64, 1e-6), slow twins and pytorch-metric-learning."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mtmc.errors import ConfigError
from reid_models.losses.circle import CircleLoss
from reid_models.losses.distances import pairwise_distances
from reid_models.losses.identity import IdentityLoss
from reid_models.losses.objective import LossConfig, Objective
from reid_models.losses.ranked_list import RankedListLoss
from reid_models.losses.structured_pair import StructuredPairLoss
from reid_models.losses.triplet import TripletLoss, squared_triplet_loss
from reid_models.multilevel_resnet import Levels

PAIRS = torch.tensor([0, 0, 1, 1])


def angles(*degrees: float) -> torch.Tensor:
    """Unit vectors in the plane, float64."""
    radians = [math.radians(d) for d in degrees]
    return torch.tensor([[math.cos(r), math.sin(r)] for r in radians], dtype=torch.float64)


def random_batch(seed: int, count: int, classes: int = 3, dim: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, dim, dtype=torch.float64, generator=generator)
    return torch.nn.functional.normalize(features, dim=1), torch.randint(classes, (count,), generator=generator)


def slow_rll(x: torch.Tensor, y: torch.Tensor, alpha: float, margin: float, temperature: float,
             balance: float) -> float:
    """The definition, one query and one pair at a time."""
    total = 0.0
    for i in range(len(x)):
        pulls, pushes = [], []
        for j in range(len(x)):
            d = float((x[i] - x[j]).norm())
            if j != i and y[i] == y[j] and d > alpha - margin:
                pulls.append(d - (alpha - margin))
            if y[i] != y[j] and d < alpha:
                pushes.append(alpha - d)
        weights = [math.exp(temperature * push) for push in pushes]
        total += (1 - balance) * (sum(pulls) / len(pulls) if pulls else 0)
        total += balance * (sum(w * p for w, p in zip(weights, pushes, strict=True)) / sum(weights) if pushes else 0)
    return total / len(x)


@pytest.mark.parametrize(("degrees", "temperature", "mean"), [
    ((0, 60, 90, 180), 0, 0.748288),
    ((0, 30, 45, 75), 0, 0.560712),
    ((0, 30, 45, 75), 1, 0.591846),
    ((0, 30, 45, 75), 10, 0.685174),
    ((0, 10, 180, 190), 0, 0.0),  # all pairs satisfied
])
def test_rll_equals_the_digest(degrees: tuple[float, ...], temperature: float, mean: float) -> None:
    """The digest gives L_P + L_N; with lambda 0.5 expect half."""
    loss = RankedListLoss(1.2, 0.4, temperature, balance=0.5)(angles(*degrees), PAIRS)
    assert loss.item() == pytest.approx(mean / 2, abs=1e-6)


def test_rll_gradient_equals_the_digest() -> None:
    features = angles(0, 60, 90, 180).requires_grad_()
    (2 * RankedListLoss(temperature=0, normalise=False)(features, PAIRS)).backward()
    np.testing.assert_allclose(features.grad[0].numpy(), (0.25, -0.433013), atol=1e-6)


def test_rll_with_zero_logits_is_the_digests_final_loss() -> None:
    features = angles(0, 60, 90, 180)
    rll = 2 * RankedListLoss(temperature=0)(features, PAIRS)
    identity = IdentityLoss(0.1)(torch.zeros(4, 2, dtype=torch.float64), PAIRS)
    assert (rll + identity).item() == pytest.approx(1.441435, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 24])
@pytest.mark.parametrize("temperature", [0.0, 10.0])
def test_rll_equals_its_slow_twin(count: int, temperature: float) -> None:
    for seed in range(4):
        x, y = random_batch(seed, count)
        expected = slow_rll(x, y, 1.2, 0.4, temperature, 0.3) if count else 0
        assert RankedListLoss(1.2, 0.4, temperature, 0.3)(x, y).item() == pytest.approx(expected, abs=1e-9)


def test_rll_equals_pytorch_metric_learning() -> None:
    """It adds 1e-5 to every weight and lets gradients through the weights: values agree to that."""
    theirs_of = pytest.importorskip("pytorch_metric_learning.losses").RankedListLoss
    for seed in range(6):
        x, y = random_batch(seed, 16, classes=4)
        theirs = theirs_of(margin=0.4, Tn=1, imbalance=0.5, alpha=1.2, Tp=0)(x, y)
        assert RankedListLoss(1.2, 0.4, 1.0, 0.5)(x, y).item() == pytest.approx(theirs.item(), abs=2e-4)


@pytest.mark.parametrize("loss", [RankedListLoss(), RankedListLoss(temperature=200.0), StructuredPairLoss(),
                                  TripletLoss(None), TripletLoss(0.3, normalise=True), CircleLoss()])
def test_collapsed_and_one_sided_batches_give_finite_gradients(loss: torch.nn.Module) -> None:
    for labels in ([0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 2, 3]):
        features = torch.ones(4, 3, requires_grad=True)
        value = loss(features, torch.tensor(labels))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("loss", [RankedListLoss(), TripletLoss(0.3), CircleLoss(), StructuredPairLoss()])
def test_half_precision_features_are_compared_in_float32(loss: torch.nn.Module) -> None:
    x, y = random_batch(0, 12)
    half = x.to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(half, y)
    if hasattr(loss, "calls"):
        loss.calls.zero_()
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss(half.double(), y).item(), abs=1e-4)


def test_ssl_equals_rll_where_one_positive_and_one_negative_exist() -> None:
    """An isosceles triangle: whichever negative the third point draws, it is as far."""
    x, y = angles(0, 90, 45), torch.tensor([0, 0, 1])
    rll = RankedListLoss(1.2, 0.4, temperature=0)(x, y)
    assert StructuredPairLoss(1.2, 0.4)(x, y).item() == pytest.approx(rll.item(), abs=1e-9)
    assert rll.item() > 0.1


def test_ssl_draws_anew_and_repeats_from_its_stored_count() -> None:
    x, y = random_batch(1, 20)
    loss = StructuredPairLoss(seed=5)
    values = [loss(x, y).item() for _ in range(3)]
    assert len(set(values)) == 3
    again = StructuredPairLoss(seed=5)
    again.load_state_dict(loss.state_dict())
    assert again(x, y).item() == loss(x, y).item()


def test_squared_triplet_and_its_gradients_equal_the_digest() -> None:
    points = [torch.tensor([p], dtype=torch.float64, requires_grad=True) for p in ([1.0, 2.0], [2.0, 4.0], [0.0, 1.0])]
    loss = squared_triplet_loss(*points, margin=0.2)
    loss.backward()
    assert loss.item() == pytest.approx(3.2, abs=1e-9)
    np.testing.assert_allclose([p.grad[0].tolist() for p in points], [(-4, -6), (2, 4), (2, 2)], atol=1e-9)


@pytest.mark.parametrize(("margin", "mean"), [(0.3, 0.075), (None, 0.315066)])
def test_batch_hard_triplet_equals_the_digest(margin: float | None, mean: float) -> None:
    points = torch.tensor([[0.0], [1.0], [3.0], [5.0]], dtype=torch.float64)
    assert TripletLoss(margin)(points, PAIRS).item() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 17])
def test_batch_hard_triplet_equals_its_slow_twin(count: int) -> None:
    for seed in range(4):
        x, y = random_batch(seed, count)
        gaps = []
        for i in range(count):
            same = [float((x[i] - x[j]).norm()) for j in range(count) if j != i and y[i] == y[j]]
            other = [float((x[i] - x[j]).norm()) for j in range(count) if y[i] != y[j]]
            if same and other:
                gaps.append(max(0.0, max(same) - min(other) + 0.3))
        assert TripletLoss(0.3)(x, y).item() == pytest.approx(np.mean(gaps) if gaps else 0, abs=1e-9)


def test_identity_loss_equals_the_digest() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.5]], dtype=torch.float64)
    smoothed = torch.tensor([0.025, 0.925, 0.025, 0.025], dtype=torch.float64)
    expected = -(smoothed * logits.log_softmax(1)).sum().item()
    assert IdentityLoss(0.1)(logits, torch.tensor([1])).item() == pytest.approx(expected, abs=1e-9)
    for smoothing in (0.0, 0.1):
        flat = IdentityLoss(smoothing)(torch.zeros(3, 7, dtype=torch.float64), torch.tensor([0, 3, 6]))
        assert flat.item() == pytest.approx(math.log(7), abs=1e-9)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 15])
def test_circle_equals_its_slow_twin(count: int) -> None:
    m, scale = 0.25, 8.0
    for seed in range(3):
        x, y = random_batch(seed, count)
        total = 0.0
        for i in range(count):
            cosines = [(float(x[i] @ x[j]), bool(y[i] == y[j])) for j in range(count) if j != i]
            p = sum(math.exp(-scale * max(0, 1 + m - s) * (s - 1 + m)) for s, same in cosines if same)
            n = sum(math.exp(scale * max(0, s + m) * (s - m)) for s, same in cosines if not same)
            total += math.log1p(p * n)
        assert CircleLoss(m, scale)(x, y).item() == pytest.approx(total / max(count, 1), abs=1e-9)


@pytest.mark.parametrize("count", [1, 2, 50, 200])
def test_both_ways_to_distances_agree(count: int) -> None:
    x = torch.randn(count, 512)
    expected = torch.cdist(x.double(), x.double())
    found = pairwise_distances(x).double()
    off = ~torch.eye(count, dtype=torch.bool)
    assert (found - expected)[off].abs().max().item() < 1e-4 if count > 1 else found.item() < 1e-2


def test_objective_weighs_and_averages_over_taps() -> None:
    x, y = random_batch(2, 8)
    other = random_batch(3, 8)[0]
    logits = torch.randn(8, 3, dtype=torch.float64)
    levels = Levels((x, other), (x, other), (logits, logits * 2))
    config = LossConfig(metric_weight=0.7, identity_weight=1.3, smoothing=0.0)
    parts = Objective(config)(levels, y)
    metric = (RankedListLoss()(x, y) + RankedListLoss()(other, y)) / 2
    identity = (IdentityLoss(0)(logits, y) + IdentityLoss(0)(logits * 2, y)) / 2
    assert parts.total.item() == pytest.approx((0.7 * metric + 1.3 * identity).item(), abs=1e-9)
    assert (parts.metric.item(), parts.identity.item()) == pytest.approx((metric.item(), identity.item()))


@pytest.mark.parametrize("metric", ["rll", "ssl", "triplet", "circle", "none"])
def test_every_metric_loss_reaches_the_features(metric: str) -> None:
    x, y = random_batch(4, 12)
    x.requires_grad_()
    parts = Objective(LossConfig(metric=metric, identity_weight=0.0))(Levels((x,), (x,), ()), y)
    if metric == "none":
        assert parts.total.item() == 0
    else:
        parts.total.backward()
        assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("build", [lambda: IdentityLoss(1.0), lambda: TripletLoss(-0.1)])
def test_settings_out_of_range_are_refused(build) -> None:
    with pytest.raises(ConfigError):
        build()

"""The losses of other published methods against closed forms (float64), slow twins and pytorch-metric-learning."""

from __future__ import annotations

import math
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch.nn import functional

from mtmc.errors import ConfigError, InputError
from reid_models.data.marks import MEMBER, POSSIBLE_POSITIVE, SURE_NEGATIVE, Marks, marks_of
from reid_models.embedding_network import Levels
from reid_models.losses.arcface import ArcFaceConfig, ArcFaceLoss
from reid_models.losses.contrastive import ContrastiveConfig, ContrastiveLoss, pair_losses
from reid_models.losses.coupled_clusters import CoupledClustersConfig, CoupledClustersLoss, cluster_loss
from reid_models.losses.flip import flip_loss
from reid_models.losses.lifted_structured import LiftedStructuredConfig, LiftedStructuredLoss
from reid_models.losses.objective import LossConfig, Objective, kind_loss
from reid_models.losses.ranked_triplet import RankedTripletConfig, RankedTripletLoss
from reid_models.losses.registry import IDENTITIES, METRICS
from reid_models.losses.verification import VerificationLoss
from reid_models.losses.weak_triplet import WeakTripletConfig, WeakTripletLoss, weak_triplet
from reid_models.pair_verifier import PairVerifier

PAIRS = torch.tensor([0, 0, 1, 1])
LINE = torch.tensor([[0.0], [1.0], [3.0], [5.0]], dtype=torch.float64)


def random_batch(seed: int, count: int, classes: int = 3, dim: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, dim, dtype=torch.float64, generator=generator)
    return functional.normalize(features, dim=1), torch.randint(classes, (count,), generator=generator)


def test_pair_losses_equal_the_digest() -> None:
    distances = torch.tensor([0.7, 0.7, 1.5])
    found = pair_losses(distances, torch.tensor([True, False, False]), margin=1.2)
    np.testing.assert_allclose(found, [0.49, 0.25, 0.0], atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 11])
def test_contrastive_equals_its_slow_twin(count: int) -> None:
    for seed in range(4):
        x, y = random_batch(seed, count)
        same, other = [], []
        for i in range(count):
            for j in range(count):
                d = float((x[i] - x[j]).norm())
                if i != j:
                    (same if y[i] == y[j] else other).append(d**2 if y[i] == y[j] else max(0.0, 1.1 - d) ** 2)
        expected = sum(float(np.mean(part)) for part in (same, other) if part)
        assert ContrastiveLoss(ContrastiveConfig(1.1))(x, y).item() == pytest.approx(expected, abs=1e-9)


def test_lifted_structured_equals_the_digest() -> None:
    loss = LiftedStructuredLoss(LiftedStructuredConfig(1.0, normalise=False))
    assert loss(LINE, PAIRS).item() == pytest.approx(0.566978, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 12])
def test_lifted_structured_equals_its_slow_twin(count: int) -> None:
    for seed in range(4):
        x, y = random_batch(seed, count)
        d = torch.cdist(x, x)
        total, pairs = 0.0, 0
        for i in range(count):
            for j in range(i + 1, count):
                near = [math.exp(0.8 - float(d[a, k])) for a in (i, j) for k in range(count) if y[k] != y[i]]
                if y[i] == y[j] and near:
                    total, pairs = total + max(0.0, float(d[i, j]) + math.log(sum(near))) ** 2, pairs + 1
        found = LiftedStructuredLoss(LiftedStructuredConfig(0.8))(x, y).item()
        assert found == pytest.approx(total / (2 * pairs) if pairs else 0, abs=1e-7)


def test_lifted_structured_equals_pytorch_metric_learning() -> None:
    theirs = pytest.importorskip("pytorch_metric_learning.losses").LiftedStructureLoss(neg_margin=1.0, pos_margin=0)
    x, y = random_batch(3, 14)
    assert LiftedStructuredLoss()(x, y).item() == pytest.approx(theirs(x, y).item(), abs=1e-5)


def test_coupled_clusters_equal_the_digest() -> None:
    positives = torch.tensor([[0.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    negatives = torch.tensor([[1.0, 1.5], [1.0, 4.0]], dtype=torch.float64)
    assert cluster_loss(positives, negatives, 2.0).item() == pytest.approx(0.75, abs=1e-12)
    assert cluster_loss(positives.flip(0), negatives, 2.0).item() == pytest.approx(0.75, abs=1e-12)
    far = negatives + torch.tensor([0.0, 2.0])  # squared distance 12.25: beyond spread 1 and margin 2
    assert cluster_loss(positives, far, 2.0).item() == 0


def test_the_centre_passes_gradients_on() -> None:
    """Moving one positive moves the centre, hence the losses of the other positive too."""
    positives = torch.tensor([[0.0, 0.0], [2.0, 0.0]], requires_grad=True)
    cluster_loss(positives, torch.tensor([[1.0, 1.5]]), 2.0).backward()
    # d/dx: ±1 of the two spreads through the centre; d/dy: 1.5 = 2·(1.5)·½ for each of two terms, halved by ½.
    np.testing.assert_allclose(positives.grad, [[-1.0, 1.5], [1.0, 1.5]], atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 6, 15])
def test_coupled_clusters_equal_their_slow_twin(count: int) -> None:
    for seed in range(4):
        x, y = random_batch(seed, count, classes=4)
        total, positives = 0.0, 0
        for label in set(y.tolist()):
            mine, others = x[y == label], x[y != label]
            if len(mine) >= 2 and len(others):
                total, positives = total + float(cluster_loss(mine, others, 0.5)), positives + len(mine)
        found = CoupledClustersLoss(CoupledClustersConfig(0.5, normalise=False))(x, y).item()
        assert found == pytest.approx(total / positives if positives else 0, abs=1e-9)


@pytest.mark.parametrize("count", [0, 1, 3, 10])
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_ranked_triplet_learns_from_the_largest_only(count: int, share: float) -> None:
    for seed in range(4):
        x, y = random_batch(seed, count)
        losses = [max(0.0, float(x[a] @ x[n] - x[a] @ x[p]) + 0.2)
                  for a in range(count) for p in range(count) for n in range(count)
                  if a != p and y[a] == y[p] and y[a] != y[n]]
        above = sorted((v for v in losses if v > 0), reverse=True)
        kept = above[:max(1, round(share * len(above)))]
        found = RankedTripletLoss(RankedTripletConfig(0.2, share))(x, y).item()
        assert found == pytest.approx(float(np.mean(kept)) if kept else 0, abs=1e-9)


@pytest.mark.parametrize(("negative", "loss"), [(2.0, 0.0), (1.2, 0.3)])
def test_weak_triplet_equals_the_digest(negative: float, loss: float) -> None:
    found = weak_triplet(torch.tensor([4.0, 1.0]), torch.tensor([negative]), margin=0.5)
    assert found.item() == pytest.approx(loss, abs=1e-6)


def weak_marks(slots: list[int], roles: list[int]) -> Marks:
    nothing = torch.zeros(len(slots), dtype=torch.int64)
    return Marks(nothing, nothing, torch.tensor(slots), torch.tensor(roles))


def test_weak_triplet_takes_slots_apart_and_sums_over_negatives() -> None:
    q, p, n = MEMBER, POSSIBLE_POSITIVE, SURE_NEGATIVE
    roles, slots = [q, p, p, n, n, q, p, n, q, p], [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]
    x, _ = random_batch(5, len(roles))
    x.requires_grad_()
    found = WeakTripletLoss(WeakTripletConfig(0.5))(x, weak_marks(slots, roles))
    squared = torch.cdist(x, x).square()
    whole = weak_triplet(squared[0, 1:3], squared[0, 3:5], 0.5), weak_triplet(squared[5, 6:7], squared[5, 7:8], 0.5)
    assert found.item() == pytest.approx(sum(whole).item() / 3, abs=1e-9)
    found.backward()
    unused = int(squared[0, 1:3].argmax()) + 1
    assert x.grad[unused].abs().sum() == 0  # only the best possible positive is pulled
    assert x.grad[8:].abs().sum() == 0


def test_weak_triplet_of_nothing_is_nothing() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    value = WeakTripletLoss()(x, weak_marks([0, 0], [MEMBER, POSSIBLE_POSITIVE]))
    value.backward()
    assert value.item() == 0


def test_verification_equals_the_digest() -> None:
    verifier = PairVerifier(2, scale=1.0).double()
    with torch.no_grad():
        verifier.theta.weight.copy_(torch.tensor([[0.5, 0.0], [0.0, 1.0]]))
        verifier.theta.bias.zero_()
    first, second = (torch.tensor([v], dtype=torch.float64) for v in ([1.0, 2.0], [0.0, 0.5]))
    for one, two in ((first, second), (second, first)):
        shares = verifier(one, two).softmax(dim=1)[0]
        np.testing.assert_allclose(shares.detach(), (0.148047, 0.851953), atol=1e-6)
    both = torch.cat([first, second])
    for identities, value in (([3, 4], 1.910224), ([3, 3], 0.160224)):
        marks = marks_of(torch.tensor(identities))._replace(slots=torch.tensor([7, 7]))
        assert VerificationLoss(verifier)(both, marks).item() == pytest.approx(value, abs=1e-6)
    with torch.no_grad():
        verifier.theta.bias.copy_(torch.tensor([0.3, -0.2]))
    torch.testing.assert_close(verifier(first, first)[0], verifier.theta.bias)


def test_verification_wants_pairs() -> None:
    with pytest.raises(InputError, match=r"sampler\.kind: pairs"):
        VerificationLoss(PairVerifier(5))(random_batch(0, 4)[0], marks_of(PAIRS))
    with pytest.raises(InputError, match="a batch of pairs"):
        VerificationLoss(PairVerifier(5))(random_batch(0, 3)[0], marks_of(PAIRS[:3]))


def test_identification_halves_of_a_pair_are_the_mean_over_its_images() -> None:
    logits = torch.randn(2, 4)
    levels = Levels((torch.zeros(2, 3),), (torch.zeros(2, 3),), (logits,))
    parts = Objective(LossConfig(metric="none", smoothing=0.0))(levels, torch.tensor([1, 3]))
    each = [functional.cross_entropy(logits[i:i + 1], torch.tensor([label])) for i, label in enumerate((1, 3))]
    assert parts.total.item() == pytest.approx((0.5 * each[0] + 0.5 * each[1]).item(), abs=1e-6)


@pytest.mark.parametrize("margin", [0.0, 0.3, 0.5])
def test_arcface_equals_its_definition_and_pytorch_metric_learning(margin: float) -> None:
    x, y = random_batch(7, 9, classes=4)
    weight = random_batch(8, 4)[0]
    cosines = x @ weight.T
    angles = cosines.clamp(-1, 1).acos()
    widened = torch.where(functional.one_hot(y, 4).bool(), (angles + margin).cos(), cosines)
    assert (angles.gather(1, y[:, None]) + margin < math.pi).all()  # no angle of this batch reaches the straight part
    expected = functional.cross_entropy(20.0 * widened, y)
    found = ArcFaceLoss(ArcFaceConfig(20.0, margin))(cosines, y)
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    theirs = losses.ArcFaceLoss(4, 5, margin=math.degrees(margin), scale=20.0).double()
    theirs.W.data = weight.T.clone()
    assert found.item() == pytest.approx(theirs(x, y).item(), abs=1e-5)


def test_arcface_never_rewards_a_wider_angle() -> None:
    """Also beyond π − margin, where cos(angle + margin) itself would rise again."""
    right = torch.linspace(-1, 1, 201, dtype=torch.float64)
    cosines = torch.stack([right, torch.zeros_like(right)], dim=1)
    loss = ArcFaceLoss(ArcFaceConfig(10.0, 0.5))
    values = [loss(row[None], torch.tensor([0])).item() for row in cosines]
    assert np.all(np.diff(values) < 0)


def test_flip_loss_equals_the_digest() -> None:
    one, two = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 0.0], [3.0, 5.0]])
    assert flip_loss([one], [two]).item() == 1.25
    assert flip_loss([one, one], [two, two]).item() == 2.5
    assert flip_loss([one], [one]).item() == 0


def test_kinds_that_nobody_told_teach_nothing() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    loss = kind_loss(logits, torch.tensor([2, -1, 0, -1]))
    loss.backward()
    expected = functional.cross_entropy(logits[[0, 2]], torch.tensor([2, 0]))
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    assert logits.grad[[1, 3]].abs().sum() == 0
    assert kind_loss(logits, torch.full((4,), -1)).item() == 0


NEW = [ContrastiveLoss(), LiftedStructuredLoss(), CoupledClustersLoss(), RankedTripletLoss()]


@pytest.mark.parametrize("loss", NEW, ids=lambda loss: type(loss).__name__)
def test_collapsed_and_one_sided_batches_give_finite_gradients(loss: torch.nn.Module) -> None:
    for labels in ([0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 2, 3]):
        features = torch.ones(4, 3, requires_grad=True)
        value = loss(features, torch.tensor(labels))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("loss", NEW, ids=lambda loss: type(loss).__name__)
def test_half_precision_features_are_compared_in_float32(loss: torch.nn.Module) -> None:
    half = random_batch(0, 12)[0].to(torch.bfloat16)
    labels = random_batch(0, 12)[1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(half, labels)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss(half.double(), labels).item(), abs=1e-4)


def test_configurations_may_name_exactly_what_the_registry_has() -> None:
    hints = get_type_hints(LossConfig)
    assert set(get_args(hints["metric"])) == set(METRICS)
    assert set(get_args(hints["identity"])) == set(IDENTITIES)


@pytest.mark.parametrize("metric", sorted(set(METRICS) - {"none", "weak-triplet"}))
def test_every_metric_loss_reaches_the_features(metric: str) -> None:
    x, y = random_batch(4, 12)
    x.requires_grad_()
    Objective(LossConfig(metric=metric, identity_weight=0.0))(Levels((x,), (x,), ()), y).total.backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("build", [
    lambda: ContrastiveConfig(0.0), lambda: CoupledClustersConfig(-1.0), lambda: RankedTripletConfig(0.2, 0.0),
    lambda: WeakTripletConfig(-0.1), lambda: ArcFaceConfig(margin_rad=2.0), lambda: LossConfig(kind_weight=-1.0)])
def test_settings_out_of_range_are_refused(build) -> None:
    with pytest.raises(ConfigError):
        build()

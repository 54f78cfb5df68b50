"""Losses by the name that a configuration gives. The only place that knows the names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from reid_models.data.marks import Marks
from reid_models.losses.arcface import ArcFaceLoss
from reid_models.losses.circle import CircleLoss
from reid_models.losses.contrastive import ContrastiveLoss
from reid_models.losses.coupled_clusters import CoupledClustersLoss
from reid_models.losses.identity import IdentityLoss
from reid_models.losses.lifted_structured import LiftedStructuredLoss
from reid_models.losses.ranked_list import RankedListLoss
from reid_models.losses.ranked_triplet import RankedTripletLoss
from reid_models.losses.structured_pair import StructuredPairLoss
from reid_models.losses.triplet import TripletLoss
from reid_models.losses.weak_triplet import WeakTripletLoss

if TYPE_CHECKING:
    from reid_models.losses.objective import LossConfig


class ByIdentity(nn.Module):
    """A loss of (features, identities) where `Marks` are given."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, features: Tensor, marks: Marks) -> Tensor:
        """Scalar loss."""
        return self.loss(features, marks.identities)


# name → (settings, seed) → a module of (features (N, D), Marks); None: no metric loss.
METRICS: dict[str, Callable[[LossConfig, int], nn.Module | None]] = {
    "rll": lambda c, seed: ByIdentity(RankedListLoss(c.alpha, c.margin, c.temperature, c.balance)),
    "ssl": lambda c, seed: ByIdentity(StructuredPairLoss(c.alpha, c.margin, c.balance, seed)),
    "triplet": lambda c, seed: ByIdentity(TripletLoss(c.triplet_margin, c.triplet_normalised)),
    "circle": lambda c, seed: ByIdentity(CircleLoss(c.circle_margin, c.circle_scale)),
    "contrastive": lambda c, seed: ByIdentity(ContrastiveLoss(c.contrastive)),
    "lifted": lambda c, seed: ByIdentity(LiftedStructuredLoss(c.lifted)),
    "coupled-clusters": lambda c, seed: ByIdentity(CoupledClustersLoss(c.coupled_clusters)),
    "ranked-triplet": lambda c, seed: ByIdentity(RankedTripletLoss(c.ranked_triplet)),
    "weak-triplet": lambda c, seed: WeakTripletLoss(c.weak_triplet),
    "none": lambda c, seed: None,
}

# What a loss needs of another section: (setting of `loss`, its name) → (section, setting, what it must be).
NEEDS = {
    ("metric", "weak-triplet"): ("sampler", "kind", "transits"),
    ("identity", "arcface"): ("model", "classifier", "cosine"),
}

# name → settings → a module of (logits (N, identities), labels (N,)).
IDENTITIES: dict[str, Callable[[LossConfig], nn.Module]] = {
    "softmax": lambda c: IdentityLoss(c.smoothing),
    "arcface": lambda c: ArcFaceLoss(c.arcface, c.smoothing),
}

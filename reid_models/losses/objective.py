"""L = w1·metric + w2·identity on every tap, averaged over taps (seeds_digest A1), and what other methods add to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.attributes.multi_task import anchors_only, attribute_loss
from reid_models.data.marks import UNKNOWN_KIND, Marks, marks_of
from reid_models.embedding_network import Levels
from reid_models.losses.arcface import ArcFaceConfig
from reid_models.losses.contrastive import ContrastiveConfig
from reid_models.losses.coupled_clusters import CoupledClustersConfig
from reid_models.losses.lifted_structured import LiftedStructuredConfig
from reid_models.losses.ranked_triplet import RankedTripletConfig
from reid_models.losses.registry import IDENTITIES, METRICS
from reid_models.losses.verification import VerificationLoss
from reid_models.losses.weak_triplet import WeakTripletConfig
from reid_models.pair_verifier import PairVerifier


@dataclass(frozen=True)
class LossConfig:
    """w1 × metric loss + w2 × identity loss, on every tap, averaged over taps."""

    # Names of reid_models/losses/registry.py.
    metric: Literal["rll", "ssl", "triplet", "circle", "contrastive", "lifted", "coupled-clusters", "ranked-triplet",
                    "weak-triplet", "none"] = "rll"
    identity: Literal["softmax", "arcface"] = "softmax"
    metric_weight: float = 1.0  # w1; the poster gives no values, 1:1 is what the recipes use
    identity_weight: float = 1.0  # w2
    smoothing: float = 0.1
    alpha: float = 1.2
    margin: float = 0.4  # of RLL and SSL; of the triplet loss it is `triplet_margin`
    temperature: float = 10.0  # 10 as the authors of RLL ran it, 0 as printed on the poster
    balance: float = 0.5
    triplet_margin: float | None = 0.3  # null: soft margin
    triplet_normalised: bool = True  # plain features collapse or run away from scratch (seeds_digest A4)
    circle_margin: float = 0.35
    circle_scale: float = 64.0
    contrastive: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    lifted: LiftedStructuredConfig = field(default_factory=LiftedStructuredConfig)
    coupled_clusters: CoupledClustersConfig = field(default_factory=CoupledClustersConfig)
    ranked_triplet: RankedTripletConfig = field(default_factory=RankedTripletConfig)
    weak_triplet: WeakTripletConfig = field(default_factory=WeakTripletConfig)
    arcface: ArcFaceConfig = field(default_factory=ArcFaceConfig)
    kind_weight: float = 1.0  # of the vehicles' kinds, for networks that learn them
    attribute_weight: float = 1.0  # of all attributes together, for networks that learn them (multi-task, repnet)
    attribute_shares: tuple[float, ...] = ()  # of each, in the order of `model.attributes`; none: 1 each
    anchor_attributes: bool = False  # only the first image of an identity in a batch is asked for them, as in RepNet
    verification_weight: float = 0.0  # of a pair verifier, learned with the network; needs `sampler.kind: pairs`

    def __post_init__(self) -> None:
        weights = self.metric_weight, self.identity_weight, self.kind_weight, self.verification_weight
        if min(weights) < 0:
            raise ConfigError("loss", "weights of 0 or more", str(min(weights)))


class Parts(NamedTuple):
    """The total to differentiate, and its unweighted parts for the log (0 where a part is off). `extras`: parts that
    only some methods have, by name."""

    total: Tensor
    metric: Tensor
    identity: Tensor
    extras: Mapping[str, Tensor] = MappingProxyType({})

    def plus(self, name: str, value: Tensor, weight: float = 1.0) -> Parts:
        """With one more part."""
        return Parts(self.total + weight * value, self.metric, self.identity, {**self.extras, name: value.detach()})


class Objective(nn.Module):
    """The losses that a configuration names, on the levels of a network."""

    def __init__(self, config: LossConfig, seed: int = 0, dimension: int = 0) -> None:
        """dimension: length of the joined vectors, which the pair verifier compares."""
        super().__init__()
        self.config = config
        self.metric = METRICS[config.metric](config, seed)
        self.identity = IDENTITIES[config.identity](config)
        self.verification = VerificationLoss(PairVerifier(dimension)) if config.verification_weight else None

    def forward(self, levels: Levels, labels: Tensor | Marks, joined: Tensor | None = None) -> Parts:
        """labels: classes of the N images, int64 (N,), or all their marks. joined: the vectors of use (N, D), which
        only the verification loss looks at."""
        marks = labels if isinstance(labels, Marks) else marks_of(labels)
        nothing = levels.features[0].new_zeros(())
        metric, identity = nothing, nothing
        if self.metric is not None and self.config.metric_weight:
            for feature in levels.features:
                metric = metric + self.metric(feature, marks) / len(levels.features)
        if self.config.identity_weight and levels.logits:
            for logits in levels.logits:
                identity = identity + self.identity(logits, marks.identities) / len(levels.logits)
        total = self.config.metric_weight * metric + self.config.identity_weight * identity
        parts = Parts(total, metric.detach(), identity.detach())
        for logits in levels.kinds:
            parts = parts.plus("kind_loss", kind_loss(logits, marks.kinds), self.config.kind_weight)
        if levels.attributes:
            places = anchors_only(marks.attributes, marks.identities) if self.config.anchor_attributes else (
                marks.attributes)
            value = attribute_loss(levels.attributes, places, self.config.attribute_shares)
            parts = parts.plus("attribute_loss", value, self.config.attribute_weight)
        if self.verification is not None and joined is not None:
            parts = parts.plus("verification_loss", self.verification(joined, marks), self.config.verification_weight)
        return parts


def kind_loss(logits: Tensor, kinds: Tensor) -> Tensor:
    """Mean cross entropy over images whose kind is known; 0, and no gradient, where none is."""
    known = kinds != UNKNOWN_KIND
    return functional.cross_entropy(logits[known], kinds[known]) if bool(known.any()) else logits.sum() * 0

"""Triplet ranking loss on cosine distance with loss-ranked triplets (ALISC 2015, third place; seeds_digest E5, A9)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.losses.distances import float_features, same_and_other


@dataclass(frozen=True)
class RankedTripletConfig:
    """Neither number is in the source."""

    margin: float = 0.2  # of cosine distance, which reaches from 0 to 2
    kept_share: float = 0.25  # of the triplets with a loss: the largest are learned from

    def __post_init__(self) -> None:
        if self.margin < 0 or not 0 < self.kept_share <= 1:
            raise ConfigError("loss.ranked_triplet", "a margin of 0 or more, a share above 0 and up to 1",
                              f"{self.margin}, {self.kept_share}")


class RankedTripletLoss(nn.Module):
    """All triplets of the batch are evaluated, [cos distance to the positive − to the negative + margin]+, and the mean
    of the largest is differentiated: `kept_share` of those above 0, at least one."""

    def __init__(self, config: RankedTripletConfig | None = None) -> None:
        super().__init__()
        config = config or RankedTripletConfig()
        self.margin, self.kept_share = config.margin, config.kept_share

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss."""
        features = float_features(features)
        same, other = same_and_other(labels)
        anchors, positives = same.nonzero(as_tuple=True)
        if not len(anchors) or not other.any():
            return features.sum() * 0
        with torch.autocast(features.device.type, enabled=False):
            unit = functional.normalize(features, dim=1)
            distances = 1 - unit @ unit.T
        losses = distances[anchors, positives][:, None] - distances[anchors] + self.margin
        losses = losses[other[anchors]].clamp(min=0)
        kept = max(1, round(self.kept_share * int((losses.detach() > 0).sum())))
        return losses.topk(kept).values.mean()

"""Contrastive loss over pairs (Hadsell, Chopra, LeCun, CVPR 2006; seeds_digest E3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.losses.distances import float_features, pairwise_distances, same_and_other


@dataclass(frozen=True)
class ContrastiveConfig:
    """Between unit vectors, whose distances reach from 0 to 2."""

    margin: float = 1.0  # two vehicles farther apart than this are left alone: 60 degrees

    def __post_init__(self) -> None:
        if self.margin <= 0:
            raise ConfigError("loss.contrastive.margin", "above 0", str(self.margin))


def pair_losses(distances: Tensor, same: Tensor, margin: float) -> Tensor:
    """d² where `same`, [margin − d]+² elsewhere; all of one shape."""
    return torch.where(same, distances.square(), (margin - distances).clamp(min=0).square())


class ContrastiveLoss(nn.Module):
    """Mean of d² over the batch's pairs of one vehicle plus mean of [m − d]+² over its pairs of two.

    Two means, not one: a P × K batch has some twenty times as many pairs of the second sort, and the source trains on
    as many of one as of the other. A sort without pairs adds 0.
    """

    def __init__(self, config: ContrastiveConfig | None = None) -> None:
        super().__init__()
        self.margin = (config or ContrastiveConfig()).margin

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss."""
        if len(features) == 0:
            return features.sum()
        unit = functional.normalize(float_features(features), dim=1)
        same, other = same_and_other(labels)
        losses = pair_losses(pairwise_distances(unit), same, self.margin)
        return sum(((losses * chosen).sum() / chosen.sum().clamp(min=1) for chosen in (same, other)), losses.sum() * 0)

"""Lifted structured loss (Song et al., CVPR 2016, equation 4; seeds_digest D1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_models.losses.distances import float_features, pairwise_distances, same_and_other


@dataclass(frozen=True)
class LiftedStructuredConfig:
    """margin 1 is the authors'. They do not normalise; vectors trained from scratch then run away (seeds_digest A4)."""

    margin: float = 1.0
    normalise: bool = True


class LiftedStructuredLoss(nn.Module):
    """Each pair (i, j) of one vehicle against all that is near either of them.

    J = d_ij + log(Σ_k exp(m − d_ik) + exp(m − d_jk)) over all k of other vehicles; the loss is Σ [J]+² over pairs
    i < j, divided by twice their number. A batch without pairs, or without other vehicles, gives 0.
    """

    def __init__(self, config: LiftedStructuredConfig | None = None) -> None:
        super().__init__()
        config = config or LiftedStructuredConfig()
        self.margin, self.normalise = config.margin, config.normalise

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss."""
        features = float_features(features)
        same, other = same_and_other(labels)
        pairs = same.triu().nonzero()
        pairs = pairs[other.any(dim=1)[pairs[:, 0]]] if len(pairs) else pairs
        if not len(pairs):
            return features.sum() * 0
        distances = pairwise_distances(functional.normalize(features, dim=1) if self.normalise else features)
        # log Σ_k exp(m − d_ik) of each row, so that a pair needs only the sum of two.
        near = (self.margin - distances).masked_fill(~other, -torch.inf).masked_fill(
            ~other.any(dim=1, keepdim=True), 0).logsumexp(dim=1)
        first, second = pairs.T
        losses = (distances[first, second] + torch.logaddexp(near[first], near[second])).clamp(min=0).square()
        return losses.sum() / (2 * len(pairs))

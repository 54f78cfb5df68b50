"""Batch-hard triplet loss (Hermans et al. 2017; seeds_digest A4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.losses.distances import pairwise_distances, same_and_other


def squared_triplet_loss(anchors: Tensor, positives: Tensor, negatives: Tensor, margin: float) -> Tensor:
    """Sum over given triplets (N, D) of [|a − p|² − |a − n|² + margin]+ : the textbook form, without mining."""
    gap = (anchors - positives).square().sum(dim=1) - (anchors - negatives).square().sum(dim=1)
    return (gap + margin).clamp(min=0).sum()


class TripletLoss(nn.Module):
    """Each sample against its farthest positive and nearest negative in the batch, Euclidean distance.

    margin: [d_p − d_n + margin]+ ; None: the soft margin log(1 + exp(d_p − d_n)). Mean over anchors that have both a
    positive and a negative; 0 where there is none. normalise: unit rows first.
    """

    def __init__(self, margin: float | None = 0.3, normalise: bool = False) -> None:
        super().__init__()
        if margin is not None and margin < 0:
            raise ConfigError("triplet margin", "0 or more, or none for the soft margin", str(margin))
        self.margin, self.normalise = margin, normalise

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss."""
        if len(features) == 0:
            return features.sum()
        features = features if features.dtype == torch.float64 else features.float()
        distances = pairwise_distances(functional.normalize(features, dim=1) if self.normalise else features)
        same, other = same_and_other(labels)
        hardest_positive = distances.masked_fill(~same, -torch.inf).amax(dim=1)
        hardest_negative = distances.masked_fill(~other, torch.inf).amin(dim=1)
        complete = same.any(dim=1) & other.any(dim=1)
        if not complete.any():
            return features.sum() * 0
        gap = (hardest_positive - hardest_negative)[complete]
        return (functional.softplus(gap) if self.margin is None else (gap + self.margin).clamp(min=0)).mean()

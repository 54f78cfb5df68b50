"""Ranked List Loss (Wang et al., CVPR 2019; seeds_digest A2, reid.md 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_models.losses.distances import pairwise_distances, same_and_other


class RankedListLoss(nn.Module):
    """Every sample in turn is the query: positives farther than alpha − margin are pulled to that border, negatives
    nearer than alpha are pushed out to it, near ones most (weight exp(T·(alpha − d)), constant for the gradient).

    Loss = mean over queries of (1 − lambda)·L_P + lambda·L_N. With lambda 0.5 it is half of the poster's L_P + L_N.
    """

    def __init__(self, alpha: float = 1.2, margin: float = 0.4, temperature: float = 10.0, balance: float = 0.5,
                 normalise: bool = True) -> None:
        """alpha, margin: distances between unit vectors; 1.2 and 0.4 are the authors'. temperature T: 10 is what the
        authors ran, 0 the plain mean as printed on the poster. balance: lambda. normalise: scale rows to unit length
        first (off only for features that already are)."""
        super().__init__()
        self.alpha, self.margin, self.temperature, self.balance = alpha, margin, temperature, balance
        self.normalise = normalise

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss; a query without a non-trivial positive (negative) adds nothing to L_P (L_N)."""
        if len(features) == 0:
            return features.sum()
        features = features if features.dtype == torch.float64 else features.float()
        distances = pairwise_distances(functional.normalize(features, dim=1) if self.normalise else features)
        same, other = same_and_other(labels)
        pull = distances - (self.alpha - self.margin)
        push = self.alpha - distances
        far = same & (pull.detach() > 0)
        near = other & (push.detach() > 0)
        positive = (pull * far).sum(dim=1) / far.sum(dim=1).clamp(min=1)
        negative = (push * self._weights(push.detach(), near)).sum(dim=1)
        return ((1 - self.balance) * positive + self.balance * negative).mean()

    def _weights(self, push: Tensor, near: Tensor) -> Tensor:
        """Rows of weights over the near negatives that sum to 1, or to 0 where there is none. A softmax, so that
        exp(T·alpha) cannot overflow."""
        logits = (self.temperature * push).masked_fill(~near, -torch.inf)
        any_near = near.any(dim=1, keepdim=True)
        return torch.softmax(logits.masked_fill(~any_near, 0), dim=1) * any_near

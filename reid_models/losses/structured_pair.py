"""The poster's "SSL" row: RLL's two hinges on one positive and one negative a query (seeds_digest A3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_models.losses.distances import pairwise_distances, same_and_other


class StructuredPairLoss(nn.Module):
    """Mean over queries of (1 − lambda)·[d_p − (alpha − m)]+ + lambda·[alpha − d_n]+, one positive p, one negative n.

    Both are drawn at random per query; a query without one adds nothing for it. Our reading: the acronym is never
    expanded."""

    calls: Tensor

    def __init__(self, alpha: float = 1.2, margin: float = 0.4, balance: float = 0.5, seed: int = 0) -> None:
        """alpha, margin, balance as in `RankedListLoss`, so that the ablation changes one thing. seed: of the draws,
        which come from the batch count alone and are the same after a resume only if `calls` is set."""
        super().__init__()
        self.alpha, self.margin, self.balance, self.seed = alpha, margin, balance, seed
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss."""
        if len(features) == 0:
            return features.sum()
        features = features if features.dtype == torch.float64 else features.float()
        distances = pairwise_distances(functional.normalize(features, dim=1))
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.calls))
        self.calls += 1
        noise = torch.rand(distances.shape, generator=generator).to(distances.device)
        same, other = same_and_other(labels)
        positive = (distances - (self.alpha - self.margin)).clamp(min=0)
        negative = (self.alpha - distances).clamp(min=0)
        losses = (1 - self.balance) * _drawn(positive, same, noise) + self.balance * _drawn(negative, other, noise)
        return losses.mean()


def _drawn(values: Tensor, allowed: Tensor, noise: Tensor) -> Tensor:
    """One allowed value a row (the one of largest noise), or 0."""
    place = noise.masked_fill(~allowed, -1).argmax(dim=1, keepdim=True)
    return (values.gather(1, place) * allowed.any(dim=1, keepdim=True)).squeeze(1)

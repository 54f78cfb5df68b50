"""Circle loss over pairs (Sun et al., CVPR 2020, equation 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_models.losses.distances import same_and_other


class CircleLoss(nn.Module):
    """Mean over queries of softplus(logsumexp_n(γ·a_n·(s_n − m)) + logsumexp_p(−γ·a_p·(s_p − 1 + m))).

    On cosines s, with a_p = [1 + m − s_p]+ and a_n = [s_n + m]+ held constant. A query without a positive or without
    a negative adds 0."""

    def __init__(self, margin: float = 0.35, scale: float = 64.0) -> None:
        """margin m and scale γ: 0.35 and 64 are what VOC-ReID and fast-reid use on vehicles (reid.md 6.3)."""
        super().__init__()
        self.margin, self.scale = margin, scale

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss."""
        if len(features) == 0:
            return features.sum()
        features = features if features.dtype == torch.float64 else features.float()
        with torch.autocast(features.device.type, enabled=False):
            unit = functional.normalize(features, dim=1)
            cosines = unit @ unit.T
        same, other = same_and_other(labels)
        m = self.margin
        pull = -self.scale * (1 + m - cosines.detach()).clamp(min=0) * (cosines - 1 + m)
        push = self.scale * (cosines.detach() + m).clamp(min=0) * (cosines - m)
        complete = same.any(dim=1) & other.any(dim=1)
        if not complete.any():
            return features.sum() * 0
        total = (pull.masked_fill(~same, -torch.inf)[complete].logsumexp(dim=1)
                 + push.masked_fill(~other, -torch.inf)[complete].logsumexp(dim=1))
        return functional.softplus(total).sum() / len(features)

"""Distances inside a batch, safe to differentiate."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_distances(features: Tensor) -> Tensor:
    """Euclidean distances (N, N) between the rows of `features` (N, D), float32 or wider also under AMP.

    Differences are taken before squaring where the batch is small enough, since 2 − 2·cos loses half the
    digits for near pairs. A floor under the root keeps the gradient finite at distance 0.
    """
    if features.dtype in (torch.float16, torch.bfloat16):
        features = features.float()
    with torch.autocast(features.device.type, enabled=False):
        if features.dtype == torch.float64 or len(features) ** 2 * features.shape[1] <= 4_000_000:
            squared = (features[:, None] - features[None]).square().sum(dim=2)
        else:
            norms = features.square().sum(dim=1)
            squared = norms[:, None] + norms[None] - 2 * features @ features.T
        return squared.clamp(min=1e-12).sqrt()


def float_features(features: Tensor) -> Tensor:
    """`features` in float32, or float64 where they are that wide: losses lose too many digits in half precision."""
    return features if features.dtype == torch.float64 else features.float()


def same_and_other(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Masks (N, N): pairs of one label without the diagonal, and pairs of two labels."""
    same = labels[:, None] == labels[None]
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same

"""Coupled clusters loss (Liu et al., CVPR 2016, equation 4; seeds_digest E2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.losses.distances import float_features


@dataclass(frozen=True)
class CoupledClustersConfig:
    """Squared distances between unit vectors reach from 0 to 4."""

    margin: float = 0.5  # of squared distances; the notes give none. 0.5: a negative 45 degrees off a tight cluster
    normalise: bool = True

    def __post_init__(self) -> None:
        if self.margin < 0:
            raise ConfigError("loss.coupled_clusters.margin", "0 or more", str(self.margin))


def cluster_loss(positives: Tensor, negatives: Tensor, margin: float) -> Tensor:
    """Σ_i ½[|x_i − c|² + margin − |n − c|²]+ with c the mean of `positives` (P, D) and n the one of `negatives` (N, D)
    nearest to c. The gradient flows through c and n."""
    centre = positives.mean(dim=0)
    nearest = (negatives - centre).square().sum(dim=1).min()
    return ((positives - centre).square().sum(dim=1) + margin - nearest).clamp(min=0).sum() / 2


class CoupledClustersLoss(nn.Module):
    """In turn each vehicle's images are the positive set and all others the negative set; no image is an anchor, so no
    choice of one can be unlucky. The mean of `cluster_loss` over positives; vehicles with fewer than two images, and
    batches of one vehicle, give nothing."""

    def __init__(self, config: CoupledClustersConfig | None = None) -> None:
        super().__init__()
        config = config or CoupledClustersConfig()
        self.margin, self.normalise = config.margin, config.normalise

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss."""
        features = float_features(features)
        identities, cluster, counts = torch.unique(labels, return_inverse=True, return_counts=True)
        whole = counts >= 2
        if len(identities) < 2 or not whole.any():
            return features.sum() * 0
        if self.normalise:
            features = functional.normalize(features, dim=1)
        with torch.autocast(features.device.type, enabled=False):
            member = functional.one_hot(cluster, len(identities)).to(features.dtype)
            centres = (member.T @ features) / counts[:, None]
            squared = (features[None] - centres[:, None]).square().sum(dim=2)  # (clusters, N)
        nearest = squared.masked_fill(member.T.bool(), torch.inf).amin(dim=1)
        own = squared.gather(0, cluster[None])[0]
        losses = (own + self.margin - nearest[cluster]).clamp(min=0) / 2
        return losses[whole[cluster]].mean()

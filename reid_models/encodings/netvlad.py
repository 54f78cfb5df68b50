"""The NetVLAD layer (Arandjelović et al. 2016; seeds_digest F3) over the frames of a tracklet.

Every frame vector is shared among the centres by softmax(w·x + b); the residuals, weighted by the shares, are summed,
each centre's sum is made a unit vector ("intra-normalisation") and so is the whole. Centres, weights and biases are
free parameters; from a codebook they start as w = 2αc, b = −α|c|², which is the softmax of −α|x − c|².
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class NetVlad(nn.Module):
    """(N, T, d) frame vectors to (N, clusters × d) unit vectors."""

    def __init__(self, clusters: int, dimension: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.zeros(clusters, dimension))
        self.weight = nn.Parameter(torch.zeros(clusters, dimension))
        self.bias = nn.Parameter(torch.zeros(clusters))

    @classmethod
    def from_centres(cls, centres: Tensor, alpha: float) -> NetVlad:
        """Begin as soft VLAD with sharpness `alpha`; alpha → ∞ is VLAD itself."""
        layer = cls(*centres.shape).to(centres.dtype)
        with torch.no_grad():
            layer.centres.copy_(centres)
            layer.weight.copy_(2 * alpha * centres)
            layer.bias.copy_(-alpha * centres.square().sum(dim=1))
        return layer

    def residuals(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, clusters, d) weighted sums before any normalisation. mask: bool (N, T), True where a frame counts."""
        shares = torch.softmax(frames @ self.weight.T + self.bias, dim=2)
        if mask is not None:
            shares = shares * mask.unsqueeze(2)
        return torch.einsum("ntk,ntd->nkd", shares, frames) - shares.sum(dim=1).unsqueeze(2) * self.centres

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, clusters × d), each row of length 1 (0 where no frame counts)."""
        intra = functional.normalize(self.residuals(frames, mask), dim=2)
        return functional.normalize(intra.flatten(1), dim=1)

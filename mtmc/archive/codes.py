"""Codes that can be stored as bits: noise that stands for rounding while training, rounding, and the loss that makes
neighbouring bits alike (seeds_digest G; Aytekin, Ni et al., CVPR workshops 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-8  # a code of zeros has no direction


def with_noise(codes: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Codes (N, n) in 0 to 1, each value moved by at most its distance to the nearer of 0 and 1, so that they stay
    there: what rounding does to them, but with a gradient. Only for training."""
    reach = (codes.round() - codes).abs().detach()
    uniform = torch.rand(codes.shape, generator=generator, device=codes.device, dtype=codes.dtype) * 2 - 1
    return codes + uniform * reach


def binarise(codes: Tensor) -> Tensor:
    """Codes in 0 to 1 to 0.0 or 1.0; a half becomes 0, as everywhere in IEEE arithmetic (round half to even)."""
    return codes.round()


def entropy_friendly_loss(codes: Tensor) -> Tensor:
    """Mean over the codes (N, n) of 1 / (n + 1) · the sum of squared differences of neighbours, with a zero before the
    first and one behind the last: 0.8 for 1, 1, 0, 1."""
    padded = functional.pad(codes, (1, 1))
    return padded.diff(dim=1).square().mean()


class CodeNorm(nn.Module):
    """(N, n, 1, 1) codes to unit length, as the decoder begins; a code of zeros stays one."""

    def forward(self, codes: Tensor) -> Tensor:
        """Normalise over n."""
        return functional.normalize(codes, dim=1, eps=EPSILON)

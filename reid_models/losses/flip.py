"""Flip loss of FlipReID (Ni and Rahtu 2021; seeds_digest B3): an image and its mirror image should look alike."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional


def flip_loss(plain: Sequence[Tensor], mirrored: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of two (N, D) features, summed over levels, as in the authors' code."""
    return sum((functional.mse_loss(one, two) for one, two in zip(plain, mirrored, strict=True)),
               plain[0].new_zeros(()))

"""What a batch knows of each of its images beside the pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Roles inside a slot: what an image is to the slot's first image. Only weak supervision tells them apart.
MEMBER, POSSIBLE_POSITIVE, SURE_NEGATIVE = 0, 1, 2
UNKNOWN_KIND = -1


class Marks(NamedTuple):
    """int64 (N,) each.

    identities: training classes. kinds: place of the vehicle's kind (car, truck, a model …) among the training kinds,
    `UNKNOWN_KIND` where nobody told. slots: images that a sampler drew together share a number. roles: `MEMBER`, or
    what the sampler takes the image for beside the `MEMBER` of its slot. attributes: (N, A), place of each word of
    `ModelConfig.attributes`, -1 where nobody told; (N, 0) for networks that learn none.
    """

    identities: Tensor
    kinds: Tensor
    slots: Tensor
    roles: Tensor
    attributes: Tensor = torch.zeros((0, 0), dtype=torch.int64)


def marks_of(identities: Tensor) -> Marks:
    """Marks where only identities are known: every image a slot of its own."""
    return Marks(identities, torch.full_like(identities, UNKNOWN_KIND),
                 torch.arange(len(identities), device=identities.device), torch.full_like(identities, MEMBER))

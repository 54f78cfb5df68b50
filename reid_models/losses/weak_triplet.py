"""Weak triplet loss: one of the possible positives must be nearer than every sure negative.

NetVLAD (Arandjelović et al., CVPR 2016, equation 7; seeds_digest E4). Nobody says which of the possible positives is
the true one; the minimum over them decides inside the graph, anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.data.marks import MEMBER, POSSIBLE_POSITIVE, SURE_NEGATIVE, Marks
from reid_models.losses.distances import float_features


@dataclass(frozen=True)
class WeakTripletConfig:
    """Squared distances between unit vectors."""

    margin: float = 0.1  # the authors'

    def __post_init__(self) -> None:
        if self.margin < 0:
            raise ConfigError("loss.weak_triplet.margin", "0 or more", str(self.margin))


def weak_triplet(positives_squared: Tensor, negatives_squared: Tensor, margin: float) -> Tensor:
    """Σ_j [min_i d²(q, p_i) + margin − d²(q, n_j)]+ of one query, from its squared distances (P,) and (N,)."""
    return (positives_squared.min() + margin - negatives_squared).clamp(min=0).sum()


class WeakTripletLoss(nn.Module):
    """Mean over slots of `weak_triplet`: the slot's `MEMBER` is the query, its other images carry their roles. A slot
    without a possible positive or a sure negative adds 0."""

    def __init__(self, config: WeakTripletConfig | None = None) -> None:
        super().__init__()
        self.margin = (config or WeakTripletConfig()).margin

    def forward(self, features: Tensor, marks: Marks) -> Tensor:
        """Scalar loss. Identities are not looked at."""
        unit = functional.normalize(float_features(features), dim=1)
        queries = (marks.roles == MEMBER).nonzero()[:, 0]
        together = marks.slots[queries][:, None] == marks.slots[None]
        possible, sure = together & (marks.roles == POSSIBLE_POSITIVE), together & (marks.roles == SURE_NEGATIVE)
        complete = possible.any(dim=1) & sure.any(dim=1)
        if not complete.any():
            return unit.sum() * 0
        queries, possible, sure = queries[complete], possible[complete], sure[complete]
        squared = (unit[queries][:, None] - unit[None]).square().sum(dim=2)
        best = squared.masked_fill(~possible, torch.inf).amin(dim=1, keepdim=True)
        return ((best + self.margin - squared).clamp(min=0) * sure).sum() / len(complete)

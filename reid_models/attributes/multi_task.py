"""Multi-task heads (seeds_digest D3): one shared layer, a softmax an attribute, missing labels masked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_models.attributes.labels import MISSING

SHARED_WIDTH = 1024  # f_acs of the seed


class AttributeHeads(nn.Module):
    """(N, channels) pooled maps → the shared vector f_acs (N, width) and the scores of each attribute (N, C)."""

    def __init__(self, channels: int, classes: Sequence[int], width: int = SHARED_WIDTH) -> None:
        """classes: how many words each attribute has."""
        super().__init__()
        self.shared = nn.Linear(channels, width)
        self.scores = nn.ModuleList(nn.Linear(width, count) for count in classes)

    def forward(self, pooled: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """No activation between: f_acs is a vector to be used."""
        shared = self.shared(pooled)
        return shared, tuple(head(shared).float() for head in self.scores)


def attribute_loss(scores: Sequence[Tensor], places: Tensor, weights: Sequence[float] = ()) -> Tensor:
    """Σ over attributes of weight × mean cross entropy over the images that have a label of it.

    scores: A tensors (N, C). places: int64 (N, A), `MISSING` = not known: no loss, no gradient. weights: A (default 1
    each; the seed's are 0.6 for the model and 0.4 for the colour).
    """
    total = places.new_zeros((), dtype=torch.float32)
    for number, own in enumerate(scores):
        known = places[:, number] != MISSING
        weight = weights[number] if len(weights) else 1.0
        part = functional.cross_entropy(own[known], places[known, number]) if bool(known.any()) else own.sum() * 0
        total = total + weight * part
    return total


def attribute_hits(scores: Sequence[Tensor], places: Tensor) -> list[tuple[int, int]]:
    """For each attribute (right, known): the per-task metric."""
    result = []
    for number, own in enumerate(scores):
        known = places[:, number] != MISSING
        right = (own.argmax(dim=1) == places[:, number]) & known
        result.append((int(right.sum()), int(known.sum())))
    return result


def anchors_only(places: Tensor, identities: Tensor) -> Tensor:
    """`places` with all but the first image of each identity masked: RepNet asks only anchors for attributes (D4)."""
    order = torch.arange(len(identities), device=identities.device)
    first = torch.stack([(identities == identity).nonzero()[0, 0] for identity in identities]) if len(order) else order
    return torch.where((order == first)[:, None], places, torch.full_like(places, MISSING))

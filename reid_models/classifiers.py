"""Identity classifiers by name; they serve the training alone and are in no weights file."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


def linear_classifier(width: int, identities: int) -> nn.Module:
    """Scores W·f without a bias, starting small (seeds_digest A5)."""
    layer = nn.Linear(width, identities, bias=False)
    nn.init.normal_(layer.weight, std=0.001)
    return layer


class CosineClassifier(nn.Module):
    """Cosines of the angles between a vector and one direction a class, what angular margins need."""

    def __init__(self, width: int, identities: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(identities, width))

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, D) → (N, identities), -1 to 1, in float32: near 1 a half-precision cosine has lost its angle."""
        with torch.autocast(vectors.device.type, enabled=False):
            return functional.normalize(vectors.float(), dim=1) @ functional.normalize(self.weight, dim=1).T


CLASSIFIERS: dict[str, Callable[[int, int], nn.Module]] = {"linear": linear_classifier, "cosine": CosineClassifier}

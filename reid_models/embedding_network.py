"""What every network here is to the training loop and to the embedder: levels in training, vectors in use."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_models.model_config import ModelConfig


class Levels(NamedTuple):
    """What training sees, one entry a level: `features` (N, D) before normalisation (for the metric loss), `necks`
    (N, D) after the neck (the same tensors where there is none) and `logits` (N, identities). `kinds`: (N, kinds)
    scores of the vehicles' kinds, of networks that learn them too. `attributes`: (N, words) scores of each attribute
    of `ModelConfig.attributes`."""

    features: tuple[Tensor, ...]
    necks: tuple[Tensor, ...]
    logits: tuple[Tensor, ...]
    kinds: tuple[Tensor, ...] = ()
    attributes: tuple[Tensor, ...] = ()


class EmbeddingNetwork(nn.Module):
    """Images to levels in two parts, so that views of one vehicle can be averaged in between (FlipReID)."""

    config: ModelConfig
    stem: nn.Sequential
    stages: nn.ModuleDict  # layer1 … layer4, as far as they are used

    @abstractmethod
    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (N, 3, H, W) to float32 vectors (N, D), those that views are averaged in."""

    @abstractmethod
    def levels(self, features: tuple[Tensor, ...]) -> Levels:
        """What the losses look at; without logits where the network has no classifiers."""

    def join(self, levels: Levels) -> Tensor:
        """The unit vectors (N, dimension) of use."""
        return join_levels(levels.necks)

    def forward(self, images: Tensor) -> Levels:
        """Normalised images (N, 3, H, W) to the levels."""
        return self.levels(self.features(images))

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) to joined unit vectors (N, dimension), float32."""
        return self.join(self(images))

    def embed_double(self, images: Tensor) -> Tensor:
        """The same of the mean over each image and its mirror image: an image and its mirror image are one vector."""
        both = torch.cat([images, images.flip(3)]).contiguous(memory_format=torch.channels_last)
        halves = [feature.chunk(2) for feature in self.features(both)]
        return self.join(self.levels(tuple((plain + mirrored) / 2 for plain, mirrored in halves)))

    def adopt_backbone(self) -> None:
        """Called after the stem and stages were given trained weights: copies of stages take them over."""


def join_levels(levels: Sequence[Tensor]) -> Tensor:
    """Levels (N, D) each, of any length, to unit vectors (N, levels × D): unit levels, joined, divided by √levels."""
    units = [functional.normalize(level.float(), dim=1) for level in levels]
    return torch.cat(units, dim=1) / len(units) ** 0.5

"""How images pass through the network in training, by the name that `passes` gives. The only place with the names.

"flip" is FlipReID (Ni and Rahtu 2021; seeds_digest B3): what use averages, training should optimise. The image and its
mirror image pass as one batch of twice the size, the losses act on the mean of the two, and the flip loss holds the two
together so that one image alone stays usable. Use is free to take one or both, whatever the training did
(`embedder.flip_at_test`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from reid_models.embedding_network import EmbeddingNetwork, Levels
from reid_models.losses.flip import flip_loss


class Seen(NamedTuple):
    """levels: what the losses act on. extras: further losses of the pass, by name."""

    levels: Levels
    extras: dict[str, Tensor]


def single(model: EmbeddingNetwork, images: Tensor) -> Seen:
    """Each image as it is."""
    return Seen(model(images), {})


def flip(model: EmbeddingNetwork, images: Tensor) -> Seen:
    """The mean over each image and its mirror image, and how far the two are apart."""
    both = torch.cat([images, images.flip(3)]).contiguous(memory_format=torch.channels_last)
    halves = [feature.chunk(2) for feature in model.features(both)]
    levels = model.levels(tuple((plain + mirrored) / 2 for plain, mirrored in halves))
    return Seen(levels, {"flip_loss": flip_loss([plain for plain, _ in halves], [mirrored for _, mirrored in halves])})


PASSES: dict[str, Callable[[EmbeddingNetwork, Tensor], Seen]] = {"single": single, "flip": flip}

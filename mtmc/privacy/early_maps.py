"""The maps in which the reconstruction attack compares pictures: a network after its first stage (seeds_digest C3)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mtmc.privacy.inversion_training import Maps
from reid_models.registry import SHIPPED_WEIGHTS


def early_maps(weights: Path = SHIPPED_WEIGHTS) -> Maps:
    """Pictures (N, 3, H, W), 0 to 1 → maps of stage 1, frozen.

    Published is a ResNet50 that saw ImageNet (`conv2_block3_out`); no such weights are here, so the same depth of the
    file that ships, which everybody has. Raises `WeightsError` as `load_weights`.
    """
    from reid_models.weights import load_weights

    model, info = load_weights(weights)
    trunk = torch.nn.Sequential(model.stem, model.stages["layer1"]).eval().requires_grad_(False)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (info.model.mean, info.model.std))

    def maps(images: Tensor) -> Tensor:
        return trunk((images - mean) / std)

    return maps

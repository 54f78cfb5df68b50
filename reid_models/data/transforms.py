"""The usual augmentation of re-identification recipes, from torchvision.transforms.v2 (seeds_digest A10, reid.md 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torchvision.transforms import v2


@dataclass(frozen=True)
class StandardConfig:
    """Flip, pad and crop, random erasing: what the published ResNet50 recipes for VeRi share."""

    flip_chance: float = 0.5
    pad_px: int = 10  # then a random crop back to the input size
    erase_chance: float = 0.5
    erase_share: tuple[float, float] = (0.02, 0.4)  # of the area
    colour_jitter: float = 0.0  # brightness, contrast and saturation; the published recipes leave it out


def standard_view(image: np.ndarray, size_hw: tuple[int, int], seed: int, config: StandardConfig,
                  fill: tuple[int, int, int]) -> np.ndarray:
    """One random view (size_hw) of `image` (uint8 H×W×3 RGB) that `seed` alone decides. `fill`: grey levels of erased
    areas, which should be the model's mean so that they read as zero."""
    # torchvision draws from torch's global generator: lend it one of our own.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        view = build_transform(size_hw, config, fill)(tensor)
    return view.permute(1, 2, 0).contiguous().numpy()


def build_transform(size_hw: tuple[int, int], config: StandardConfig, fill: tuple[int, int, int]) -> v2.Compose:
    """The chain for uint8 (3, H, W) tensors; stays uint8."""
    chain: list[torch.nn.Module] = [v2.Resize(list(size_hw), antialias=True),
                                    v2.RandomHorizontalFlip(config.flip_chance)]
    if config.pad_px:
        chain += [v2.Pad(config.pad_px), v2.RandomCrop(list(size_hw))]
    if config.colour_jitter:
        jitter = config.colour_jitter
        chain.append(v2.ColorJitter(jitter, jitter, jitter))
    if config.erase_chance:
        chain.append(v2.RandomErasing(config.erase_chance, scale=config.erase_share, ratio=(0.3, 1 / 0.3),
                                      value=[float(v) for v in fill]))
    return v2.Compose(chain)

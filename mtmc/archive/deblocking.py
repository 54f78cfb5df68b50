"""A small U-Net over whole pictures that takes the seams of the blocks away (seeds_digest G, "NTcodecFull").

It only says what is to be added to the decoded picture, and begins by adding nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.archive.block_networks import to_pixels, to_tensor

WIDTH = 16  # channels at full size; two halvings double it each


class Deblocker(nn.Module):
    """(N, 3, H, W) in 0 to 1 → the same; H and W multiples of 4."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.first = _pair(3, width)
        self.second = _pair(width, 2 * width, stride=2)
        self.third = _pair(2 * width, 4 * width, stride=2)
        self.up_second = _pair(6 * width, 2 * width)
        self.up_first = _pair(3 * width, width)
        self.last = nn.Conv2d(width, 3, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """The pictures without seams."""
        full = self.first(images)
        half = self.second(full)
        quarter = self.third(half)
        half = self.up_second(torch.cat([half, functional.interpolate(quarter, scale_factor=2.0)], dim=1))
        full = self.up_first(torch.cat([full, functional.interpolate(half, scale_factor=2.0)], dim=1))
        return (images + self.last(full)).clamp(0, 1)


def deblock(network: Deblocker, image_rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) to the same, of any size."""
    height, width = image_rgb.shape[:2]
    if not height or not width:
        return image_rgb
    padded = np.pad(image_rgb, ((0, -height % 4), (0, -width % 4), (0, 0)), mode="edge")
    with torch.inference_mode():
        return np.ascontiguousarray(to_pixels(network(to_tensor(padded[None])))[0, :height, :width])


def train_deblocker(
    network: Deblocker, decoded: np.ndarray, originals: np.ndarray, epochs: int, seed: int, batch: int = 16
) -> None:
    """Train in place on pictures uint8 (N, H, W, 3) as decoded and as they were; H and W multiples of 4."""
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(decoded))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            loss = functional.mse_loss(network(to_tensor(decoded[rows])), to_tensor(originals[rows]))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()


def _pair(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.PReLU(after),
                         nn.Conv2d(after, after, 3, padding=1), nn.PReLU(after))

"""The two networks of the reconstruction attack (Ni, "On the privacy of features", dissertation 2.4; seeds_digest C3):
a generator that draws a picture from a feature vector, and a discriminator that judges picture and vector together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, cat, nn
from torch.nn import functional

from mtmc.errors import ConfigError


@dataclass(frozen=True)
class InversionShape:
    """Size of the networks. base_hw: the smallest map, height and width; pictures are base_hw × 2^blocks. channels: of
    every map. hidden: width of the generator's first dense layer."""

    # Published: (12, 4), 5, 128 and 256: pictures of 384 × 128. A processor draws squares of 64.
    base_hw: tuple[int, int] = (2, 2)
    blocks: int = 5
    channels: int = 32
    hidden: int = 256

    def __post_init__(self) -> None:
        if min(*self.base_hw, self.blocks, self.channels, self.hidden) < 1:
            raise ConfigError("shape of the inversion", "numbers of 1 or more", str(self))

    @property
    def picture_hw(self) -> tuple[int, int]:
        """Height and width of the pictures that are drawn."""
        return self.base_hw[0] * 2**self.blocks, self.base_hw[1] * 2**self.blocks


class UpBlock(nn.Module):
    """Residual block that doubles the map (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C, 2h, 2w)."""
        straight = functional.interpolate(maps, scale_factor=2)
        inner = functional.interpolate(functional.relu(self.norms[0](maps)), scale_factor=2)
        return straight + self.convs[1](functional.relu(self.norms[1](self.convs[0](inner))))


class DownBlock(nn.Module):
    """Residual block that halves the map; without batch norm, so that a picture is judged by itself."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(before, after, 1)
        self.convs = nn.ModuleList((nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, before, h, w) → (N, after, h/2, w/2)."""
        inner = self.convs[1](functional.leaky_relu(self.convs[0](functional.leaky_relu(maps, 0.2)), 0.2))
        return functional.avg_pool2d(self.shortcut(maps) + inner, 2)


class Generator(nn.Module):
    """Dense, dense, reshape, `blocks` up-sampling residual blocks, a convolution to three channels, sigmoid."""

    def __init__(self, dimension: int, shape: InversionShape) -> None:
        super().__init__()
        self.shape = shape
        height, width = shape.base_hw
        self.dense = nn.Sequential(nn.Linear(dimension, shape.hidden), nn.ReLU(),
                                   nn.Linear(shape.hidden, height * width * shape.channels))
        self.blocks = nn.Sequential(*(UpBlock(shape.channels) for _ in range(shape.blocks)))
        self.last = nn.Sequential(nn.BatchNorm2d(shape.channels), nn.ReLU(), nn.Conv2d(shape.channels, 3, 3, padding=1))

    def smallest(self, features: Tensor) -> Tensor:
        """Features (N, D) → the smallest map (N, channels, *base_hw)."""
        return self.dense(features).reshape(len(features), self.shape.channels, *self.shape.base_hw)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, D) → pictures (N, 3, *picture_hw), 0 to 1."""
        return self.last(self.blocks(self.smallest(features))).sigmoid()


class Discriminator(nn.Module):
    """`blocks` down-sampling residual blocks, global mean, joined with the feature vector, dense: one number a pair,
    near 1 for a true picture of that vector.

    The dense part has a hidden layer, which is ours: a single layer would judge picture and vector apart, as a sum.
    """

    def __init__(self, dimension: int, shape: InversionShape) -> None:
        super().__init__()
        widths = [3, *[shape.channels] * shape.blocks]
        self.blocks = nn.Sequential(*(DownBlock(*pair) for pair in pairwise(widths)))
        self.dense = nn.Sequential(nn.Linear(shape.channels + dimension, shape.hidden), nn.LeakyReLU(0.2),
                                   nn.Linear(shape.hidden, 1))

    def forward(self, pictures: Tensor, features: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) and features (N, D) → (N,)."""
        joined = cat([self.blocks(pictures).mean(dim=(2, 3)), features], dim=1)
        return self.dense(joined).squeeze(1)

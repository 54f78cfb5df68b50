"""The networks of the block codec: 32 × 32 pixels to a code and back, several code lengths (seeds_digest G)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from mtmc.archive.blocks import BLOCK_PX
from mtmc.archive.codes import CodeNorm, binarise
from mtmc.errors import ConfigError

_GAIN = (2 / (1 + 0.25**2)) ** 0.5  # of PReLU as it begins
BATCH = 256  # blocks a network call, always, so that a block's pixels never depend on its companions


@dataclass(frozen=True)
class BlockCodecConfig:
    """The shape of the codec.

    code_bits: length of each network's code, rising; at most four networks, two bits a block say which. filters: of the
    five layers that halve the block, in order; the decoder has them in reverse.
    """

    code_bits: tuple[int, ...] = (64, 216, 368)  # as published
    # A quarter of the published 64 … 1024: a hundredth of a second a block on one core, and 8 MB of weights, not 120.
    filters: tuple[int, ...] = (16, 32, 64, 128, 256)

    def __post_init__(self) -> None:
        if not 1 <= len(self.code_bits) <= 4 or list(self.code_bits) != sorted(set(self.code_bits)):
            raise ConfigError("codec.code_bits", "one to four rising lengths", str(self.code_bits))
        if min(self.code_bits) < 1 or len(self.filters) != 5 or min(self.filters) < 1:
            raise ConfigError("codec", "lengths of 1 or more and five numbers of filters",
                              f"{self.code_bits}, {self.filters}")


class BlockEncoder(nn.Module):
    """(N, 3, 32, 32) in 0 to 1 → codes (N, n) in 0 to 1: five 3 × 3 layers of stride 2, then 1 × 1 and a sigmoid."""

    def __init__(self, bits: int, filters: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((3, *filters)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.PReLU(after)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(filters[-1], bits, 1))
        _begin(self.layers)

    def forward(self, blocks: Tensor) -> Tensor:
        """Codes before any rounding."""
        return torch.sigmoid(self.layers(blocks)).flatten(1)


class BlockDecoder(nn.Module):
    """Codes (N, n) → (N, 3, 32, 32) in 0 to 1: unit length first, five layers that double the map, 1 × 1, sigmoid."""

    def __init__(self, bits: int, filters: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = [CodeNorm()]
        for before, after in pairwise((bits, *reversed(filters))):
            layers += [nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1), nn.PReLU(after)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(filters[0], 3, 1))
        _begin(self.layers)
        nn.init.normal_(layers[1].weight, std=_GAIN)  # type: ignore[arg-type]  # its input has length 1, not variance 1

    def forward(self, codes: Tensor) -> Tensor:
        """Pixels of the codes, binarised or not."""
        return torch.sigmoid(self.layers(codes[:, :, None, None]))


def _begin(layers: nn.Sequential) -> None:
    """Weights that keep the variance from layer to layer (He et al. 2015): with torch's own, what a code says is lost
    among the biases on its way through the decoder, and training takes several times as long."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            # A pixel behind a layer of stride 2 that doubles the map sees 9 / 4 of the nine weights.
            taps = layer.weight[0, 0].numel() / (4 if isinstance(layer, nn.ConvTranspose2d) else 1)
            nn.init.normal_(layer.weight, std=_GAIN / (layer.in_channels * taps) ** 0.5)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


class BlockNetwork(nn.Module):
    """One pair of encoder and decoder."""

    def __init__(self, bits: int, filters: tuple[int, ...]) -> None:
        super().__init__()
        self.bits = bits
        self.encoder, self.decoder = BlockEncoder(bits, filters), BlockDecoder(bits, filters)


def to_tensor(blocks: np.ndarray) -> Tensor:
    """uint8 (N, 32, 32, 3) to float32 (N, 3, 32, 32), 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(blocks)).permute(0, 3, 1, 2).float() / 255


def to_pixels(images: Tensor) -> np.ndarray:
    """float (N, 3, H, W), 0 to 1, to uint8 (N, H, W, 3)."""
    return np.asarray((images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())


def encode(network: BlockNetwork, blocks: np.ndarray) -> np.ndarray:
    """uint8 (B, n) bits of the blocks uint8 (B, 32, 32, 3)."""
    bits = np.zeros((len(blocks), network.bits), np.uint8)
    with torch.inference_mode():
        for rows in _batches(len(blocks)):
            filled = np.zeros((BATCH, BLOCK_PX, BLOCK_PX, 3), np.uint8)
            filled[: rows.stop - rows.start] = blocks[rows]
            codes = binarise(network.encoder(to_tensor(filled)))
            bits[rows] = codes[: rows.stop - rows.start].to(torch.uint8).numpy()
    return bits


def decode(network: BlockNetwork, bits: np.ndarray) -> np.ndarray:
    """uint8 (B, 32, 32, 3) blocks of the bits uint8 (B, n)."""
    blocks = np.zeros((len(bits), BLOCK_PX, BLOCK_PX, 3), np.uint8)
    with torch.inference_mode():
        for rows in _batches(len(bits)):
            filled = torch.zeros(BATCH, network.bits)
            filled[: rows.stop - rows.start] = torch.from_numpy(bits[rows].astype(np.float32))
            blocks[rows] = to_pixels(network.decoder(filled))[: rows.stop - rows.start]
    return blocks


def _batches(count: int) -> Iterator[slice]:
    for start in range(0, count, BATCH):
        yield slice(start, min(start + BATCH, count))

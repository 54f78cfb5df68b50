"""An auto-encoder whose code has length 1 while it is trained (seeds_digest H; Ni et al., "L2-constrained" clustering).

Code = E(x) / |E(x)|, loss = mean |x - D(code)|². Distances between codes are then angles. Nothing else is asked of the
code: k-means on it groups, and what lies far from every group is odd.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError, InputError

EPSILON = 1e-8  # a code of zeros has no direction and stays zero
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class AutoencoderConfig:
    """The dense network and its training.

    widths: of the layers between input and code, the decoder has them in reverse. code: length of the code.
    normalised: False is the plain auto-encoder that the published one is compared with. noise: standard deviation of
    what is added to the rows that the encoder sees; above 0 it learns to take noise away (a denoising auto-encoder,
    seeds_digest F10).
    """

    widths: tuple[int, ...] = (500, 500, 2000)  # as published
    code: int = 10
    normalised: bool = True
    epochs: int = 100
    batch: int = 256
    learning_rate: float = 1e-3
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min((*self.widths, self.code, self.epochs, self.batch), default=0) < 1 or self.learning_rate <= 0:
            raise ConfigError("auto-encoder", "widths, code, epochs, batch and learning_rate above 0", str(self))
        if not 0 <= self.noise < float("inf"):
            raise ConfigError("auto-encoder noise", "0 or more", str(self.noise))


class CodedNetwork(nn.Module):
    """An encoder and a decoder, with the code between them of length 1 where it is normalised."""

    encoder: nn.Sequential
    decoder: nn.Sequential
    normalised: bool

    def encode(self, rows: Tensor) -> Tensor:
        """Codes, of length 1 where they are normalised."""
        codes = self.encoder(rows)
        return functional.normalize(codes, eps=EPSILON) if self.normalised else codes

    def forward(self, rows: Tensor) -> Tensor:
        """What the decoder makes of the codes, as they are given out."""
        return self.decoder(self.encode(rows))


class Autoencoder(CodedNetwork):
    """(N, D) → reconstruction (N, D), over codes (N, code). LeakyReLU after every layer but the last of each half."""

    def __init__(self, dimension: int, config: AutoencoderConfig) -> None:
        super().__init__()
        sizes = (dimension, *config.widths, config.code)
        self.encoder, self.decoder = _dense(sizes), _dense(sizes[::-1])
        self.normalised = config.normalised


class ConvAutoencoder(CodedNetwork):
    """The published convolutional form, for images (N, 1, S, S), S a multiple of 8: filters 32, 64, 128 with kernels
    5, 5, 3 and stride 2, a dense code, and the same way back; ReLU but for the last layer of each half."""

    def __init__(self, side: int, config: AutoencoderConfig, filters: Sequence[int] = (32, 64, 128)) -> None:
        super().__init__()
        if side % 8:
            raise ConfigError("side of the images", "a multiple of 8", str(side))
        a, b, c = filters
        small = side // 8
        self.encoder = nn.Sequential(
            nn.Conv2d(1, a, 5, 2, 2), nn.ReLU(), nn.Conv2d(a, b, 5, 2, 2), nn.ReLU(), nn.Conv2d(b, c, 3, 2, 1),
            nn.ReLU(), nn.Flatten(), nn.Linear(c * small * small, config.code))
        self.decoder = nn.Sequential(
            nn.Linear(config.code, c * small * small), nn.ReLU(), nn.Unflatten(1, (c, small, small)),
            nn.ConvTranspose2d(c, b, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(b, a, 5, 2, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(a, 1, 5, 2, 2, 1))
        self.normalised = config.normalised


def fit_autoencoder(rows: np.ndarray, config: AutoencoderConfig) -> Autoencoder:
    """The dense network for rows (N, D), without labels; of all epochs the one that reconstructs best.

    Raises `InputError` for no row.
    """
    torch.manual_seed(config.seed)
    network = Autoencoder(rows.shape[1], config)
    train(network, rows, config)
    return network


def train(network: CodedNetwork, rows: np.ndarray, config: AutoencoderConfig) -> None:
    """Train in place; at the end the network is that of its best epoch."""
    if not len(rows):
        raise InputError("rows for the auto-encoder", "at least one", "none")
    values = torch.from_numpy(np.ascontiguousarray(rows, np.float32))
    generator = torch.Generator().manual_seed(config.seed)
    optimiser = torch.optim.Adam(network.parameters(), config.learning_rate)
    best, lowest = copy.deepcopy(network.state_dict()), float("inf")
    for _ in range(config.epochs):
        for chosen in torch.randperm(len(values), generator=generator).split(config.batch):
            clean = values[chosen]
            seen = clean + config.noise * torch.randn(clean.shape, generator=generator) if config.noise else clean
            loss = reconstruction_loss(network, clean, seen)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            parts = [reconstruction_loss(network, part) * len(part) for part in values.split(_ROWS_AT_ONCE)]
        error = float(torch.stack(parts).sum()) / len(values)
        if error < lowest:
            best, lowest = copy.deepcopy(network.state_dict()), error
    network.load_state_dict(best)
    network.eval()


def reconstruction_loss(network: CodedNetwork, rows: Tensor, seen: Tensor | None = None) -> Tensor:
    """Mean over rows and dimensions of the squared difference between the clean rows and what is made of those `seen`
    (None: the rows themselves)."""
    return functional.mse_loss(network(rows if seen is None else seen), rows)


def codes_of(network: CodedNetwork, rows: np.ndarray) -> np.ndarray:
    """float32 (N, code) of rows (N, D)."""
    values = torch.from_numpy(np.ascontiguousarray(rows, np.float32))
    with torch.inference_mode():
        parts = [network.encode(part) for part in values.split(_ROWS_AT_ONCE)] if len(rows) else []
    return np.asarray(torch.cat(parts).numpy()) if parts else np.zeros((0, 0), np.float32)


def _dense(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LeakyReLU()]
    return nn.Sequential(*layers[:-1])

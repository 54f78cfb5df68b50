"""Training of the reconstruction attack (seeds_digest C3): for every batch a picture is drawn, the discriminator
learns, then the generator learns against the discriminator as it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mtmc.errors import ConfigError, InputError
from mtmc.privacy.inversion_networks import Discriminator, Generator, InversionShape

Maps = Callable[[Tensor], Tensor]  # pictures (N, 3, H, W), 0 to 1 → the maps in which pictures are compared


@dataclass(frozen=True)
class InversionConfig:
    """The attack's training. Weights of the generator's three losses: `pixel` (squared error of pixels), `feature`
    (squared error of a network's early maps) and `adversarial`; published are 1, 0, 0 and 0, 1, 0 and 0, 1, 0.06.

    steps, batch, learning_rate: published 60,000, 64 and 1e-4; fewer steps need larger ones.
    """

    shape: InversionShape = field(default_factory=InversionShape)
    pixel: float = 0.0
    feature: float = 1.0
    adversarial: float = 0.06
    steps: int = 300
    batch: int = 32
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.pixel, self.feature, self.adversarial) < 0 or self.pixel + self.feature <= 0:
            raise ConfigError("losses of the inversion", "0 or more, pixel or feature above 0", str(self))
        if min(self.steps, self.batch) < 1 or self.learning_rate <= 0:
            raise ConfigError("training of the inversion", "steps, batch and learning_rate above 0", str(self))


class Inversion:
    """A trained attack: vectors in, pictures out. Vectors are standardised by the training vectors' mean and deviation,
    which is ours: elements of a unit vector are too small for a dense layer to begin with."""

    def __init__(self, features: np.ndarray, config: InversionConfig) -> None:
        """features: float (N, D), those that it is trained on. Random weights of `config.seed`."""
        torch.manual_seed(config.seed)
        self._mean = features.mean(axis=0)
        self._scale = np.maximum(features.std(axis=0), 1e-6 * max(float(features.std()), 1e-30))
        self.generator = Generator(features.shape[1], config.shape)
        self.discriminator = Discriminator(features.shape[1], config.shape)

    def standardised(self, features: np.ndarray) -> Tensor:
        """float32 (N, D)."""
        return torch.from_numpy(((features - self._mean) / self._scale).astype(np.float32))

    def draw(self, features: np.ndarray) -> np.ndarray:
        """Pictures uint8 (N, H, W, 3) RGB of features (N, D)."""
        self.generator.eval()
        with torch.inference_mode():
            drawn = [self.generator(part) for part in self.standardised(features).split(64)]
        if not drawn:
            return np.zeros((0, *self.generator.shape.picture_hw, 3), np.uint8)
        return (torch.cat(drawn) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def train_inversion(features: np.ndarray, pictures: np.ndarray, config: InversionConfig,
                    maps: Maps | None = None) -> Inversion:
    """Learn to draw `pictures` uint8 (N, H, W, 3) from `features` (N, D); the same seed gives the same weights.

    maps: needed where `config.feature` is above 0. Raises `InputError` where counts or sizes do not fit.
    """
    height, width = config.shape.picture_hw
    if len(features) < 2 or pictures.shape != (len(features), height, width, 3):
        raise InputError("inversion", f"two vectors or more, and as many pictures of {width} x {height}",
                         f"{features.shape} and {pictures.shape}")  # fmt: skip
    if config.feature and maps is None:
        raise InputError("inversion", "maps to compare pictures in, as the feature loss is on", "none")
    result = Inversion(features, config)
    step = _Step(result, config, maps)
    for vectors, images in _batches(result.standardised(features), pictures, config):
        step.discriminator(vectors, images)
        step.generator(vectors, images)
    return result


def discriminator_loss(true: Tensor, drawn: Tensor) -> Tensor:
    """Least squares: true pairs to 1, drawn ones to 0."""
    return (true - 1).square().mean() + drawn.square().mean()


def generator_loss(drawn: Tensor, images: Tensor, judged: Tensor, config: InversionConfig, maps: Maps | None) -> Tensor:
    """The weighted sum of the three; a loss of weight 0 is not computed. judged: (N,), the discriminator's answers."""
    total = drawn.new_zeros(())
    if config.pixel:
        total = total + config.pixel * functional.mse_loss(drawn, images)
    if config.feature and maps is not None:
        total = total + config.feature * functional.mse_loss(maps(drawn), maps(images).detach())
    if config.adversarial:
        total = total + config.adversarial * (judged - 1).square().mean()
    return total


class _Step:
    """The two updates of a batch, each with its own optimiser."""

    def __init__(self, inversion: Inversion, config: InversionConfig, maps: Maps | None) -> None:
        self._networks, self._config, self._maps = inversion, config, maps
        self._of_generator = torch.optim.Adam(inversion.generator.parameters(), config.learning_rate)
        self._of_discriminator = torch.optim.Adam(inversion.discriminator.parameters(), config.learning_rate)
        inversion.generator.train()

    def discriminator(self, vectors: Tensor, images: Tensor) -> None:
        """The generator is not touched. Nothing to do where nobody asks the discriminator."""
        if not self._config.adversarial:
            return
        with torch.no_grad():
            drawn = self._networks.generator(vectors)
        judge = self._networks.discriminator
        _update(self._of_discriminator, discriminator_loss(judge(images, vectors), judge(drawn, vectors)))

    def generator(self, vectors: Tensor, images: Tensor) -> None:
        """The discriminator is not touched."""
        drawn, judge = self._networks.generator(vectors), self._networks.discriminator
        judge.requires_grad_(False)
        judged = judge(drawn, vectors) if self._config.adversarial else vectors.new_ones(len(vectors))
        _update(self._of_generator, generator_loss(drawn, images, judged, self._config, self._maps))
        judge.requires_grad_(True)


def _update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def _batches(vectors: Tensor, pictures: np.ndarray, config: InversionConfig) -> Iterator[tuple[Tensor, Tensor]]:
    random = np.random.default_rng(config.seed)
    size = min(config.batch, len(vectors))
    order = np.zeros(0, np.int64)
    for _ in range(config.steps):
        if len(order) < size:
            order = np.concatenate([order, random.permutation(len(vectors))])
        rows, order = order[:size], order[size:]
        images = torch.from_numpy(pictures[rows]).permute(0, 3, 1, 2).float() / 255
        yield vectors[torch.from_numpy(rows)], images

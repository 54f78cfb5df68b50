"""Training of the block codec (seeds_digest G): alternately with noise end to end and, the encoder frozen, with real
bits; then each network again on the blocks that it is for, and its decoder once more on their bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.archive.block_networks import BlockNetwork, decode, encode, to_tensor
from mtmc.archive.codes import binarise, entropy_friendly_loss, with_noise
from mtmc.archive.fidelity import block_errors
from mtmc.errors import ConfigError, InputError


@dataclass(frozen=True)
class BlockTrainingConfig:
    """How a network is trained. One epoch = all blocks once with noise, then once more with bits for the decoder.

    batch, learning_rate, entropy_weight: as published. expert_share: of the epochs, each for the expert and the decoder
    rounds on the network's own blocks; 0 leaves them out. target_psnr: in dB, says which blocks those are.
    steps_per_epoch: 0 = all blocks; else so many batches drawn from them.
    """

    epochs: int = 20
    steps_per_epoch: int = 0
    batch: int = 256
    learning_rate: float = 1e-3
    entropy_weight: float = 1e-3
    expert_share: float = 0.2
    target_psnr: float = 27.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch) < 1 or self.steps_per_epoch < 0 or self.learning_rate <= 0:
            raise ConfigError("codec training", "epochs, batch and learning_rate above 0", str(self))


Report = Callable[[str, float], None]  # a line's words and the mean loss of an epoch


def train_network(
    network: BlockNetwork, blocks: np.ndarray, config: BlockTrainingConfig, report: Report | None = None
) -> None:
    """Train `network` in place on uint8 blocks (B, 32, 32, 3). Raises `InputError` without any."""
    if not len(blocks):
        raise InputError("blocks to train the codec on", "at least one", "none")
    torch.manual_seed(config.seed)
    rounds = _Rounds(network, config)
    for epoch in range(config.epochs):
        rate = config.learning_rate * (1 - epoch / config.epochs) ** 0.5  # settles towards the end
        loss = rounds.end_to_end(blocks, epoch, rate)
        rounds.decoder_only(blocks, epoch, rate)
        if report:
            report(f"{network.bits} bits, epoch {epoch + 1}", loss)
    extra = round(config.epochs * config.expert_share)
    own = blocks[own_blocks(network, blocks, config.target_psnr)] if extra else blocks[:0]
    if len(own):
        for epoch in range(extra):
            rounds.end_to_end(own, config.epochs + epoch, config.learning_rate / 5)
        for epoch in range(extra):
            rounds.decoder_only(own, config.epochs + extra + epoch, config.learning_rate / 5)


def own_blocks(network: BlockNetwork, blocks: np.ndarray, target_psnr: float) -> np.ndarray:
    """bool (B,): the blocks that the network gives back with at least `target_psnr` dB."""
    errors = block_errors(blocks, decode(network, encode(network, blocks)))
    return errors <= 255**2 / 10 ** (target_psnr / 10)


class _Rounds:
    """The two kinds of round, each with its own optimiser."""

    def __init__(self, network: BlockNetwork, config: BlockTrainingConfig) -> None:
        self._network, self._config = network, config
        self._whole = torch.optim.Adam(network.parameters(), config.learning_rate)
        self._decoder = torch.optim.Adam(network.decoder.parameters(), config.learning_rate)

    def end_to_end(self, blocks: np.ndarray, epoch: int, rate: float) -> float:
        """Encoder and decoder, rounding simulated by noise. The mean loss."""
        losses = []
        for images in self._batches(blocks, epoch):
            codes = self._network.encoder(images)
            loss = functional.mse_loss(self._network.decoder(with_noise(codes)), images)
            loss = loss + self._config.entropy_weight * entropy_friendly_loss(codes)
            losses.append(_step(self._whole, loss, rate))
        return float(np.mean(losses))

    def decoder_only(self, blocks: np.ndarray, epoch: int, rate: float) -> None:
        """The decoder on real bits; the encoder is not touched."""
        for images in self._batches(blocks, 10_000 + epoch):
            with torch.no_grad():
                codes = binarise(self._network.encoder(images))
            _step(self._decoder, functional.mse_loss(self._network.decoder(codes), images), rate)

    def _batches(self, blocks: np.ndarray, number: int) -> Iterator[Tensor]:
        config = self._config
        order = np.random.default_rng([config.seed, number]).permutation(len(blocks))
        if config.steps_per_epoch:
            order = order[: config.steps_per_epoch * config.batch]
        for start in range(0, len(order), config.batch):
            yield to_tensor(blocks[order[start : start + config.batch]])


def _step(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> float:
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def count_parameters(network: nn.Module) -> int:
    """Numbers in a network."""
    return sum(p.numel() for p in network.parameters())

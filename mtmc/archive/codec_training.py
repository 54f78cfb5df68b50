"""A block codec from pictures: its networks one after another, then the deblocker, then the counts for its bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch

from mtmc.archive.bit_coder import change_table
from mtmc.archive.block_networks import BlockCodecConfig, BlockNetwork, decode, encode
from mtmc.archive.block_training import BlockTrainingConfig, Report, train_network
from mtmc.archive.blocks import BLOCK_PX, cut_blocks, join_blocks, overlapping_blocks
from mtmc.archive.codec_file import codec_bytes
from mtmc.archive.deblocking import Deblocker, train_deblocker
from mtmc.errors import InputError


@dataclass(frozen=True)
class CodecTrainingConfig:
    """What is trained and for how long. deblocker_epochs: 0 leaves the deblocker out. deblock_px: side of its training
    pictures, a multiple of 32."""

    codec: BlockCodecConfig = field(default_factory=BlockCodecConfig)
    network: BlockTrainingConfig = field(default_factory=BlockTrainingConfig)
    deblocker_epochs: int = 4
    deblock_px: int = 96


def train_codec(
    images_rgb: Sequence[np.ndarray], config: CodecTrainingConfig, training_data: str = "",
    report: Report | None = None,
) -> bytes:
    """The file of a codec trained on pictures uint8 (H, W, 3). Raises `InputError` without any."""
    if not images_rgb:
        raise InputError("pictures to train the codec on", "at least one", "none")
    torch.manual_seed(config.network.seed)
    blocks = np.concatenate([overlapping_blocks(image) for image in images_rgb])
    networks = tuple(BlockNetwork(bits, config.codec.filters) for bits in config.codec.code_bits)
    for network in networks:
        train_network(network, blocks, config.network, report)
        network.eval()
    deblocker = _deblocker(networks, images_rgb, config) if config.deblocker_epochs else None
    changes = tuple(_changes(network, images_rgb) for network in networks)
    return codec_bytes(config.codec, networks, changes, deblocker, training_data)


def _changes(network: BlockNetwork, images_rgb: Iterable[np.ndarray]) -> np.ndarray:
    """How often the bits at each place of a code differ from the ones before, codes of a picture in raster order."""
    codes = encode(network, np.concatenate([cut_blocks(image) for image in images_rgb]))
    return change_table(codes.ravel(), np.tile(np.arange(network.bits), len(codes)), network.bits)


def _deblocker(
    networks: Sequence[BlockNetwork], images_rgb: Sequence[np.ndarray], config: CodecTrainingConfig
) -> Deblocker:
    """Trained on what each network makes of the pictures, in turn."""
    side = config.deblock_px
    originals = np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images_rgb])
    decoded = originals.copy()
    for number, network in enumerate(networks):  # many pictures a call: a call costs as much as a full batch of blocks
        own = np.arange(number, len(originals), len(networks))
        blocks = np.concatenate([np.zeros((0, BLOCK_PX, BLOCK_PX, 3), np.uint8), *map(cut_blocks, originals[own])])
        found = decode(network, encode(network, blocks)).reshape(len(own), -1, BLOCK_PX, BLOCK_PX, 3)
        for row, picture in zip(own.tolist(), found, strict=True):
            decoded[row] = join_blocks(picture, (side, side))
    result = Deblocker()
    train_deblocker(result, decoded, originals, config.deblocker_epochs, config.network.seed)
    return result.eval()

"""Pictures to a stream of bytes and back, each block by the cheapest network that meets the target (seeds_digest G)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.archive.block_networks import decode, encode
from mtmc.archive.blocks import BLOCK_PX, cut_blocks, grid_of, join_blocks
from mtmc.archive.code_search import search_codes
from mtmc.archive.code_stream import CodedPictures, read_stream, write_stream
from mtmc.archive.codec_file import BlockCodec
from mtmc.archive.deblocking import deblock
from mtmc.archive.fidelity import block_errors
from mtmc.errors import ConfigError


@dataclass(frozen=True)
class EncodingConfig:
    """How pictures are encoded. target_psnr: dB a block should reach; where no network does, the longest code is taken.
    search_steps: of `code_search` on blocks below the target; 0 leaves it out."""

    target_psnr: float = 27.0
    search_steps: int = 0  # 100 gain about 1 dB and cost a hundred decodings of the block and their gradients

    def __post_init__(self) -> None:
        if not self.target_psnr > 0 or self.search_steps < 0:
            raise ConfigError("encoding", "target_psnr above 0 and search_steps of 0 or more", str(self))


def encode_pictures(codec: BlockCodec, images_rgb: Sequence[np.ndarray], config: EncodingConfig | None = None) -> bytes:
    """The stream of pictures uint8 (H, W, 3) of any sizes, in order."""
    config = config or EncodingConfig()
    shapes = np.array([image.shape[:2] for image in images_rgb], np.int64).reshape(-1, 2)
    empty = np.zeros((0, BLOCK_PX, BLOCK_PX, 3), np.uint8)
    blocks = np.concatenate([empty, *(cut_blocks(image) for image in images_rgb)])
    chosen, codes = choose_codes(codec, blocks, config)
    return write_stream(CodedPictures(shapes, chosen, tuple(codes)), codec.changes, codec.digest)


def decode_pictures(codec: BlockCodec, data: bytes) -> list[np.ndarray]:
    """The pictures of a stream. Raises `IntegrityError` for a changed stream or another codec's."""
    pictures = read_stream(data, codec.changes, codec.digest)
    blocks = blocks_of(codec, pictures)
    counts = [int(np.prod(grid_of((h, w)))) for h, w in pictures.shapes_hw.tolist()]
    images, start = [], 0
    for (height, width), count in zip(pictures.shapes_hw.tolist(), counts, strict=True):
        own = blocks[start : start + count]
        image = join_blocks(own, (height, width)) if count else np.zeros((height, width, 3), np.uint8)
        images.append(image if codec.deblocker is None else deblock(codec.deblocker, image))
        start += count
    return images


def choose_codes(
    codec: BlockCodec, blocks: np.ndarray, config: EncodingConfig
) -> tuple[np.ndarray, list[np.ndarray]]:
    """int64 (B,) networks and B codes: network after network on the blocks that none before gave back well enough."""
    target_error = 255**2 / 10 ** (config.target_psnr / 10)
    chosen = np.full(len(blocks), len(codec.networks) - 1)
    codes: list[np.ndarray] = [np.zeros(0, np.uint8)] * len(blocks)
    todo = np.arange(len(blocks))
    for number, network in enumerate(codec.networks):
        bits = encode(network, blocks[todo])
        if config.search_steps:
            bits = search_codes(network, blocks[todo], bits, config.search_steps, target_error)
        good = block_errors(blocks[todo], decode(network, bits)) <= target_error
        settled = good | (number == len(codec.networks) - 1)
        for place in np.flatnonzero(settled).tolist():
            chosen[todo[place]], codes[todo[place]] = number, bits[place]
        todo = todo[~settled]
    return chosen, codes


def blocks_of(codec: BlockCodec, pictures: CodedPictures) -> np.ndarray:
    """uint8 (B, 32, 32, 3): the decoded blocks of a stream."""
    blocks = np.zeros((len(pictures.chosen), BLOCK_PX, BLOCK_PX, 3), np.uint8)
    for number, network in enumerate(codec.networks):
        rows = np.flatnonzero(pictures.chosen == number)
        if len(rows):
            blocks[rows] = decode(network, np.stack([pictures.codes[row] for row in rows.tolist()]))
    return blocks

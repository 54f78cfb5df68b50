"""The bytes of coded pictures: which network each block took, the codes, the pictures' sizes (seeds_digest G).

    "MTMCBLK1"  codec digest (16)  number of pictures (u32)  bytes of sizes (u32), sizes  indicator table (4 u16)
    bytes of indicators (u32), indicators  codes  CRC-32 of all before (u32)                     little-endian

Blocks are in raster order, picture by picture; the codes of all blocks follow each other as one sequence of bits, each
coded as its difference to the one before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.archive.bit_coder import SCALE, change_table, decode_bits, encode_bits
from mtmc.archive.blocks import grid_of
from mtmc.errors import InputError, IntegrityError

MAGIC = b"MTMCBLK1"
_HEAD = struct.Struct("<8s16sII")
_TABLE = struct.Struct("<4H")
_LENGTH = struct.Struct("<I")
_REMEDY = "Read the archive from another copy."
_LARGEST_SIDE = 65_535


@dataclass(frozen=True, eq=False)
class CodedPictures:
    """What a stream holds. shapes_hw: int64 (P, 2). chosen: int64 (B,), the network of each block. codes: B uint8
    arrays, the bits of each."""

    shapes_hw: np.ndarray
    chosen: np.ndarray
    codes: tuple[np.ndarray, ...]


def write_stream(pictures: CodedPictures, changes: Sequence[np.ndarray], digest: bytes) -> bytes:
    """The stream. changes: of each network, uint16 (n, 2). Raises `InputError` for a side above 65,535."""
    if pictures.shapes_hw.max(initial=0) > _LARGEST_SIDE:
        raise InputError("picture", f"sides up to {_LARGEST_SIDE}", str(int(pictures.shapes_hw.max())))
    sizes = zlib.compress(_delta(pictures.shapes_hw), 9)
    flags = _indicator_bits(pictures.chosen)
    table = change_table(flags, np.arange(len(flags)) % 2, 2)
    indicators = encode_bits(flags, np.arange(len(flags)) % 2, table)
    bits = np.concatenate([np.zeros(0, np.uint8), *pictures.codes])
    codes = encode_bits(bits, _rows_of(pictures.chosen, changes), _joined(changes))
    body = b"".join([
        _HEAD.pack(MAGIC, digest, len(pictures.shapes_hw), len(sizes)), sizes, _TABLE.pack(*table.ravel().tolist()),
        _LENGTH.pack(len(indicators)), indicators, codes,
    ])  # fmt: skip
    return body + _LENGTH.pack(zlib.crc32(body))


def read_stream(data: bytes, changes: Sequence[np.ndarray], digest: bytes) -> CodedPictures:
    """Undoes `write_stream`. Raises `IntegrityError` for anything but its bytes, and for another codec's."""
    if len(data) < _HEAD.size + _LENGTH.size or data[:8] != MAGIC:
        raise IntegrityError("coded pictures", f"a stream that begins with {MAGIC.decode()}", f"{data[:8]!r}", _REMEDY)
    if zlib.crc32(data[:-4]) != _LENGTH.unpack(data[-4:])[0]:
        raise IntegrityError("coded pictures", "the bytes as they were written", "another checksum", _REMEDY)
    _, own, count, length = _HEAD.unpack_from(data)
    if own != digest:
        raise IntegrityError("coded pictures", f"the codec {own.hex()}", f"the codec {digest.hex()}",
                             "Give the codec that they were written with (--codec).")
    try:
        return _read(memoryview(data)[_HEAD.size : -4], count, length, changes)
    except (struct.error, zlib.error, ValueError, IndexError) as error:
        if isinstance(error, IntegrityError):
            raise
        raise IntegrityError("coded pictures", "a whole stream", str(error), _REMEDY) from error


def _read(body: memoryview, count: int, length: int, changes: Sequence[np.ndarray]) -> CodedPictures:
    shapes = _undelta(zlib.decompress(bytes(body[:length])), count)
    table = np.array(_TABLE.unpack_from(body, length), np.uint16).reshape(2, 2)
    if table.min() < 1 or table.max() >= SCALE:
        raise IntegrityError("coded pictures", f"probabilities of 1 to {SCALE - 1}", str(table.ravel()), _REMEDY)
    place = length + _TABLE.size
    (size,) = _LENGTH.unpack_from(body, place)
    place += _LENGTH.size
    blocks = sum(int(np.prod(grid_of((h, w)))) for h, w in shapes.tolist())
    flags = decode_bits(bytes(body[place : place + size]), np.arange(2 * blocks) % 2, table).reshape(-1, 2)
    chosen = flags[:, 0].astype(np.int64) * 2 + flags[:, 1]
    if chosen.max(initial=0) >= len(changes):
        raise IntegrityError("coded pictures", f"networks below {len(changes)}", str(int(chosen.max())), _REMEDY)
    bits = decode_bits(bytes(body[place + size :]), _rows_of(chosen, changes), _joined(changes))
    lengths = np.array([len(table) for table in changes], np.int64)[chosen]
    return CodedPictures(shapes, chosen, tuple(np.split(bits, np.cumsum(lengths)[:-1])) if blocks else ())


def _indicator_bits(chosen: np.ndarray) -> np.ndarray:
    return np.stack([chosen >> 1, chosen & 1], axis=1).astype(np.uint8).ravel()


def _rows_of(chosen: np.ndarray, changes: Sequence[np.ndarray]) -> np.ndarray:
    """The row of the joined tables for every bit of every block."""
    lengths = np.array([len(table) for table in changes], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = [np.arange(starts[i], starts[i] + lengths[i]) for i in range(len(lengths))]
    return np.concatenate([np.zeros(0, np.int64), *(rows[i] for i in chosen.tolist())])


def _joined(changes: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(changes)


def _delta(shapes_hw: np.ndarray) -> bytes:
    """Heights, then widths, each as its difference to the one before: crops of a tracklet are much alike."""
    return np.diff(shapes_hw.T, prepend=0, axis=1).astype("<i4").tobytes()


def _undelta(data: bytes, count: int) -> np.ndarray:
    differences = np.frombuffer(data, "<i4").astype(np.int64)
    if len(differences) != 2 * count:
        raise ValueError(f"{len(differences)} numbers for {count} sizes")
    shapes = np.cumsum(differences.reshape(2, count), axis=1).T
    if shapes.min(initial=0) < 0 or shapes.max(initial=0) > _LARGEST_SIDE:
        raise ValueError("sizes out of range")
    return shapes

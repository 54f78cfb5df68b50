"""ShuffleBits: the 32 bits of every float32 put into another order (Ni, dissertation 2.4, and "On the privacy of
features"; public code nixingyang/ShuffleBits).

A value has bits a_1 … a_32, a_1 being the sign. The key is a bijection f of the 32 places: b_f(i) = a_i; the way back
is g = f^-1, c_g(j) = b_j, so that c = a exactly. Left and right rotation are one such pair.

**This is obfuscation, not encryption**: whoever has five chosen values under a key has the key, equal keys leave
vectors comparable without it, and one row of 2048 values often betrays its key (docs/privacy.md). It is offered only
inside AES-256-GCM, and a key is used once (`key_ledger`).

Everything works on integer views: a scrambled pattern is often a NaN, whose payload a cast to float or text destroys.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mtmc.errors import InputError

if TYPE_CHECKING:
    from mtmc.privacy.key_ledger import KeyLedger

BITS = 32


@dataclass(frozen=True)
class ShuffleKey:
    """places[i] = f(i): where bit i goes, counted from 0, the sign, to 31, the lowest bit of the mantissa."""

    places: tuple[int, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if sorted(self.places) != list(range(BITS)):
            raise InputError("ShuffleBits key", f"the places 0 to {BITS - 1}, each once", "something else")

    @classmethod
    def random(cls) -> ShuffleKey:
        """One of the 32! = 2.6e35 keys, from the operating system's generator."""
        places = list(range(BITS))
        secrets.SystemRandom().shuffle(places)
        return cls(tuple(places))

    @property
    def inverse(self) -> ShuffleKey:
        """g = f^-1."""
        return ShuffleKey(tuple(int(i) for i in np.argsort(self.places)))

    @property
    def key_id(self) -> str:
        """32 hexadecimal digits; two keys have the same only where they are the same permutation."""
        return hashlib.sha256(b"ShuffleBits" + bytes(self.places)).hexdigest()[:32]


def scramble(values: np.ndarray, key: ShuffleKey, ledger: KeyLedger) -> np.ndarray:
    """float32 of any shape → int32 of that shape. The key is entered into the ledger first.

    Raises `IntegrityError` where the key was used before, and `InputError` for anything but float32: a cast would
    change bits.
    """
    if values.dtype != np.float32:
        raise InputError("ShuffleBits", "float32 values", str(values.dtype))
    ledger.use(key)
    return permute_bits(np.ascontiguousarray(values).view(np.uint32), key).view(np.int32)


def unscramble(scrambled: np.ndarray, key: ShuffleKey) -> np.ndarray:
    """int32 of any shape, as `scramble` gave it under `key` → the float32 values, bit for bit.

    Raises `InputError` for anything but int32: what went through a float has lost its NaN payloads.
    """
    if scrambled.dtype != np.int32:
        raise InputError("ShuffleBits", "int32, as it was scrambled", str(scrambled.dtype))
    return permute_bits(np.ascontiguousarray(scrambled).view(np.uint32), key.inverse).view(np.float32)


def permute_bits(words: np.ndarray, key: ShuffleKey) -> np.ndarray:
    """uint32 of any shape → the same words with bit i at place key.places[i] (place 0 is the highest bit).

    By four tables of 256 words, one for each byte: 32 shifts of the whole array are ten times slower.
    """
    tables = _byte_tables(key)
    permuted = tables[0][words >> 24]
    for number in (1, 2, 3):
        permuted |= tables[number][(words >> (24 - 8 * number)) & 255]
    return np.asarray(permuted, dtype=np.uint32)


def permute_bits_torch(words: Any, key: ShuffleKey) -> Any:
    """`permute_bits` as torch operations on an int32 tensor, so that features can leave a GPU scrambled
    (`features.view(torch.int32)`). A right shift of int32 copies the sign: every bit is masked after it."""
    import torch

    if words.dtype != torch.int32:
        raise InputError("ShuffleBits", "an int32 tensor (features.view(torch.int32))", str(words.dtype))
    permuted = torch.zeros_like(words)
    for i, place in enumerate(key.places):
        permuted |= ((words >> (BITS - 1 - i)) & 1) << (BITS - 1 - place)
    return permuted


def _byte_tables(key: ShuffleKey) -> np.ndarray:
    """uint32 (4, 256): what byte value v at byte position p (0 the highest) becomes."""
    bits = (np.arange(256)[:, None] >> np.arange(7, -1, -1)) & 1  # (256, 8), highest first
    weights = np.uint32(1) << (BITS - 1 - np.array(key.places, np.uint32)).reshape(4, 8)
    return np.stack([(bits.astype(np.uint32) * row).sum(axis=1, dtype=np.uint32) for row in weights])

"""The entropy coder gives every bit back, costs what the entropy says, and notices what was changed."""

from __future__ import annotations

import numpy as np
import pytest

from mtmc.archive.bit_coder import SCALE, change_table, decode_bits, encode_bits, lanes_for
from mtmc.errors import IntegrityError


def material(count: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    bits = (r.random(count) < 0.3).astype(np.uint8)
    return bits, r.integers(0, rows, count), r.integers(1, SCALE, (rows, 2)).astype(np.uint16)


@pytest.mark.parametrize("count", [0, 1, 2, 31, 2047, 2048, 4096, 4097, 50_001])
def test_every_bit_comes_back(count: int) -> None:
    bits, rows, changes = material(count, 5, count)
    data = encode_bits(bits, rows, changes)
    np.testing.assert_array_equal(decode_bits(data, rows, changes), bits)
    assert data == encode_bits(bits, rows, changes)


@pytest.mark.parametrize("extreme", [1, SCALE - 1])
def test_certainties_that_turn_out_wrong_come_back_too(extreme: int) -> None:
    bits = np.random.default_rng(0).integers(0, 2, 500).astype(np.uint8)
    rows, changes = np.zeros(500, np.int64), np.full((1, 2), extreme, np.uint16)
    np.testing.assert_array_equal(decode_bits(encode_bits(bits, rows, changes), rows, changes), bits)


def test_the_size_is_the_entropy_of_the_differences() -> None:
    r = np.random.default_rng(1)
    bits = np.cumsum(r.random(400_000) < 0.05) % 2  # a bit in twenty differs from the one before
    bits, rows = bits.astype(np.uint8), np.zeros(400_000, np.int64)
    size = 8 * len(encode_bits(bits, rows, change_table(bits, rows, 1))) / len(bits)
    entropy = -(0.05 * np.log2(0.05) + 0.95 * np.log2(0.95))
    assert entropy * 0.99 < size < entropy * 1.07 + 0.01  # lanes cost four bytes each


def test_the_table_is_the_plain_count() -> None:
    bits, rows, _ = material(300, 3, 4)
    counted = np.full((3, 2), 0.5)
    seen = np.ones((3, 2))
    before = 0
    for bit, row in zip(bits.tolist(), rows.tolist(), strict=True):
        counted[row, before] += bit != before
        seen[row, before] += 1
        before = bit
    np.testing.assert_array_equal(change_table(bits, rows, 3), np.rint(counted / seen * SCALE).astype(np.uint16))
    assert change_table(np.zeros(0, np.uint8), np.zeros(0, np.int64), 2).tolist() == [[SCALE // 2] * 2] * 2


def test_what_was_changed_is_noticed_or_decodes_to_other_bits_never_hangs() -> None:
    bits, rows, changes = material(9000, 4, 7)
    data = encode_bits(bits, rows, changes)
    for cut in (0, 1, 3, len(data) // 2, len(data) - 2):
        with pytest.raises(IntegrityError):
            decode_bits(data[:cut], rows, changes)
    with pytest.raises(IntegrityError):
        decode_bits(data + b"\0\0", rows, changes)
    with pytest.raises(IntegrityError):
        decode_bits(b"12", np.zeros(0, np.int64), changes)
    noticed = 0
    for place in range(0, len(data), 97):
        broken = bytearray(data)
        broken[place] ^= 4
        try:
            assert not np.array_equal(decode_bits(bytes(broken), rows, changes), bits)
        except IntegrityError:
            noticed += 1
    assert noticed > 0


def test_lanes_grow_with_the_bits() -> None:
    assert [lanes_for(n) for n in (0, 1, 2048, 4096, 10**8)] == [1, 1, 1, 2, 4096]

"""Compact descriptors: what they hold, what they lose, and against plain twins."""

from __future__ import annotations

import numpy as np
import pytest

from mtmc.archive import binary_codes, product_codes
from mtmc.archive.bit_coder import change_table, decode_bits, encode_bits
from mtmc.archive.descriptors import CODERS, NAMES, DescriptorConfig, compress, restore
from mtmc.errors import ConfigError, InputError


def vehicles(count: int = 60, sights: int = 4, dimensions: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    ids = np.repeat(np.arange(count), sights)
    rows = r.normal(size=(count, dimensions))[ids] + 0.5 * r.normal(size=(count * sights, dimensions))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), ids


def rank_1(rows: np.ndarray, ids: np.ndarray) -> float:
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float((ids[apart.argmin(axis=1)] == ids).mean())


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 40])
def test_any_number_of_vectors_comes_back_as_unit_vectors(kind: str, count: int) -> None:
    rows = vehicles()[0][:count]
    found = restore(compress(rows, DescriptorConfig(kind)))
    assert found.shape == rows.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    again = compress(rows, DescriptorConfig(kind))
    np.testing.assert_array_equal(again.codes, compress(rows, DescriptorConfig(kind)).codes)


def test_equal_vectors_and_zeros() -> None:
    rows = np.tile(np.eye(4, dtype=np.float32)[:1], (5, 1))
    for kind in NAMES:
        np.testing.assert_allclose(restore(compress(rows, DescriptorConfig(kind))), rows, atol=1e-3)
    assert np.linalg.norm(restore(compress(np.zeros((1, 4), np.float32), DescriptorConfig("float16")))) == 1


def test_float32_is_exact_and_half_precision_nearly() -> None:
    rows, _ = vehicles()
    np.testing.assert_array_equal(restore(compress(rows, DescriptorConfig("float32"))), rows)
    assert np.abs(restore(compress(rows, DescriptorConfig("float16"))) - rows).max() < 1e-3


@pytest.mark.parametrize("kind", list(CODERS))
def test_retrieval_survives_and_more_room_loses_less(kind: str) -> None:
    rows, ids = vehicles(120, dimensions=32)
    sizes = {"principal": (4, 30), "product": (2, 16), "binary": (8, 32)}[kind]
    errors = [float(((restore(compress(rows, DescriptorConfig(kind, size))) - rows) ** 2).sum(axis=1).mean())
              for size in sizes]
    assert errors[1] < errors[0]
    assert rank_1(restore(compress(rows, DescriptorConfig(kind, sizes[1]))), ids) >= 0.95 * rank_1(rows, ids)


def test_sizes_are_what_is_said() -> None:
    rows, _ = vehicles(80)
    for kind, size in (("principal", 16), ("product", 8), ("binary", 32)):
        compact = compress(rows, DescriptorConfig(kind, size))
        assert compact.codes.nbytes == len(rows) * CODERS[kind].bytes_per_row(size)
        assert compact.nbytes > compact.codes.nbytes


def test_product_codes_are_the_nearest_words() -> None:
    rows, _ = vehicles(20)
    fitted = product_codes.fit(rows, 3, 0)
    codes = product_codes.encode(rows, fitted)
    points = ((rows - fitted["mean"]) @ fitted["axes"].astype(np.float32)).reshape(len(rows), 3, -1)
    for row in range(0, len(rows), 7):
        for part in range(3):
            apart = [((points[row, part] - word) ** 2).sum() for word in fitted["words"][part].astype(np.float32)]
            assert apart[codes[row, part]] == pytest.approx(min(apart), rel=1e-4, abs=1e-6)


def test_signs_keep_distances_in_order_of_hamming_distances() -> None:
    rows, _ = vehicles(20)
    fitted = binary_codes.fit(rows, 24, 0)
    codes = binary_codes.encode(rows, fitted)
    signs = np.unpackbits(codes, axis=1, count=24).astype(int)
    hamming = (signs[:, None] != signs[None]).sum(axis=2)
    decoded = binary_codes.decode(codes, fitted)
    apart = np.linalg.norm(decoded[:, None] - decoded[None], axis=2)
    np.testing.assert_allclose(apart**2, 4 * fitted["scale"] ** 2 * hamming, rtol=0.05, atol=1e-3)


def test_neighbouring_bits_agree_more_often_than_in_any_order_and_cost_less() -> None:
    r = np.random.default_rng(0)
    rows = (r.normal(size=(300, 6)) @ r.normal(size=(6, 40)) + 0.3 * r.normal(size=(300, 40))).astype(np.float32)
    bits = rows > 0
    order, flip = binary_codes._alike_order(bits)
    assert sorted(order.tolist()) == list(range(40))
    assert set(flip.tolist()) <= {1.0, -1.0}
    ordered = (np.where(bits, 1, -1)[:, order] * flip > 0).astype(np.uint8)

    def size(columns: np.ndarray) -> int:
        places = np.tile(np.arange(40), len(columns))
        table = change_table(columns.ravel(), places, 40)
        data = encode_bits(columns.ravel(), places, table)
        np.testing.assert_array_equal(decode_bits(data, places, table), columns.ravel())
        return len(data)

    assert size(ordered) < 0.95 * size(bits.astype(np.uint8))


def test_what_cannot_be_compressed_is_said() -> None:
    with pytest.raises(InputError, match="finite"):
        compress(np.full((2, 3), np.nan, np.float32), DescriptorConfig())
    with pytest.raises(ConfigError, match="product"):
        DescriptorConfig("prodct")
    with pytest.raises(ConfigError):
        DescriptorConfig("binary", -1)

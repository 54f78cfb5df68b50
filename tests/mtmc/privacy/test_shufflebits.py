"""ShuffleBits as published: bit for bit there and back, and a key once only (seeds_digest C4)."""

from __future__ import annotations

import math
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import InputError, IntegrityError
from mtmc.privacy.key_ledger import KeyLedger
from mtmc.privacy.shufflebits import BITS, ShuffleKey, permute_bits, permute_bits_torch, scramble, unscramble

SPECIAL = np.r_[
    np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38], np.float32).view(np.uint32),
    np.array([0x7F800001, 0xFFC12345, 0x00000001, 0xFFFFFFFF], np.uint32),  # NaN payloads, subnormals
]


def key_of(seed: int) -> ShuffleKey:
    return ShuffleKey(tuple(np.random.default_rng(seed).permutation(32).tolist()))


def patterns(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 2**32, count, dtype=np.uint64).astype(np.uint32)


def plain_twin(words: np.ndarray, key: ShuffleKey) -> np.ndarray:
    """b_f(i) = a_i, on strings of noughts and ones."""
    out = []
    for word in words.ravel().tolist():
        a, b = f"{word:032b}", [""] * 32
        for i in range(32):
            b[key.places[i]] = a[i]
        out.append(int("".join(b), 2))
    return np.array(out, np.uint32).reshape(words.shape)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 300])
def test_against_the_plain_twin(count: int) -> None:
    words = np.r_[patterns(count), SPECIAL[:count]]
    for seed in range(5):
        np.testing.assert_array_equal(permute_bits(words, key_of(seed)), plain_twin(words, key_of(seed)))


def test_round_trip_is_exact_for_every_pattern_over_50_keys() -> None:
    words = np.r_[SPECIAL, patterns(20_000)]
    for seed in range(50):
        key = key_of(seed)
        np.testing.assert_array_equal(permute_bits(permute_bits(words, key), key.inverse), words)


def test_the_illustrated_rotation() -> None:
    left = ShuffleKey(tuple((i - 1) % 32 for i in range(32)))
    one_and_a_half = np.array([1.5], np.float32).view(np.uint32)
    turned = permute_bits(one_and_a_half, left)
    assert turned[0] == 0x7F800000
    assert np.isinf(turned.view(np.float32)[0])
    assert permute_bits(turned, left.inverse).view(np.float32)[0] == 1.5
    assert left.inverse.places == tuple((i + 1) % 32 for i in range(32))


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (3, 5), (2, 3, 4)])
def test_values_come_back_through_integers(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.resize(SPECIAL, shape).view(np.float32) if math.prod(shape) else np.zeros(shape, np.float32)
    key = ShuffleKey.random()
    scrambled = scramble(values, key, KeyLedger(tmp_path / "used"))
    assert scrambled.dtype == np.int32
    assert scrambled.shape == shape
    np.testing.assert_array_equal(unscramble(scrambled, key).view(np.uint32), values.view(np.uint32))


def test_views_that_are_not_contiguous(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)[::2, ::-3]
    key = ShuffleKey.random()
    scrambled = scramble(values, key, KeyLedger(tmp_path / "used"))
    np.testing.assert_array_equal(unscramble(scrambled, key), values)


def test_no_cast_is_made_for_anybody(tmp_path: Path) -> None:
    key, ledger = ShuffleKey.random(), KeyLedger(tmp_path / "used")
    for dtype in (np.float64, np.float16, np.int32):
        with pytest.raises(InputError, match="float32"):
            scramble(np.zeros(3, dtype), key, ledger)
    for dtype in (np.float32, np.int64, np.uint32):
        with pytest.raises(InputError, match="int32"):
            unscramble(np.zeros(3, dtype), key)
    assert not (tmp_path / "used").exists()


def test_torch_gives_the_same_bits() -> None:
    torch = pytest.importorskip("torch")
    words = np.r_[SPECIAL, patterns(500)]
    key = key_of(3)
    tensor = torch.from_numpy(words.view(np.float32).copy()).view(torch.int32)
    scrambled = permute_bits_torch(tensor, key)
    np.testing.assert_array_equal(scrambled.numpy().view(np.uint32), permute_bits(words, key))
    assert torch.equal(permute_bits_torch(scrambled, key.inverse), tensor)
    with pytest.raises(InputError, match="int32 tensor"):
        permute_bits_torch(torch.zeros(3), key)


def test_the_number_of_keys() -> None:
    assert math.factorial(BITS) == pytest.approx(2.63e35, rel=1e-3)


def test_keys_are_permutations_drawn_afresh() -> None:
    assert math.factorial(32) == pytest.approx(2.63e35, rel=1e-3)
    keys = {ShuffleKey.random() for _ in range(100)}
    assert len(keys) == len({key.key_id for key in keys}) == 100
    for wrong in ((), tuple(range(31)), (*range(31), 30), tuple(range(1, 33))):
        with pytest.raises(InputError, match="each once"):
            ShuffleKey(wrong)
    assert "places" not in repr(ShuffleKey.random())


def test_a_key_is_refused_the_second_time(tmp_path: Path) -> None:
    values, key, ledger = np.ones((2, 3), np.float32), ShuffleKey.random(), KeyLedger(tmp_path / "used")
    scramble(values, key, ledger)
    scramble(values, ShuffleKey.random(), ledger)
    with pytest.raises(IntegrityError, match="used before"):
        scramble(values, key, KeyLedger(tmp_path / "used"))
    with pytest.raises(IntegrityError, match="used before"):
        ledger.use(ShuffleKey(key.places))
    assert len((tmp_path / "used").read_text().splitlines()) == 2
    assert str(key.places) not in (tmp_path / "used").read_text()


def test_a_ledger_that_was_cut_in_a_line_goes_on(tmp_path: Path) -> None:
    path, first = tmp_path / "used", ShuffleKey.random()
    KeyLedger(path).use(first)
    path.write_bytes(path.read_bytes() + b"0123")
    second = ShuffleKey.random()
    KeyLedger(path).use(second)
    assert path.read_text().split() == [first.key_id, "0123", second.key_id]
    for key in (first, second):
        with pytest.raises(IntegrityError):
            KeyLedger(path).use(key)


def _use_many(path: Path, seed: int) -> int:
    refused = 0
    for number in range(20):
        try:
            KeyLedger(path).use(key_of(number))
        except IntegrityError:
            refused += 1
    return refused


def test_processes_share_a_ledger(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        refused = pool.starmap(_use_many, [(tmp_path / "used", seed) for seed in range(3)])
    assert sum(refused) == 40  # each of the twenty keys was taken once
    assert len(set((tmp_path / "used").read_text().split())) == 20

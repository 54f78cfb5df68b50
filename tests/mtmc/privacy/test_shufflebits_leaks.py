"""What ShuffleBits does not hide, measured: the reasons why it is offered inside AES only (seeds_digest C4)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mtmc.privacy.shufflebits import ShuffleKey, permute_bits


def key_of(seed: int) -> ShuffleKey:
    return ShuffleKey(tuple(np.random.default_rng(seed).permutation(32).tolist()))


def unit(z: np.ndarray) -> np.ndarray:
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


def world(ids: int, dimensions: int, nonnegative: bool, seed: int, noise: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Query and gallery vectors of the same vehicles, row by row; the digest's own data."""
    r = np.random.default_rng(seed)
    centre = r.normal(size=(ids, dimensions))
    q = centre + noise * r.normal(size=centre.shape)
    g = centre + noise * r.normal(size=centre.shape)
    if nonnegative:
        q, g = np.maximum(q, 0) + 0.01 * r.random(q.shape), np.maximum(g, 0) + 0.01 * r.random(g.shape)
    return unit(q), unit(g)


def enc(x: np.ndarray, key: ShuffleKey) -> np.ndarray:
    return permute_bits(np.ascontiguousarray(x).view(np.uint32), key)


def dec(words: np.ndarray, key: ShuffleKey) -> np.ndarray:
    return permute_bits(words, key.inverse).view(np.float32)


def rank_1(q: np.ndarray, g: np.ndarray) -> float:
    def usable(z: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # what a wrong key gives is often a signalling NaN
            z = np.nan_to_num(z.astype(np.float64), nan=0, posinf=0, neginf=0)
        z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-300)
        z[np.abs(z) < 1e-100] = 0  # products of such values are subnormal, which is slow and changes no rank
        return z

    return float(((usable(q) @ usable(g).T).argmax(axis=1) == np.arange(len(q))).mean())


def bits(words: np.ndarray) -> np.ndarray:
    """(…, 32) of 0 and 1, the sign first."""
    return (words[..., None] >> np.arange(31, -1, -1, dtype=np.uint32)) & 1


def hamming_rank_1(a: np.ndarray, b: np.ndarray) -> float:
    x, y = (bits(words).reshape(len(words), -1).astype(np.float32) for words in (a, b))
    differing = x @ (1 - y).T + (1 - x) @ y.T
    return float((differing.argmin(axis=1) == np.arange(len(a))).mean())


@pytest.mark.parametrize("nonnegative", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_right_key_changes_nothing_and_wrong_keys_mostly_fail(nonnegative: bool, seed: int) -> None:
    """Not every wrong key is at chance: the digest's worst single one reached .58."""
    q, g = world(100, 512, nonnegative, seed)
    key = key_of(0)
    sealed = enc(g, key)
    assert rank_1(q, g) >= 0.95
    np.testing.assert_array_equal(dec(sealed, key), g)
    wrong = [rank_1(q, dec(sealed, key_of(100 + s))) for s in range(40)]
    assert np.median(wrong) <= 2 / 100
    assert np.mean(wrong) <= 0.1


@pytest.mark.parametrize("nonnegative", [True, False])
def test_one_key_on_both_sides_links_vehicles_without_any_key(nonnegative: bool) -> None:
    """Hamming distance does not see a permutation: the reason why a used key is refused."""
    q, g = world(100, 1024, nonnegative, 1)
    key = key_of(0)
    assert hamming_rank_1(enc(q, key), enc(g, key)) == hamming_rank_1(q.view(np.uint32), g.view(np.uint32)) > 0.7
    fresh = np.stack([enc(row, key_of(1000 + i)) for i, row in enumerate(g)])
    assert hamming_rank_1(enc(q, key), fresh) < 0.1


def test_zero_stays_zero_and_the_number_of_ones_stays() -> None:
    words = np.random.default_rng(0).integers(0, 2**32, 1000, dtype=np.uint64).astype(np.uint32)
    for seed in range(10):
        assert not permute_bits(np.zeros(4, np.uint32), key_of(seed)).any()
        np.testing.assert_array_equal(np.bitwise_count(permute_bits(words, key_of(seed))), np.bitwise_count(words))


def test_five_chosen_values_are_the_key() -> None:
    """Bit j of place i, for the five j: 32 different columns of five bits, each of which turns up at its new place."""
    chosen = np.array([sum(((i >> j) & 1) << (31 - i) for i in range(32)) for j in range(5)], np.uint32)
    for seed in range(20):
        seen = bits(permute_bits(chosen, key_of(seed)))  # (5, 32)
        came_from = (seen * (1 << np.arange(5))[:, None]).sum(axis=0)
        assert ShuffleKey(tuple(int(i) for i in came_from)) == key_of(seed).inverse


def test_one_known_vector_reads_the_others_under_its_key() -> None:
    """Reliability S11: 49 of 50 in its measurement. Columns of bits of 2048 values are nearly all different."""
    vectors = unit(np.random.default_rng(0).standard_normal((40, 2048)))
    read = 0
    for trial in range(20):
        key = key_of(trial)
        known, seen = bits(vectors[trial].view(np.uint32)), bits(enc(vectors[trial], key))
        places = {}
        for place in range(32):
            places.setdefault(seen[:, place].tobytes(), []).append(place)
        found = ShuffleKey(tuple(places[known[:, i].tobytes()].pop(0) for i in range(32)))
        read += np.array_equal(dec(enc(vectors[20 + trial], key), found), vectors[20 + trial])
    assert read >= 18


def test_a_changed_bit_is_not_noticed_but_is_one_wrong_value() -> None:
    q, _ = world(10, 64, False, 1)
    key = key_of(0)
    sealed = enc(q, key)
    sealed[0, 5] ^= 1
    assert (dec(sealed, key).view(np.uint32) != q.view(np.uint32)).sum() == 1


def frequency_key(sealed: np.ndarray, reference: np.ndarray) -> ShuffleKey:
    """The permutation under which the share of ones at every place looks most like the reference's."""
    expected, found = (np.arcsin(np.sqrt(bits(w).reshape(-1, 32).mean(axis=0))) for w in (reference, sealed))
    places = linear_sum_assignment((expected[:, None] - found[None]) ** 2)[1]
    return ShuffleKey(tuple(places.tolist()))


def test_a_reused_key_falls_to_bit_frequencies() -> None:
    q, g = world(200, 512, True, 1)
    reference, _ = world(200, 512, True, 7)
    sealed = enc(g, key_of(0))
    guessed = frequency_key(sealed, reference.view(np.uint32))
    # The exponent but for its two high bits, which are the same in all these values.
    assert (guessed.places[:1], guessed.places[4:9]) == (key_of(0).places[:1], key_of(0).places[4:9])
    assert rank_1(q, dec(sealed, guessed)) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("nonnegative", "dimensions", "expected"), [
    (True, 2048, 0.70), (True, 512, 0.23), (False, 2048, 0.15), (False, 512, 0.05),
])  # fmt: skip
def test_one_row_betrays_its_own_fresh_key(nonnegative: bool, dimensions: int, expected: float) -> None:
    """Without reuse and without a truth: each of 100 rows is broken from itself alone (chance .01)."""
    q, g = world(100, dimensions, nonnegative, 1)
    reference, _ = world(300, dimensions, nonnegative, 7)
    low, high = np.quantile(reference, [0.0005, 0.9995])
    levels = np.linspace(0.01, 0.99, 50)
    wanted, rows = np.quantile(reference, levels), []
    for i in range(len(g)):
        sealed = enc(g[i], key_of(5000 + i))
        first = frequency_key(sealed, reference.view(np.uint32))
        guesses = [first] if nonnegative else [_with_sign_at(first, k) for k in range(32)]
        values = [np.clip(np.nan_to_num(dec(sealed, guess).astype(np.float64), nan=0, posinf=high, neginf=low), low,
                          high) for guess in guesses]  # fmt: skip
        rows.append(min(values, key=lambda v: float(np.abs(np.quantile(v, levels) - wanted).sum())))
    mean = reference.mean(axis=0)
    a, b = q - mean, np.array(rows) - mean
    alike = np.abs(a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1))
    assert (alike.argmax(axis=1) == np.arange(100)).mean() == pytest.approx(expected, abs=0.025)


def _with_sign_at(key: ShuffleKey, k: int) -> ShuffleKey:
    places = list(key.places)
    places[0], places[k] = places[k], places[0]
    return ShuffleKey(tuple(places))


@pytest.mark.slow
@pytest.mark.parametrize(("nonnegative", "linked", "wrong_mean", "wrong_max"), [
    (True, 0.945, 0.0085, 0.05), (False, 1.0, 0.0525, 0.445),
])  # fmt: skip
def test_the_figures_of_the_digest(nonnegative: bool, linked: float, wrong_mean: float, wrong_max: float) -> None:
    """200 vehicles, 2048 dimensions, with the digest's own keys."""
    r = np.random.default_rng(0)
    r.integers(0, 2**32, 20_000, dtype=np.uint64)
    for _ in range(1 if nonnegative else 2):
        key = ShuffleKey(tuple(r.permutation(32).tolist()))
    q, g = world(200, 2048, nonnegative, 1)
    assert rank_1(q, g) == rank_1(q, dec(enc(g, key), key)) == 1.0
    wrong = [rank_1(q, dec(enc(g, key), key_of(100 + s))) for s in range(10)]
    assert np.mean(wrong) == pytest.approx(wrong_mean, abs=1e-4)
    assert np.max(wrong) == pytest.approx(wrong_max, abs=1e-4)
    assert hamming_rank_1(enc(q, key), enc(g, key)) == pytest.approx(linked, abs=1e-4)

"""The search for travel times, held to the same sums written as loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mtmc.matching.structure import BINS, SHARES, WIDTHS, LagGrid, Ways, both_ways, find_structure, heard, lag_grid
from mtmc.matching.travel import TravelConfig, per_second


def slow_log_factors(times_s: np.ndarray, rows: np.ndarray, ratios: np.ndarray, ends_s: np.ndarray, last_s: float,
                     grid: LagGrid, prior: np.ndarray, ways: Ways) -> tuple[float, float]:
    """Bayes factors of passages in one window, and at any time, by the definition: a mean over all hypotheses."""
    bins = grid.bins_of(times_s)
    beliefs = {-1: 0.5 if len(ways.sizes) else 1.0} | {z: 0.5 / len(ways.sizes) for z in range(len(ways.sizes))}
    exits = {-1: 0.5 if ways.exit_count else 1.0} | {z: 0.5 / ways.exit_count for z in range(ways.exit_count)}
    window_sum = anywhere_sum = 0.0
    for (entry, p_entry), (out, p_exit) in itertools.product(beliefs.items(), exits.items()):
        rarer = 1.0 if entry < 0 else ways.total / ways.sizes[entry]
        density = np.zeros((len(ends_s), BINS))
        for pair in range(len(rows)):
            if entry in (-1, ways.entries[pair]):
                seconds = per_second(times_s[pair:pair + 1])[0]
                density[rows[pair], bins[pair]] += rarer * ratios[pair] * seconds / grid.step
        passes = [row for row in range(len(ends_s)) if out in (-1, ways.exits[row])]
        seen = ends_s[:, None] + grid.middles_s[None] <= last_s
        for share in SHARES:
            product = 1.0
            for row in passes:
                product *= 1 + share * float(((density[row] - seen[row]) * prior).sum())
            anywhere_sum += p_entry * p_exit * product / len(SHARES)
        for width in WIDTHS:
            begins = range(0, BINS - width + 1, max(1, width // 4))
            total = sum(prior[b:b + width].mean() for b in begins)
            for begin, share in itertools.product(begins, SHARES):
                product = 1.0
                for row in passes:
                    product *= 1 + share * float((density[row] - seen[row])[begin:begin + width].mean())
                belief = prior[begin:begin + width].mean() / total / len(WIDTHS) / len(SHARES)
                window_sum += p_entry * p_exit * belief * product
    return float(np.log(window_sum)), float(np.log(anywhere_sum))


@pytest.mark.parametrize(("n", "m", "zones"), [(0, 0, 0), (1, 1, 0), (3, 4, 0), (4, 5, 2)])
def test_the_factors_are_the_mean_over_all_hypotheses(n: int, m: int, zones: int) -> None:
    rng = np.random.default_rng(n + m)
    ends_s = np.sort(rng.uniform(0, 100, n))
    starts_s = np.sort(rng.uniform(0, 150, m))
    rows, columns = (part.ravel() for part in np.mgrid[:n, :m])
    ratios = np.exp(rng.normal(0, 1, n * m)) * 10
    sizes = np.bincount(rng.integers(0, zones, m), minlength=zones) + 1 if zones else np.zeros(0, np.int64)
    ways = Ways(rng.integers(-1, zones, n), zones, rng.integers(-1, zones, m)[columns], sizes, m + zones)
    grid = lag_grid(TravelConfig())
    arguments = (starts_s[columns] - ends_s[rows], rows, ratios, ends_s, 150.0, grid, grid.prior, ways)
    found = find_structure(*arguments)
    window, anywhere = slow_log_factors(*arguments)
    assert found.log_window == pytest.approx(window, abs=1e-9)
    assert found.log_anywhere == pytest.approx(anywhere, abs=1e-9)
    assert (found.density * grid.step).sum() == pytest.approx(1.0, abs=1e-3)
    assert len(found.exit_shares) == len(found.entry_shares) == zones + 1


def street(passing: bool, seed: int) -> tuple[np.ndarray, ...]:
    """40 vehicles leave, half by zone 0 towards a camera that sees as many others: all later pairs, looks unknown."""
    rng = np.random.default_rng(seed)
    ends_s = np.sort(rng.uniform(0, 300, 40))
    exits = np.arange(40) % 2
    onward = ends_s[exits == 0] + rng.normal(14, 0.5, 20) if passing else rng.uniform(0, 300, 20)
    starts_s = np.concatenate([onward, rng.uniform(0, 300, 20)])
    entries = np.arange(40) // 20
    rows, columns = (part.ravel() for part in np.mgrid[:40, :40])
    later = starts_s[columns] > ends_s[rows]
    rows, columns = rows[later], columns[later]
    return starts_s[columns] - ends_s[rows], rows, np.full(len(rows), 300 / 40), ends_s, exits, entries[columns]


@pytest.mark.parametrize("seed", range(5))
def test_zones_show_passages_that_times_alone_do_not(seed: int) -> None:
    grid = lag_grid(TravelConfig())
    for passing in (True, False):
        times_s, rows, ratios, ends_s, exits, entries = street(passing, seed)
        ways = Ways(exits, 2, entries, np.array([20, 20]), 40)
        plain = find_structure(times_s, rows, ratios, ends_s, 320.0, grid, grid.prior)
        zoned = find_structure(times_s, rows, ratios, ends_s, 320.0, grid, grid.prior, ways)
        if not passing:
            assert zoned.log_window < 3
            continue
        assert zoned.log_window > max(5.0, plain.log_window)
        assert zoned.exit_shares[0] > 0.6 > 0.2 > zoned.exit_shares[1]
        assert grid.middles_s[zoned.density.argmax()] == pytest.approx(14, abs=3)


def test_the_way_back_speaks_for_the_way_there() -> None:
    alone = both_ways(np.array([0.0]), np.array([-1]), 0.25)
    assert alone == pytest.approx([0.25])
    there, back = both_ways(np.array([0.0, 6.0]), np.array([1, 0]), 0.25)
    assert there > 0.6
    assert back > 0.9
    there, back = both_ways(np.array([0.0, -6.0]), np.array([1, 0]), 0.25)
    assert there < 0.25
    for prior in (0.05, 0.3, 0.6):  # without evidence nothing is learned
        assert both_ways(np.zeros(2), np.array([1, 0]), prior) == pytest.approx([prior] * 2)
    grid = lag_grid(TravelConfig())
    back = np.zeros(BINS)
    back[70] = 1.0
    belief = heard(grid.prior, back, 1.0)
    assert belief.sum() == pytest.approx(1.0)
    assert abs(int(belief.argmax()) - 70) <= 1
    assert heard(grid.prior, back, 0.0) == pytest.approx(grid.prior)

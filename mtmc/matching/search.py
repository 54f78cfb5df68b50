"""Pairs of a gallery too large to look at all of them: first which cameras share vehicles and after how long, from a
part of their tracklets, then only the pairs inside those travel times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from mtmc.camera_rules import CameraRules
from mtmc.matching.appearance import START_SLOPES
from mtmc.matching.likeness import Likeness
from mtmc.matching.structure import BINS, WIDTHS, LagGrid, Structure, find_structure
from mtmc.matching.travel import from_u, per_second
from mtmc.tracklets import TrackletTable

RUNS, RUN_LENGTH = 5, 60  # tracklets of a camera that are held against every other one: runs of neighbours in time
STANDS_OUT = 3.5  # standard deviations by which a window must stand out to be looked at closely
LARGEST_RATIO = 50.0  # one lucky pair must not make a window
OPEN_PAIRS = 1_000_000  # pairs of cameras without clear evidence stay open, those of little traffic first, up to this
LEAST_CONNECTED = 0.2
TELLS_NOTHING = 60  # tracklets of a camera; where there are more, passages that are worth looking for show
MARGIN_U = 0.35  # widening of a window at both ends: a third of a long travel time
ROWS_AT_ONCE = RUN_LENGTH


@dataclass(frozen=True, eq=False)
class Window:
    """Travel times of one directed pair of cameras in which pairs are looked at, and how it came to be."""

    low_s: float
    high_s: float


def rows_by_start(table: TrackletTable) -> list[np.ndarray]:
    """The rows of every camera, in order of their starts."""
    groups = [np.flatnonzero(table.camera_rows == camera) for camera in range(len(table.camera_ids))]
    return [rows[np.argsort(table.start_s[rows], kind="stable")] for rows in groups]


def time_blocks(table: TrackletTable, rows: np.ndarray, others: np.ndarray, low_s: float,
                high_s: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of `rows` and the `others` that may start `low_s` to `high_s` after one of them ends.

    Both are rows of one camera each, in order of their starts. Every pair inside the bounds is in one block; a block
    has others besides.
    """
    starts = table.start_s[others]
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        own = rows[begin:begin + ROWS_AT_ONCE]
        first = np.searchsorted(starts, float(table.end_s[own].min()) + low_s)
        last = np.searchsorted(starts, float(table.end_s[own].max()) + high_s, "right")
        if last > first:
            yield own, others[first:last]


def search_windows(table: TrackletTable, likeness: Likeness, rules: CameraRules, rates: np.ndarray, grid: LagGrid,
                   max_travel_s: float) -> dict[tuple[int, int], Window]:
    """For every directed pair of cameras that may share vehicles, the travel times to look at."""
    rows = rows_by_start(table)
    level = _level(likeness, len(table))
    pairs = [(a, b) for a in range(len(rows)) for b in range(len(rows)) if a != b and len(rows[a]) and len(rows[b])]
    windows: dict[tuple[int, int], Window] = {}
    found: dict[tuple[int, int], Structure] = {}
    sizes: dict[tuple[int, int], float] = {}
    for a, b in pairs:
        rule = rules.rule(table.camera_ids[a], table.camera_ids[b])
        if rule is not None or rules.only_listed:
            if rule is not None and rule.allowed:
                windows[a, b] = Window(rule.min_s, min(rule.max_s, max_travel_s))
            continue
        queries = query_rows(rows[a])
        lags, places, ratios = _ratios(table, likeness, queries, rows[b], rates, level, max_travel_s)
        last_s = float(table.end_s[rows[b]].max())
        sizes[a, b] = len(lags) * len(rows[a]) / len(queries)
        if stands_out(table, queries, last_s, lags, ratios, grid):
            found[a, b] = find_structure(lags, places, ratios, table.end_s[queries], last_s, grid, grid.prior)
    windows |= _windows(found, len(pairs), grid)
    few = {(a, b): size for (a, b), size in sizes.items()
           if (a, b) not in windows and min(len(rows[a]), len(rows[b])) < TELLS_NOTHING}
    return windows | _left_open(few, max_travel_s)


def query_rows(rows: np.ndarray) -> np.ndarray:
    """All of `rows` where they are few, else `RUNS` runs of `RUN_LENGTH` neighbours, spread evenly."""
    if len(rows) <= RUNS * RUN_LENGTH:
        return rows
    starts = np.linspace(0, len(rows) - RUN_LENGTH, RUNS).astype(np.int64)
    return np.concatenate([rows[start:start + RUN_LENGTH] for start in starts])


def _level(likeness: Likeness, m: int) -> float:
    """Log of the mean ratio of random pairs, with the start's slope put on the tracklet distance alone."""
    rng = np.random.default_rng(0)
    u, v = rng.integers(0, m, 20_000), rng.integers(0, m, 20_000)
    other = likeness.cameras[u] != likeness.cameras[v]
    z = likeness.of_pairs(u[other], v[other])
    return float(np.log(np.exp(np.clip(START_SLOPES.sum() * z, -30, 30)).mean())) if other.any() else 0.0


def _ratios(table: TrackletTable, likeness: Likeness, queries: np.ndarray, others: np.ndarray, rates: np.ndarray,
            level: float, max_travel_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lags of all pairs in time, the place of each among the queries, and its likelihood ratio over the rate."""
    lags, places, ratios = [np.zeros(0)], [np.zeros(0, np.int64)], [np.zeros(0)]
    longest = float((table.end_s[queries] - table.start_s[queries]).max())
    for own, near in time_blocks(table, queries, others, -longest, max_travel_s):
        place = int(np.searchsorted(queries, own[0]))
        lag = table.start_s[near][None] - table.end_s[own][:, None]
        inside = (lag < max_travel_s) & (table.start_s[near][None] >= table.start_s[own][:, None])
        ratio = np.exp(np.clip(START_SLOPES.sum() * likeness.of_block(own, near) - level, -12, np.log(LARGEST_RATIO)))
        i, j = np.nonzero(inside)
        lags.append(lag[i, j])
        places.append(i + place)
        ratios.append(ratio[i, j] / rates[near[j]])
    return np.concatenate(lags), np.concatenate(places), np.concatenate(ratios)


def stands_out(table: TrackletTable, queries: np.ndarray, last_s: float, lags: np.ndarray, ratios: np.ndarray,
               grid: LagGrid) -> bool:
    """Whether the summed evidence of some window is far above what no passage would give: a cheap first look."""
    weight = ratios * per_second(lags)
    bins = grid.bins_of(lags)
    sums = np.concatenate([[0.0], np.bincount(bins, weight, minlength=BINS).cumsum()])
    squares = np.concatenate([[0.0], np.bincount(bins, weight**2, minlength=BINS).cumsum()])
    ends = np.sort(table.end_s[queries])
    visible = np.searchsorted(ends, last_s - grid.middles_s, "right").astype(np.float64)
    expected = np.concatenate([[0.0], (visible * grid.step).cumsum()])
    for width in WIDTHS:
        gain = (sums[width:] - sums[:-width]) - (expected[width:] - expected[:-width])
        noise = np.sqrt(squares[width:] - squares[:-width] + 1e-12)
        if ((gain > STANDS_OUT * noise) & (expected[width:] > expected[:-width])).any():
            return True
    return False


def _left_open(sizes: dict[tuple[int, int], float], max_travel_s: float) -> dict[tuple[int, int], Window]:
    """The pairs of cameras of little traffic, of which an absence of evidence says little."""
    edges = sorted(sizes, key=lambda edge: (sizes[edge], edge))
    total = np.cumsum([sizes[edge] for edge in edges])
    return {edge: Window(-max_travel_s, max_travel_s) for edge, so_far in zip(edges, total, strict=True)
            if so_far <= OPEN_PAIRS}


def _windows(found: dict[tuple[int, int], Structure], looked_at: int, grid: LagGrid) -> dict[tuple[int, int], Window]:
    """The windows of the pairs of cameras that probably share vehicles; those not found count as unconnected."""
    if not found:
        return {}
    evidence = np.array([max(s.log_window, s.log_anywhere) for s in found.values()])
    prior = 0.1
    for _ in range(10):
        connected = expit(evidence + logit(prior))
        prior = float((connected.sum() + 1) / (looked_at + 4))
    windows = {}
    for (edge, structure), probability in zip(found.items(), connected, strict=True):
        if probability >= LEAST_CONNECTED:
            mass = np.cumsum(structure.density * grid.step)
            low, high = np.searchsorted(mass, [0.001 * mass[-1], 0.999 * mass[-1]])
            low_u, high_u = grid.edges[low] - MARGIN_U, grid.edges[min(high + 1, BINS)] + MARGIN_U
            windows[edge] = Window(float(from_u(low_u)), float(from_u(high_u)))
    return windows

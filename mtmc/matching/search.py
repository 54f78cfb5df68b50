"""Pairs of a gallery too large to look at all of them: first which cameras share vehicles and after how long, from a
part of their tracklets, then only the pairs inside those travel times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are first used

from mtmc.camera_rules import CameraRules
from mtmc.matching.appearance import START_SLOPES
from mtmc.matching.distances import distances
from mtmc.matching.likeness import Likeness
from mtmc.matching.structure import BINS, WIDTHS, LagGrid, Structure, find_structure
from mtmc.matching.threads import in_threads
from mtmc.matching.travel import from_u, per_second
from mtmc.tracklets import TrackletTable

RUNS, RUN_LENGTH = 5, 60  # tracklets of a camera that are held against every other one: runs of neighbours in time
STANDS_OUT = 3.5  # standard deviations by which a window must stand out to be looked at closely
LARGEST_RATIO = 50.0  # one lucky pair must not make a window
OPEN_PAIRS = 1_000_000  # pairs of cameras without clear evidence stay open, those of little traffic first, up to this
LEAST_CONNECTED = 0.2
TELLS_NOTHING = 300  # tracklets of a camera; where there are more, passages that are worth looking for show
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
    windows: dict[tuple[int, int], Window] = {}
    unknown: dict[int, list[int]] = {}
    for a, b in itertools.permutations(range(len(rows)), 2):
        if not (len(rows[a]) and len(rows[b])):
            continue
        rule = rules.rule(table.camera_ids[a], table.camera_ids[b])
        if rule is None and not rules.only_listed:
            unknown.setdefault(a, []).append(b)
        elif rule is not None and rule.allowed:
            windows[a, b] = Window(rule.min_s, min(rule.max_s, max_travel_s))

    def search_from(a: int) -> tuple[dict[tuple[int, int], Structure], dict[tuple[int, int], float]]:
        evidence = _evidence_from(table, likeness, rows, a, rates, level, max_travel_s)
        stands_out = evidence.stands_out(grid)
        found = {(a, b): evidence.structure(b, grid) for b in unknown[a] if stands_out[b]}
        return found, {(a, b): evidence.pairs(b) * len(rows[a]) / len(evidence.ends_s) for b in unknown[a]}

    found: dict[tuple[int, int], Structure] = {}
    sizes: dict[tuple[int, int], float] = {}
    for from_here, its_sizes in in_threads(search_from, sorted(unknown)):
        found |= from_here
        sizes |= its_sizes
    windows |= _windows(found, sum(map(len, unknown.values())), grid)
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


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What a camera's tracklets show of all other cameras. ends_s: (N,) when those that were asked leave; last_s: (C,)
    when each recording ends. Of the P pairs those with one camera stand together, from bounds[camera]: lags,
    places (P,) of their first among the asked, ratios (P,) of looks over the rate."""

    ends_s: np.ndarray
    last_s: np.ndarray
    bounds: np.ndarray
    lags: np.ndarray
    places: np.ndarray
    ratios: np.ndarray

    def pairs(self, camera: int) -> int:
        return int(self.bounds[camera + 1] - self.bounds[camera])

    def structure(self, camera: int, grid: LagGrid) -> Structure:
        part = slice(int(self.bounds[camera]), int(self.bounds[camera + 1]))
        return find_structure(self.lags[part], self.places[part], self.ratios[part], self.ends_s,
                              float(self.last_s[camera]), grid, grid.prior)

    def stands_out(self, grid: LagGrid) -> np.ndarray:
        """bool (C,): whether the summed evidence of some window is far above what no passage would give: a cheap
        first look."""
        count = len(self.last_s)
        weight = self.ratios * per_second(self.lags)
        code = np.repeat(np.arange(count), np.diff(self.bounds)) * BINS + grid.bins_of(self.lags)

        def running(values: np.ndarray) -> np.ndarray:
            return np.pad(values.reshape(count, BINS).cumsum(axis=1), ((0, 0), (1, 0)))

        sums = running(np.bincount(code, weight, count * BINS))
        squares = running(np.bincount(code, weight**2, count * BINS))
        until = self.last_s[:, None] - grid.middles_s[None]
        expected = running(np.searchsorted(np.sort(self.ends_s), until, "right") * grid.step)
        found = np.zeros(count, bool)
        for width in WIDTHS:
            usual = expected[:, width:] - expected[:, :-width]
            gain = sums[:, width:] - sums[:, :-width] - usual
            noise = np.sqrt(squares[:, width:] - squares[:, :-width] + 1e-12)
            found |= ((gain > STANDS_OUT * noise) & (usual > 0)).any(axis=1)
        return found


def _evidence_from(table: TrackletTable, likeness: Likeness, rows: list[np.ndarray], camera: int, rates: np.ndarray,
                   level: float, max_travel_s: float) -> _Evidence:
    """Every pair in time of one camera's queries with the tracklets of all other cameras."""
    queries = query_rows(rows[camera])
    place = np.zeros(len(table), np.int64)
    place[queries] = np.arange(len(queries))
    others = np.concatenate([own for other, own in enumerate(rows) if other != camera])
    others = others[np.argsort(table.start_s[others], kind="stable")]
    longest = float((table.end_s[queries] - table.start_s[queries]).max())
    found = [(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64), np.zeros(0))]
    for own, near in time_blocks(table, queries, others, -longest, max_travel_s):
        lag = table.start_s[near][None] - table.end_s[own][:, None]
        i, j = np.nonzero((lag < max_travel_s) & (table.start_s[near][None] >= table.start_s[own][:, None]))
        u, v = own[i], near[j]
        z = likeness.of_distances(distances(likeness.pooled[own], likeness.pooled[near])[i, j], u, v)
        ratio = np.exp(np.clip(START_SLOPES.sum() * z - level, -12, np.log(LARGEST_RATIO)))
        found.append((table.camera_rows[v], lag[i, j], place[u], ratio / rates[v]))
    cameras, lags, places, ratios = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(cameras, kind="stable")
    bounds = np.searchsorted(cameras[order], np.arange(len(rows) + 1))
    last_s = np.array([float(table.end_s[own].max()) if len(own) else -np.inf for own in rows])
    return _Evidence(table.end_s[queries], last_s, bounds, lags[order], places[order], ratios[order])


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
        connected = scipy.special.expit(evidence + scipy.special.logit(prior))
        prior = float((connected.sum() + 1) / (looked_at + 4))
    windows = {}
    for (edge, structure), probability in zip(found.items(), connected, strict=True):
        if probability >= LEAST_CONNECTED:
            mass = np.cumsum(structure.density * grid.step)
            low, high = np.searchsorted(mass, [0.001 * mass[-1], 0.999 * mass[-1]])
            low_u, high_u = grid.edges[low] - MARGIN_U, grid.edges[min(high + 1, BINS)] + MARGIN_U
            windows[edge] = Window(float(from_u(low_u)), float(from_u(high_u)))
    return windows

"""Is there a travel time at all? The evidence that vehicles pass between two cameras, from the lags of all pairs.

If no vehicle passes, the lags of pairs that look alike are spread like those of all pairs; if some do, they crowd in a
window. For every window and share of passing vehicles the likelihood of all tracklets of the first camera is compared
with that of no passage; the mean over windows and shares is a Bayes factor, so that looking in many places costs
its due and no permutation is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are first used

from mtmc.matching.travel import TravelConfig, from_u, per_second, prior_density, to_u

BINS = 140
EARLIEST_S = -30.0
WIDTHS = (2, 3, 4, 6, 9, 13, 19)  # bins; one is 7 % of a long travel time
BACK_BINS = 5  # spread of the way back's times around those there: 3 s or 30 %; clocks and speeds differ
TWO_WAY = 0.7  # streets are mostly driven both ways, if not always inside the views
SHARES = np.array([0.05, 0.15, 0.3, 0.5, 0.7, 0.85])


@dataclass(frozen=True, eq=False)
class LagGrid:
    """Bins on u. edges: (BINS + 1,). middles_s: (BINS,). step: width of a bin. prior: (BINS,) belief, sums to 1."""

    edges: np.ndarray
    middles_s: np.ndarray
    step: float
    prior: np.ndarray

    def bins_of(self, times_s: np.ndarray) -> np.ndarray:
        """int64: the bin of each time, the outer ones taking what lies beyond."""
        return np.clip((to_u(times_s) - self.edges[0]) / self.step, 0, BINS - 1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Structure:
    """log_window, log_anywhere: log Bayes factors of passages in one window of travel times, and of passages at
    any time, against none. density: (BINS,) per unit of u, mean over windows. share: of the vehicles that pass.
    exit_shares, entry_shares: (zones + 1,), the same for each exit zone of the first camera, and how many of the
    vehicles of each entry zone of the second come from there; last: of no zone."""

    log_window: float
    log_anywhere: float
    density: np.ndarray
    share: float
    exit_shares: np.ndarray
    entry_shares: np.ndarray


@dataclass(frozen=True, eq=False)
class Ways:
    """The zones of one directed pair of cameras. exits: int64 (N,), of the first camera's tracklets, and exit_count,
    how many there are. entries: int64 (P,), where the second tracklet of each pair comes in. sizes: (zones,),
    tracklets of each entry zone; total: of the second camera. -1 is no zone."""

    exits: np.ndarray
    exit_count: int
    entries: np.ndarray
    sizes: np.ndarray
    total: int


def no_ways(count: int, pairs: int) -> Ways:
    """Nothing is known of places."""
    return Ways(np.full(count, -1), 0, np.full(pairs, -1), np.zeros(0, np.int64), 1)


def lag_grid(config: TravelConfig) -> LagGrid:
    edges = np.linspace(float(to_u(np.array(EARLIEST_S))), float(to_u(np.array(config.max_travel_s))), BINS + 1)
    middles_s = from_u((edges[1:] + edges[:-1]) / 2)
    prior = prior_density(middles_s, config) / per_second(middles_s)
    return LagGrid(edges, middles_s, float(edges[1] - edges[0]), prior / prior.sum())


def find_structure(times_s: np.ndarray, rows: np.ndarray, ratios: np.ndarray, ends_s: np.ndarray, last_s: float,
                   grid: LagGrid, prior: np.ndarray, ways: Ways | None = None) -> Structure:
    """The evidence in the pairs of one directed pair of cameras.

    times_s: (P,) lags. rows: (P,) place of each pair's first tracklet among the N of its camera. ratios: (P,)
    likelihood ratio of looks, divided by the rate at which the second camera sees vehicles. ends_s: (N,) when they
    leave; last_s: when the second recording ends. prior: (BINS,) belief over lags. ways: zones by which vehicles may
    leave and come; passages through one zone on either side are further hypotheses, as probable beforehand as
    passages through any.
    """
    n = len(ends_s)
    ways = ways or no_ways(n, len(rows))
    cell = rows * BINS + grid.bins_of(times_s)
    visible = (ends_s[:, None] + grid.middles_s[None] <= last_s).astype(np.float64)
    windows = _windows(prior)
    exits = _exit_groups(ways)
    logs, anywhere_logs, beliefs = [], [], []
    for zone, zone_belief in _beliefs(len(ways.sizes)):
        mine = np.ones(len(rows), bool) if zone < 0 else ways.entries == zone
        rarer = 1.0 if zone < 0 else ways.total / max(float(ways.sizes[zone]), 1.0)
        evidence = np.bincount(cell[mine], rarer * (ratios * per_second(times_s))[mine], minlength=n * BINS)
        anywhere, inside = _gains(evidence.reshape(n, BINS) / grid.step, visible, prior, windows)
        anywhere_logs.append(exits @ np.log1p(SHARES * anywhere[:, None]))
        logs.append(np.stack([exits @ np.log1p(share * inside) for share in SHARES], axis=2))
        beliefs.append(zone_belief * np.array([b for _, b in _beliefs(len(exits) - 1)]))
    belief = np.log(np.stack(beliefs)) - np.log(len(SHARES))
    weighted = np.stack(logs) + belief[:, :, None, None] + np.log(windows.beliefs)[:, None]
    log_window = float(scipy.special.logsumexp(weighted))
    posterior = np.exp(weighted - log_window)
    log_anywhere = float(scipy.special.logsumexp(np.stack(anywhere_logs) + belief[:, :, None]))
    return Structure(log_window, log_anywhere, _density(posterior.sum(axis=(0, 1, 3)), windows, grid.step),
                     *_shares((posterior.sum(axis=2) * SHARES).sum(axis=2), exits, ways))


@dataclass(frozen=True, eq=False)
class _Windows:
    begins: np.ndarray
    widths: np.ndarray
    beliefs: np.ndarray


def _windows(prior: np.ndarray) -> _Windows:
    """All windows of all widths; a width's beliefs sum to one over the number of widths."""
    begins, widths, beliefs = [], [], []
    sums = np.concatenate([[0.0], prior.cumsum()])
    for width in WIDTHS:
        begin = np.arange(0, BINS - width + 1, max(1, width // 4))
        belief = sums[begin + width] - sums[begin]
        begins.append(begin)
        widths.append(np.full(len(begin), width))
        beliefs.append(belief / belief.sum() / len(WIDTHS))
    return _Windows(np.concatenate(begins), np.concatenate(widths), np.concatenate(beliefs))


def _gains(evidence: np.ndarray, visible: np.ndarray, prior: np.ndarray,
           windows: _Windows) -> tuple[np.ndarray, np.ndarray]:
    """(N,), (N, windows): likelihood ratio minus 1 of each tracklet if it surely passes, at any time, in a window."""
    anywhere = (evidence * prior).sum(axis=1) - (visible * prior).sum(axis=1)
    sums = np.pad((evidence - visible).cumsum(axis=1), ((0, 0), (1, 0)))
    ends = windows.begins + windows.widths
    return anywhere, (sums[:, ends] - sums[:, windows.begins]) / windows.widths


def _beliefs(zones: int) -> list[tuple[int, float]]:
    """(zone, belief): half that all zones count (-1), half that a single one does, each as likely."""
    return [(-1, 0.5 if zones else 1.0), *((zone, 0.5 / zones) for zone in range(zones))]


def _exit_groups(ways: Ways) -> np.ndarray:
    """float64 (1 + zones, N): who may pass, if all may, and if those of one zone may."""
    groups = [ways.exits == zone for zone in range(ways.exit_count)]
    return np.stack([np.ones(len(ways.exits)), *groups]).astype(np.float64)


def _density(posterior: np.ndarray, windows: _Windows, step: float) -> np.ndarray:
    steps, height = np.zeros(BINS + 1), posterior / (windows.widths * step)
    np.add.at(steps, windows.begins, height)
    np.add.at(steps, windows.begins + windows.widths, -height)
    return np.maximum(steps.cumsum()[:BINS], 0.0)


def _shares(passing: np.ndarray, exits: np.ndarray, ways: Ways) -> tuple[float, np.ndarray, np.ndarray]:
    """passing: (1 + entry zones, 1 + exit zones), posterior times share of passing vehicles of each hypothesis."""
    any_exit, by_exit = passing[:, 0].sum(), passing[:, 1:].sum(axis=0)
    vehicles = passing @ exits.sum(axis=1)  # that pass through each entry zone, or through any
    n, total = max(exits.shape[1], 1), max(ways.total, 1)
    entry_shares = vehicles[0] / total + np.append(vehicles[1:] / np.maximum(ways.sizes, 1), 0.0)
    return float(vehicles.sum() / n), any_exit + np.append(by_exit, 0.0), entry_shares


def heard(prior: np.ndarray, back: np.ndarray, connected: float) -> np.ndarray:
    """(BINS,) belief over lags that has heard of the way back: there and back take about as long.

    back: (BINS,) belief over the lags of the way back, `connected` the probability that it is taken at all.
    """
    offsets = np.arange(-3 * BACK_BINS, 3 * BACK_BINS + 1)
    kernel = np.exp(-0.5 * np.square(offsets / BACK_BINS))
    smooth = np.convolve(back, kernel / kernel.sum(), "same")
    share = 0.5 * connected
    return (1 - share) * prior + share * smooth / max(float(smooth.sum()), 1e-300)


def both_ways(log_ratios: np.ndarray, back: np.ndarray, prior: float) -> np.ndarray:
    """(E,) probability that each directed pair of cameras shares vehicles.

    log_ratios: (E,) log Bayes factors of each alone. back: int64 (E,), the place of its way back, -1 for none. prior:
    of a pair. Where one way is taken the other is with `TWO_WAY`.
    """
    stays = np.log(max(1 - prior * (2 - TWO_WAY), 1e-9))
    one, two = np.log(prior * (1 - TWO_WAY)), np.log(prior * TWO_WAY)
    alone = scipy.special.expit(log_ratios + scipy.special.logit(prior))
    other = np.where(back >= 0, log_ratios[back], 0.0)
    passes = np.logaddexp(log_ratios + one, log_ratios + other + two)
    paired = scipy.special.expit(passes - np.logaddexp(stays, other + one))
    return np.where(back >= 0, paired, alone)

"""Travel times between two cameras: what is believed before anything is seen, and densities learned from links.

A travel time is the start in the second camera - the end in the first, negative where views overlap. Densities live on
u = asinh(t / 8 s), nearly linear for seconds and logarithmic for minutes, so that one bandwidth serves both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.tracklets import TrackletTable

SCALE_S = 8.0


@dataclass(frozen=True)
class TravelConfig:
    """max_travel_s: longest travel time that is considered at all. prior_links: how many links' worth the belief
    before seeing anything weighs in a learned density."""

    max_travel_s: float = 1800.0
    typical_s: float = 30.0  # median of the belief: neighbouring cameras in a town
    typical_spread: float = 1.2  # of the logarithm: 9 to 100 s is one standard deviation
    overlap_share: float = 0.2  # belief that views overlap or clocks differ, so that times are negative
    overlap_scale_s: float = 10.0
    prior_links: float = 2.0
    bandwidth: float = 1.06  # Silverman's factor for a normal density


def to_u(times_s: np.ndarray) -> np.ndarray:
    return np.arcsinh(np.asarray(times_s, dtype=np.float64) / SCALE_S)


def from_u(u: np.ndarray) -> np.ndarray:
    return np.sinh(u) * SCALE_S


def per_second(times_s: np.ndarray) -> np.ndarray:
    """du/dt: turns a density on u into one per second."""
    return 1.0 / np.sqrt(np.square(times_s) + SCALE_S**2)


def prior_density(times_s: np.ndarray, config: TravelConfig) -> np.ndarray:
    """Density per second of a travel time between two cameras of which nothing is known."""
    t = np.asarray(times_s, dtype=np.float64)
    shifted = np.maximum(t, 0.0) + 2.0  # so that the density does not vanish at zero
    z = (np.log(shifted) - np.log(config.typical_s + 2.0)) / config.typical_spread
    forward = np.exp(-0.5 * z * z) / (shifted * config.typical_spread * np.sqrt(2 * np.pi))
    later = 0.95 * (1 - config.overlap_share) * forward + 0.05 / config.max_travel_s
    earlier = config.overlap_share * np.exp(np.minimum(t, 0.0) / config.overlap_scale_s) / config.overlap_scale_s
    return np.where(t >= 0, later, earlier)


def learned_density(times_s: np.ndarray, weights: np.ndarray, prior: np.ndarray, prior_links: float,
                    bandwidth: float) -> np.ndarray:
    """Density per second at each of `times_s`, from all the others: no time speaks for itself.

    weights: (P,) probability that each pair is a link. prior: (P,) density per second that counts as much as
    `prior_links` links. A Gaussian kernel on u, whose width follows the robust spread of the weighted times.
    """
    total = float(weights.sum())
    if total < 1e-6:
        return prior.copy()
    u = to_u(times_s)
    width = _kernel_width(u, weights, bandwidth)
    step = width / 5
    low = u.min() - 4 * width
    place = (u - low) / step
    cell = place.astype(np.int64)
    part = place - cell
    cells = int((u.max() + 4 * width - low) / step) + 2
    grid = np.bincount(cell, weights * (1 - part), minlength=cells + 1) + np.bincount(
        cell + 1, weights * part, minlength=cells + 1)
    offsets = np.arange(-20, 21) * step
    peak = 1.0 / (width * np.sqrt(2 * np.pi))
    smooth = np.convolve(grid, peak * np.exp(-0.5 * np.square(offsets / width)), "same")
    at = smooth[cell] * (1 - part) + smooth[cell + 1] * part
    beside = np.exp(-0.5 * (step / width) ** 2)
    own = weights * peak * (np.square(1 - part) + np.square(part) + 2 * part * (1 - part) * beside)
    others = np.maximum(total - weights, 0.0)
    density = np.maximum(at - own, 0.0) / np.maximum(others, 1e-9) * per_second(times_s)
    return (others * density + prior_links * prior) / (others + prior_links)


def _kernel_width(u: np.ndarray, weights: np.ndarray, bandwidth: float) -> float:
    total = float(weights.sum())
    order = np.argsort(u, kind="stable")
    low, high = np.interp([0.16, 0.84], np.cumsum(weights[order]) / total, u[order])
    mean = float((u * weights).sum()) / total
    deviation = np.sqrt(float((weights * np.square(u - mean)).sum()) / total)
    spread = max(min((high - low) / 2, deviation), 0.02)
    return float(max(bandwidth * spread * max(total, 1.0) ** -0.2, 0.02))


def arrival_rates(table: TrackletTable, window_s: float) -> np.ndarray:
    """float64 (M,): tracklets per second that the camera of each starts around that time, the camera's mean
    counting as much as one tracklet."""
    rates = np.zeros(len(table))
    for camera in range(len(table.camera_ids)):
        rows = np.flatnonzero(table.camera_rows == camera)
        if len(rows):
            starts = np.sort(table.start_s[rows])
            mean = len(rows) / max(float(table.end_s[rows].max() - starts[0]), 1.0)
            reach = max(window_s, 2.5 / mean)
            own = table.start_s[rows]
            beside = np.searchsorted(starts, own + reach, "right") - np.searchsorted(starts, own - reach) - 1
            length = np.minimum(own + reach, starts[-1]) - np.maximum(own - reach, starts[0])
            rates[rows] = (beside + 1) / (np.maximum(length, 0.0) + 1 / mean)
    return rates


def piece_density(gaps_s: np.ndarray) -> np.ndarray:
    """Density per second of the gap between two pieces of one passage: a tracker loses a vehicle for about a second."""
    gaps = np.maximum(gaps_s, 0.0)
    return 0.9 * np.exp(-gaps) + 0.1 * np.exp(-gaps / 5) / 5

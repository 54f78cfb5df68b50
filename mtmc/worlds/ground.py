"""The ground of a made-up street: asphalt with its markings and wear, kerbs, pavements, what lies behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.worlds.noise import cloudy, look_up
from mtmc.worlds.views import LANE_M, PARKING_M, View

PAVEMENT_M = 3.4
_CELLS_PER_M = 16.0  # of the noise tile


@dataclass(frozen=True, eq=False)
class Surface:
    """What is drawn once per street: a repeating noise tile, places of manholes and repairs, a zebra crossing.

    patches: (s, a, long, wide) metres. manholes: (s, a). crossing_s: where the zebra begins, NaN for none.
    """

    coarse: np.ndarray
    grain: np.ndarray
    patches: np.ndarray
    manholes: np.ndarray
    crossing_s: float
    asphalt: float
    verge_green: bool


def surface_of(view: View, rng: np.random.Generator) -> Surface:
    """Draw the street's own surface from `rng`."""
    half = view.half_width_m
    span = view.end_s - view.begin_s
    patches = np.stack([rng.uniform(view.begin_s - 5, view.end_s + 20, 9), rng.uniform(-half, half, 9),
                        rng.uniform(1.0, 7.0, 9), rng.uniform(0.5, 2.6, 9)], axis=1)
    manholes_a = rng.uniform(-half * 0.8, half * 0.8, 5)
    manholes = np.stack([rng.uniform(view.begin_s, view.end_s + 10, 5), manholes_a], axis=1)
    zebra = view.begin_s + float(rng.uniform(0.35, 0.75)) * span if rng.random() < 0.5 else float("nan")
    return Surface(cloudy(rng, (512, 512), (4, 9, 21, 64)), rng.normal(size=(512, 512)).astype(np.float32),
                   patches, manholes, zebra, float(rng.uniform(84, 112)), bool(rng.random() < 0.8))


def ground_colours(view: View, surface: Surface, a: np.ndarray, s: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """float32 (N, 3): unlit colours of N ground points at road coordinates (a, s), seen from `depth` metres."""
    sharp = np.clip(14.0 / depth, 0.0, 1.0)  # far grain is finer than a pixel and would flicker
    coarse = look_up(surface.coarse, s * 9.0, a * 9.0)
    wide = look_up(surface.coarse, s * 1.7 + 91, a * 1.7)
    grain = look_up(surface.grain, s * _CELLS_PER_M * 2, a * _CELLS_PER_M * 2)
    half = view.half_width_m
    side = np.abs(a)
    colours = np.zeros((len(a), 3), dtype=np.float32)
    island = view.median_m / 2 if view.two_way else 0.0
    on = np.flatnonzero((side <= half) & (side >= island))
    road = _asphalt(view, surface, a[on], s[on]) + coarse[on] * 3.0 + wide[on] * 3.5 + grain[on] * sharp[on] * 5.0
    share = 0.8 * _markings(view, surface, a[on], s[on]) * (1.0 - 0.25 * np.clip(coarse[on], 0, 1.5))
    colours[on] = (road * (1 - share) + 226.0 * share)[:, None] * np.array([1.0, 1.0, 1.012], dtype=np.float32)
    kerb = ((side > half) & (side <= half + 0.28)) | ((side < island) & (side > island - 0.25))
    colours[kerb] = (168 + 6 * coarse[kerb] - 40 * (np.abs(side[kerb] - half - 0.03) < 0.03))[:, None]
    walk = (side > half + 0.28) & (side <= half + PAVEMENT_M)
    joint = ((np.mod(s[walk], 0.9) < 0.05) | (np.mod(side[walk], 0.9) < 0.05)) * sharp[walk]
    slab = look_up(surface.grain, np.floor(s[walk] / 0.9), np.floor(side[walk] / 0.9)) * 4.0
    paving = 146 + slab + wide[walk] * 5.0 + grain[walk] * 3.0 * sharp[walk] - 28 * joint
    colours[walk] = paving[:, None] * np.array([1.03, 1.0, 0.95], dtype=np.float32)
    grass, gravel = np.array([92, 112, 64], dtype=np.float32), np.array([140, 134, 124], dtype=np.float32)
    yard = (side > half + PAVEMENT_M) & (side <= half + PAVEMENT_M + 6.0)
    for place, ground in ((yard, grass if surface.verge_green else gravel),
                          ((side > half + PAVEMENT_M + 6.0) | (side <= island - 0.25), grass)):
        verge = np.flatnonzero(place)
        uneven = 1.0 + 0.07 * coarse[verge] + 0.09 * wide[verge] + 0.10 * grain[verge] * sharp[verge]
        colours[verge] = ground * uneven[:, None]
    return colours


def _asphalt(view: View, surface: Surface, a: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Brightness of the road: darker where wheels and oil drop, repaired in places."""
    value = np.full(len(a), surface.asphalt, dtype=np.float32)
    lane = np.mod(view.half_width_m - PARKING_M - np.abs(a), LANE_M) - LANE_M / 2
    if not view.two_way:
        lane = np.mod(view.half_width_m - PARKING_M - a, LANE_M) - LANE_M / 2
    across = np.linspace(-LANE_M / 2, LANE_M / 2, 65)
    worn = 7.0 * np.exp(-((np.abs(across) - 0.8) / 0.28) ** 2) + 4.0 * np.exp(-((across / 0.3) ** 2))
    value -= (np.abs(a) < view.half_width_m - PARKING_M) * np.interp(lane, across, worn).astype(np.float32)
    for place_s, place_a, long, wide in surface.patches:
        near = np.flatnonzero(np.abs(s - place_s) < long / 2)
        value[near] -= 13.0 * (np.abs(a[near] - place_a) < wide / 2)
    for place_s, place_a in surface.manholes:
        near = np.flatnonzero(np.abs(s - place_s) < 0.5)
        distance = np.hypot(s[near] - place_s, a[near] - place_a)
        value[near] -= 34.0 * (np.abs(distance - 0.34) < 0.07) + 16.0 * (distance < 0.34)
    return value


def _markings(view: View, surface: Surface, a: np.ndarray, s: np.ndarray) -> np.ndarray:
    """bool (N,): where lines between lanes, the middle, the parking strip and a zebra crossing are painted."""
    edge = view.half_width_m - PARKING_M
    white = np.zeros(len(a), dtype=bool)
    across = np.abs(a) if view.two_way else a
    for line in edge - LANE_M * np.arange(1, view.lanes):
        white |= (np.abs(across - line) < 0.075) & (np.mod(s, 7.5) < 3.0)
    white |= (np.abs(np.abs(a) - edge) < 0.06) & (np.mod(s, 2.0) < 1.0)
    if view.two_way and not view.median_m:
        white |= np.abs(np.abs(a) - 0.14) < 0.06
    if np.isfinite(surface.crossing_s):
        begin = surface.crossing_s
        white &= ~((s > begin - 1.8) & (s < begin + 5.0))
        white |= (s > begin) & (s < begin + 3.2) & (np.mod(a, 1.0) < 0.5) & (np.abs(a) < edge)
        white |= (s > begin - 1.6) & (s < begin - 1.25) & (a > 0) & (a < edge)
    return white

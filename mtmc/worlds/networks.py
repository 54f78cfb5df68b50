"""Camera networks of the made-up worlds: which cameras vehicles pass, in what order, after how long."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from mtmc.config import did_you_mean
from mtmc.errors import ConfigError


@dataclass(frozen=True)
class Sizes:
    """How large and how hard a world is; each kind has its own values, any may be overridden.

    cameras, vehicles: numbers. duration_s: length of every recording. travel_low_s, travel_high_s: the median
    travel time of an edge lies between them (from leaving one view to entering the next).
    travel_spread: standard deviation of the logarithm of a travel time.
    """

    cameras: int
    vehicles: int
    duration_s: float
    travel_low_s: float = 15.0
    travel_high_s: float = 45.0
    travel_spread: float = 0.2
    leave_early: float = 0.12  # chance at each camera to turn off and never be seen again
    stop_share: float = 0.04  # passages that halt in view, which breaks tracks and travel times
    stop_high_s: float = 6.0
    look_alike_share: float = 0.4  # vehicles that share model and nearly the paint with another one
    look_alike_group: int = 3  # how many share it
    reverse_share: float = 0.0  # vehicles that drive the network backwards
    lanes: int = 2  # per direction
    median_m: float = 0.0  # green strip between the two directions
    signal_period_s: float = 0.0  # 0: no signals; else traffic is let go in bunches
    signal_green_share: float = 0.5
    overlap: float = 0.0  # share of a view that the next camera sees too
    max_hops: int = 8  # cameras after the first one
    max_offset_s: float = 2.5  # clocks of cameras start that much apart
    max_drift_ppm: float = 0.0  # clocks run faster or slower by up to this many parts per million
    frame_rates_hz: tuple[float, ...] = (10.0, 12.5, 8.0, 10.0)  # in turn over the cameras
    headway_s: float = 1.3  # two vehicles of one lane enter and leave a view at least this far apart
    heavy: float = 1.0  # buses and trucks, relative to their usual share
    rush: float = 0.0  # 0: vehicles come at random; towards 1 ever more in platoons


@dataclass(frozen=True)
class Edge:
    """Vehicles that drive in `direction` (+1 or -1) go on from one camera to the next with weight `share`.

    median_s: median of the log-normal travel time; where `overlap` > 0 the views overlap instead and the
    vehicle appears in `camera_to` when it has passed 1 - overlap of the view of `camera_from`.
    turns: the next camera looks at the traffic from the other end, so that its direction is reversed there.
    """

    camera_from: int
    camera_to: int
    direction: int
    share: float
    median_s: float
    overlap: float = 0.0
    turns: bool = False


@dataclass(frozen=True)
class Entry:
    """Vehicles come into the network at `camera`, driving in `direction`, with weight `share`."""

    camera: int
    direction: int
    share: float


@dataclass(frozen=True)
class Network:
    """A directed graph of cameras."""

    edges: tuple[Edge, ...]
    entries: tuple[Entry, ...]

    def onward(self, camera: int, direction: int) -> list[Edge]:
        """The edges that a vehicle may take from `camera`."""
        return [edge for edge in self.edges if edge.camera_from == camera and edge.direction == direction]


# One line a kind: what it is for stands in docs/worlds.md.
KINDS: dict[str, Sizes] = {
    "chain": Sizes(5, 60, 600.0),
    "crossing": Sizes(4, 70, 420.0, overlap=0.45, leave_early=0.05, max_hops=1, stop_share=0.03),
    "loop": Sizes(4, 36, 600.0, max_hops=7, leave_early=0.08),
    "two-way": Sizes(4, 80, 600.0, reverse_share=0.45),
    "rush-hour": Sizes(4, 140, 600.0, look_alike_share=0.8, look_alike_group=5, signal_period_s=50.0,
                       travel_spread=0.25, rush=0.5, lanes=3),
    "strangers": Sizes(4, 120, 600.0, look_alike_share=0.6, max_hops=0, reverse_share=0.3),
    "one-camera": Sizes(1, 40, 300.0, max_hops=0, reverse_share=0.3),
    "twelve-cameras": Sizes(12, 150, 900.0, reverse_share=0.5, max_hops=5),
    "demo": Sizes(4, 42, 300.0, travel_low_s=7.0, travel_high_s=12.0, travel_spread=0.16, leave_early=0.10,
                  reverse_share=0.3, look_alike_share=0.45, max_offset_s=3.0, lanes=1, median_m=3.5,
                  headway_s=2.4, heavy=0.5),
    "small": Sizes(3, 10, 25.0, travel_low_s=2.0, travel_high_s=3.5, travel_spread=0.15, leave_early=0.05,
                   max_offset_s=1.0, stop_share=0.0, lanes=1, median_m=3.5, headway_s=2.0),
}


def sizes_of(kind: str, **overrides: object) -> Sizes:
    """The sizes of a kind of world with `overrides` laid over them; `ConfigError` names what is unknown."""
    if kind not in KINDS:
        raise ConfigError(f"world {kind!r}", "one of " + ", ".join(KINDS), kind, did_you_mean(kind, list(KINDS)))
    known = [field.name for field in fields(Sizes)]
    for name in overrides:
        if name not in known:
            raise ConfigError(f"size {name!r}", "a size of a world", name, did_you_mean(name, known))
    sizes: Sizes = replace(KINDS[kind], **overrides)  # type: ignore[arg-type]
    if sizes.cameras < 1 or sizes.vehicles < 0 or sizes.duration_s <= 0 or sizes.lanes < 1:
        raise ConfigError(f"world {kind!r}", "at least one camera and lane and a duration above 0", str(sizes))
    return sizes


def network_of(kind: str, sizes: Sizes, rng: np.random.Generator) -> Network:
    """The camera graph of a kind of world, its travel times drawn from `rng`."""
    builders: dict[str, Callable[[Sizes, np.random.Generator], Network]] = {
        "crossing": _crossing, "loop": _loop, "twelve-cameras": _grid, "strangers": _apart, "one-camera": _apart,
        "demo": _bypass}
    return builders.get(kind, _corridor)(sizes, rng)


def _median_s(sizes: Sizes, rng: np.random.Generator) -> float:
    return float(rng.uniform(sizes.travel_low_s, sizes.travel_high_s))


def _there_and_back(a: int, b: int, share: float, sizes: Sizes, rng: np.random.Generator) -> list[Edge]:
    """Both directions of one street; the way back takes a little longer or shorter."""
    median_s = _median_s(sizes, rng)
    there = Edge(a, b, 1, share, median_s, sizes.overlap)
    return [there, Edge(b, a, -1, share, median_s * float(rng.uniform(0.85, 1.15)), sizes.overlap)]


def _entries(shares: dict[tuple[int, int], float], sizes: Sizes) -> tuple[Entry, ...]:
    weight = {1: 1.0 - sizes.reverse_share, -1: sizes.reverse_share}
    return tuple(Entry(camera, direction, share * weight[direction])
                 for (camera, direction), share in shares.items() if share * weight[direction] > 0)


def _corridor(sizes: Sizes, rng: np.random.Generator) -> Network:
    """Cameras along one street; a few vehicles join on the way."""
    n = sizes.cameras
    edges = [edge for i in range(n - 1) for edge in _there_and_back(i, i + 1, 1.0, sizes, rng)]
    shares = {(i, 1): 1.0 if i == 0 else 0.08 for i in range(n)}
    shares |= {(i, -1): 1.0 if i == n - 1 else 0.08 for i in range(n)}
    return Network(tuple(edges), _entries(shares, sizes))


def _bypass(sizes: Sizes, rng: np.random.Generator) -> Network:
    """A corridor with a street around every inner camera that some take, so that order tells less."""
    corridor = _corridor(sizes, rng)
    around = [edge for i in range(sizes.cameras - 2) for edge in _there_and_back(i, i + 2, 0.2, sizes, rng)]
    around = [replace(edge, median_s=edge.median_s * 1.7) for edge in around]
    return Network(corridor.edges + tuple(around), corridor.entries)


def _loop(sizes: Sizes, rng: np.random.Generator) -> Network:
    """A ring, so that vehicles come back to a camera."""
    n = sizes.cameras
    edges = [edge for i in range(n) for edge in _there_and_back(i, (i + 1) % n, 1.0, sizes, rng)]
    return Network(tuple(edges), _entries({(i, d): 1.0 for i in range(n) for d in (1, -1)}, sizes))


def _apart(sizes: Sizes, rng: np.random.Generator) -> Network:
    """Cameras in different towns."""
    return Network((), _entries({(i, d): 1.0 for i in range(sizes.cameras) for d in (1, -1)}, sizes))


def _crossing(sizes: Sizes, rng: np.random.Generator) -> Network:
    """A camera on every arm of one junction; each sees its arm and the middle. Straight on is likeliest."""
    n = sizes.cameras
    edges = []
    for a, b in itertools.permutations(range(n), 2):
        straight = (b - a) % n == n // 2
        edges.append(Edge(a, b, 1, 2.0 if straight else 1.0, 0.0, sizes.overlap * float(rng.uniform(0.8, 1.2)), True))
    return Network(tuple(edges), tuple(Entry(i, 1, 1.0) for i in range(n)))


def _grid(sizes: Sizes, rng: np.random.Generator) -> Network:
    """A town: three rows of streets, entered at any camera, driven east and south or west and north."""
    columns = max(1, -(-sizes.cameras // 3))
    edges = []
    for i in range(sizes.cameras):
        if (i + 1) % columns and i + 1 < sizes.cameras:
            edges += _there_and_back(i, i + 1, 1.0, sizes, rng)
        if i + columns < sizes.cameras:
            edges += _there_and_back(i, i + columns, 0.6, sizes, rng)
    return Network(tuple(edges), _entries({(i, d): 1.0 for i in range(sizes.cameras) for d in (1, -1)}, sizes))

"""Who passes which camera when: traffic over a camera network, with its truth, without any picture.

`simulate` is pure and takes milliseconds, so that matching can be tested over many seeds; the renderer turns
the same traffic into videos. All times are seconds on the true, common clock unless a name says `recording`.
"""

from __future__ import annotations

import heapq
import zlib
from dataclasses import dataclass, fields, replace

import numpy as np

from mtmc.worlds.networks import Edge, Network, Sizes, network_of, sizes_of

PARKING_LANE = -1  # beside the kerb, where vehicles halt and others pass them
_OUTSIDE_MPS = 8.0
SHORTEST_PASSAGE_S = 0.8  # what a recording's first or last second cuts shorter than this counts as not seen


@dataclass(frozen=True)
class Body:
    """A type of vehicle. class_id: COCO's. share: of the traffic. length_m, width_m, height_m: outer size."""

    name: str
    class_id: int
    share: float
    length_m: float
    width_m: float
    height_m: float


BODIES = (
    Body("hatchback", 2, 0.20, 3.9, 1.75, 1.48),
    Body("sedan", 2, 0.22, 4.6, 1.82, 1.44),
    Body("suv", 2, 0.19, 4.6, 1.92, 1.72),
    Body("van", 2, 0.11, 5.3, 2.0, 2.25),
    Body("pickup", 2, 0.08, 5.3, 1.95, 1.82),
    Body("bus", 5, 0.05, 10.5, 2.5, 3.0),
    Body("truck", 7, 0.10, 7.6, 2.4, 3.1),
    Body("motorcycle", 3, 0.05, 2.1, 0.8, 1.6),
)


@dataclass(frozen=True, eq=False)
class Passages:
    """R passages of a vehicle through a view, sorted by (camera, enter, vehicle).

    vehicle_ids: int64 (R,), 1 to V. camera_rows: int64 (R,). enter_s, leave_s: float64 (R,), when the vehicle's
    middle comes into the view and goes out of it. lanes: int64 (R,), 0 beside the kerb and rising to the
    middle of the road, `PARKING_LANE` for those that halt. directions: int64 (R,), +1 or -1.
    speeds_mps: float64 (R,), while moving. halt_at: float64 (R,), share of the way at which the vehicle halts,
    for halt_s seconds (0 for most).
    """

    vehicle_ids: np.ndarray
    camera_rows: np.ndarray
    enter_s: np.ndarray
    leave_s: np.ndarray
    lanes: np.ndarray
    directions: np.ndarray
    speeds_mps: np.ndarray
    halt_at: np.ndarray
    halt_s: np.ndarray

    def __len__(self) -> int:
        return len(self.vehicle_ids)

    def __getitem__(self, rows: np.ndarray) -> Passages:
        return Passages(*(getattr(self, field.name)[rows] for field in fields(self)))

    def progress(self, time_s: float) -> np.ndarray:
        """float64 (R,): share of its way through the view that each vehicle has behind it at `time_s`; below 0
        before it enters, above 1 after it has left. Vehicles brake before a halt and start gently after it."""
        moving_s = self.leave_s - self.enter_s - self.halt_s
        steady = (time_s - self.enter_s) / moving_s
        # Outside the view all drive alike, so that nobody drives through the one ahead there.
        common = _OUTSIDE_MPS / (self.speeds_mps * moving_s)
        halts_at_s = self.enter_s + self.halt_at * moving_s
        before = np.clip((time_s - self.enter_s) / np.maximum(halts_at_s - self.enter_s, 1e-9), 0.0, 1.0)
        starts_s = halts_at_s + self.halt_s
        after = np.clip((time_s - starts_s) / np.maximum(self.leave_s - starts_s, 1e-9), 0.0, 1.0)
        halting = self.halt_at * (1.0 - (1.0 - before) ** 1.5) + (1.0 - self.halt_at) * after**1.5
        inside = (time_s >= self.enter_s) & (time_s <= self.leave_s)
        before_s, after_s = time_s - self.enter_s, time_s - self.leave_s
        outside = np.where(before_s < 0, before_s * common, 1.0 + after_s * common)
        return np.where(inside, np.where(self.halt_s > 0, halting, steady), outside)


@dataclass(frozen=True, eq=False)
class Transits:
    """T times that a vehicle went from one view to the next: the true links, sorted by (from_rows, to_rows).

    from_rows, to_rows: int64 (T,), rows of the passages. camera_from, camera_to: int64 (T,).
    travel_s: float64 (T,), entering the second view - leaving the first, on the true clock; negative where views
    overlap. recording_travel_s: the same as the two recordings' clocks show it.
    """

    from_rows: np.ndarray
    to_rows: np.ndarray
    camera_from: np.ndarray
    camera_to: np.ndarray
    travel_s: np.ndarray
    recording_travel_s: np.ndarray


@dataclass(frozen=True, eq=False)
class Traffic:
    """A world: C cameras, V vehicles, R passages. Rows of the same vehicle are those of equal `vehicle_ids`.

    camera_ids: "c001" and so on. clock_offsets_s: float64 (C,), true time of a recording's first frame.
    clock_rates: float64 (C,), true seconds per second of the recording's clock. frame_rates_hz, durations_s:
    float64 (C,). look_ids: int64 (V,), equal for look-alikes (same model, nearly the same paint).
    body_rows: int64 (V,), index into `BODIES`. class_ids: int64 (V,). Row v belongs to vehicle v + 1.
    """

    kind: str
    seed: int
    sizes: Sizes
    network: Network
    camera_ids: tuple[str, ...]
    clock_offsets_s: np.ndarray
    clock_rates: np.ndarray
    frame_rates_hz: np.ndarray
    durations_s: np.ndarray
    view_lengths_m: np.ndarray
    look_ids: np.ndarray
    body_rows: np.ndarray
    class_ids: np.ndarray
    passages: Passages

    def recording_s(self, camera_rows: np.ndarray, time_s: np.ndarray) -> np.ndarray:
        """True times as the recordings of `camera_rows` show them (their first frame is at 0)."""
        return (time_s - self.clock_offsets_s[camera_rows]) / self.clock_rates[camera_rows]

    def recorded(self) -> Passages:
        """The passages as far as the recordings hold them: cut at both ends, what is hardly seen left out.

        enter_s and leave_s are true times; `progress` is right only on the whole passages.
        """
        p, begin = self.passages, self.clock_offsets_s
        end = begin + self.durations_s * self.clock_rates
        enter_s = np.maximum(p.enter_s, begin[p.camera_rows])
        leave_s = np.minimum(p.leave_s, end[p.camera_rows])
        seen = leave_s - enter_s >= SHORTEST_PASSAGE_S
        return replace(p, enter_s=enter_s, leave_s=leave_s)[seen]

    def transits(self, passages: Passages) -> Transits:
        """The true links among `passages` (those of `recorded()` or all): each to the vehicle's next one."""
        order = np.lexsort((passages.leave_s, passages.enter_s, passages.vehicle_ids))
        same = passages.vehicle_ids[order[:-1]] == passages.vehicle_ids[order[1:]]
        pairs = np.stack([order[:-1][same], order[1:][same]], axis=1).reshape(-1, 2)
        a, b = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].T
        rows_a, rows_b = passages.camera_rows[a], passages.camera_rows[b]
        enter_s, leave_s = passages.enter_s[b], passages.leave_s[a]
        recording_s = self.recording_s(rows_b, enter_s) - self.recording_s(rows_a, leave_s)
        return Transits(a, b, rows_a, rows_b, enter_s - leave_s, recording_s)


def simulate(kind: str, seed: int, **sizes: object) -> Traffic:
    """The traffic of one world. `kind`: a key of `networks.KINDS`; `sizes`: fields of `Sizes` that differ.

    Deterministic: equal arguments give equal arrays. Raises `ConfigError` for an unknown kind or size.
    """
    chosen = sizes_of(kind, **sizes)
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    network = network_of(kind, chosen, rng)
    c = chosen.cameras
    offsets_s = np.round(rng.uniform(0.0, chosen.max_offset_s, c), 2) if chosen.max_offset_s else np.zeros(c)
    offsets_s[0] = 0.0
    drifts = rng.uniform(-chosen.max_drift_ppm, chosen.max_drift_ppm, c) * 1e-6
    lengths_m = np.round(rng.uniform(38.0, 50.0, c), 1)
    look_ids, body_rows = _looks(chosen, rng)
    passages = _Streets(chosen, network, lengths_m, rng).drive(body_rows)
    rates_hz = np.array([chosen.frame_rates_hz[i % len(chosen.frame_rates_hz)] for i in range(c)])
    return Traffic(kind, seed, chosen, network, tuple(f"c{i + 1:03d}" for i in range(c)), offsets_s, 1.0 + drifts,
                   rates_hz, np.full(c, chosen.duration_s), lengths_m, look_ids, body_rows,
                   np.array([BODIES[row].class_id for row in body_rows], dtype=np.int64), passages)


def _looks(sizes: Sizes, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Look and body of each vehicle: groups of look-alikes, spread over the traffic, the others unique."""
    v = sizes.vehicles
    alike = round(v * sizes.look_alike_share)
    groups = max(1, alike // max(2, sizes.look_alike_group))
    look_ids = np.where(np.arange(v) < alike, np.arange(v) % groups, groups + np.arange(v))
    look_ids = rng.permutation(np.unique(look_ids, return_inverse=True)[1].astype(np.int64))
    shares = np.array([body.share * (sizes.heavy if body.length_m > 7.0 else 1.0) for body in BODIES])
    return look_ids, rng.choice(len(BODIES), size=v, p=shares / shares.sum()).astype(np.int64)[look_ids]


class _Streets:
    """The event simulation: vehicles in the order in which they reach cameras, each waiting for those ahead."""

    def __init__(self, sizes: Sizes, network: Network, lengths_m: np.ndarray, rng: np.random.Generator) -> None:
        self.sizes, self.network, self.lengths_m, self.rng = sizes, network, lengths_m, rng
        self.last: dict[tuple[int, int, int], tuple[float, float]] = {}  # (camera, direction, lane) -> enter, leave
        self.rows: list[tuple[float, ...]] = []
        self.lengths_of: list[float] = []

    def drive(self, body_rows: np.ndarray) -> Passages:
        self.lengths_of = [BODIES[row].length_m for row in body_rows]
        events = self._arrivals(body_rows)
        heapq.heapify(events)
        while events:
            time_s, vehicle, camera, direction, flips, hops, speed_mps = heapq.heappop(events)
            enter_s, leave_s = self._pass(time_s, vehicle, camera, direction * flips, speed_mps)
            edge = self._next_edge(camera, direction, hops)
            if edge is not None:
                arrives_s = self._arrival_s(edge, enter_s, leave_s)
                turned = -flips if edge.turns else flips
                heapq.heappush(events, (arrives_s, vehicle, edge.camera_to, direction, turned, hops + 1, speed_mps))
        table = np.array(sorted(self.rows, key=lambda row: (row[1], row[2], row[0])), dtype=np.float64).reshape(-1, 9)
        whole = (0, 1, 4, 5)  # vehicle, camera, lane, direction
        columns = [table[:, i].astype(np.int64) if i in whole else table[:, i] for i in range(9)]
        return Passages(*columns)

    def _arrivals(self, body_rows: np.ndarray) -> list[tuple[float, int, int, int, int, int, float]]:
        """When and where each vehicle comes into the network. The last ones still reach a second camera."""
        s, entries = self.sizes, self.network.entries
        typical_s = (s.travel_low_s + s.travel_high_s) / 2 + 6.0 if self.network.edges else 0.0
        end_s = max(0.45 * s.duration_s, s.duration_s - 1.6 * typical_s)
        times_s = self.rng.uniform(0.0, end_s, s.vehicles)
        if s.rush:
            platoons_s = np.sort(self.rng.uniform(0.0, end_s, max(1, s.vehicles // 8)))
            near_s = platoons_s[np.searchsorted(platoons_s, times_s).clip(0, len(platoons_s) - 1)]
            times_s = times_s + (near_s - times_s) * s.rush * self.rng.uniform(0.5, 1.0, s.vehicles)
        shares = np.array([entry.share for entry in entries])
        chosen = self.rng.choice(len(entries), size=s.vehicles, p=shares / shares.sum())
        heavy = np.array([BODIES[row].length_m > 7.0 for row in body_rows], dtype=bool).reshape(-1)
        speeds_mps = np.clip(self.rng.lognormal(np.log(8.5), 0.16, s.vehicles), 5.5, 13.0) * np.where(heavy, 0.85, 1.0)
        return [(float(times_s[v]), v + 1, entries[chosen[v]].camera, entries[chosen[v]].direction, 1, 0,
                 float(speeds_mps[v])) for v in range(s.vehicles)]

    def _pass(self, time_s: float, vehicle: int, camera: int, direction: int, speed_mps: float) -> tuple[float, float]:
        """Lead one vehicle through one view: choose a lane, keep behind those ahead; returns enter and leave."""
        s, rng = self.sizes, self.rng
        long_s = max(0.0, self.lengths_of[vehicle - 1] - 4.5) / (2 * speed_mps)  # times are those of its middle
        time_s += long_s
        headway_s = s.headway_s + long_s
        never = (-np.inf, -np.inf)
        free = self.last.get((camera, direction, PARKING_LANE), never)[1] < time_s
        halts = bool(rng.random() < s.stop_share) and free
        halt_s, halt_at = rng.uniform((1.5, 0.3), (s.stop_high_s, 0.7)).tolist() if halts else (0.0, 0.0)
        lanes = [PARKING_LANE] if halts else [int(lane) for lane in rng.permutation(s.lanes)]
        lane = min(lanes, key=lambda i: max(time_s, self.last.get((camera, direction, i), never)[0] + s.headway_s))
        ahead = self.last.get((camera, direction, lane), never)
        enter_s = max(time_s, ahead[0] + headway_s)
        wanted_s = float(self.lengths_m[camera]) / (speed_mps * float(rng.uniform(0.9, 1.1)))
        leave_s = max(enter_s + wanted_s + halt_s, ahead[1] + headway_s)
        self.last[camera, direction, lane] = (enter_s + long_s, leave_s + long_s)
        moved_mps = float(self.lengths_m[camera]) / (leave_s - enter_s - halt_s)
        self.rows.append((vehicle, camera, enter_s, leave_s, lane, direction, moved_mps, halt_at, halt_s))
        return enter_s, leave_s

    def _next_edge(self, camera: int, direction: int, hops: int) -> Edge | None:
        onward = self.network.onward(camera, direction)
        if not onward or hops >= self.sizes.max_hops or self.rng.random() < self.sizes.leave_early:
            return None
        shares = np.array([edge.share for edge in onward])
        return onward[int(self.rng.choice(len(onward), p=shares / shares.sum()))]

    def _arrival_s(self, edge: Edge, enter_s: float, leave_s: float) -> float:
        """When the vehicle reaches the next view: by geometry where views overlap, else after its travel time,
        which starts at the next green where there are signals."""
        s = self.sizes
        if edge.overlap > 0:
            return enter_s + (1.0 - edge.overlap * float(self.rng.uniform(0.95, 1.05))) * (leave_s - enter_s)
        starts_s = leave_s
        if s.signal_period_s > 0:
            phase_s = (edge.camera_from * 0.37 + edge.camera_to * 0.21) % 1.0 * s.signal_period_s
            since_green_s = (leave_s - phase_s) % s.signal_period_s
            if since_green_s > s.signal_green_share * s.signal_period_s:
                starts_s = leave_s + s.signal_period_s - since_green_s
        return starts_s + float(self.rng.lognormal(np.log(edge.median_s), s.travel_spread))

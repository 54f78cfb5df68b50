"""The made-up worlds: traffic, looks, pictures and their truth."""

from __future__ import annotations

import dataclasses
import itertools
import time

import numpy as np
import pytest

from mtmc.errors import ConfigError
from mtmc.worlds.networks import KINDS
from mtmc.worlds.traffic import BODIES, PARKING_LANE, Passages, Traffic, simulate

SEEDS = (0, 1, 2)


def arrays_of(traffic: Traffic) -> list[np.ndarray]:
    own = [value for value in vars(traffic).values() if isinstance(value, np.ndarray)]
    return own + list(vars(traffic.passages).values())


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_traffic(kind: str) -> None:
    first, again, other = simulate(kind, 5), simulate(kind, 5), simulate(kind, 6)
    for a, b in zip(arrays_of(first), arrays_of(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.passages.enter_s.tolist() != other.passages.enter_s.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_vehicles_of_one_lane_keep_their_order_and_distance(kind: str, seed: int) -> None:
    traffic = simulate(kind, seed)
    p, headway_s = traffic.passages, traffic.sizes.headway_s
    lanes = np.stack([p.camera_rows, p.directions, p.lanes], axis=1)
    for lane in np.unique(lanes[p.lanes != PARKING_LANE], axis=0):
        rows = np.flatnonzero((lanes == lane).all(axis=1))
        order = rows[np.argsort(p.enter_s[rows])]
        assert (np.diff(p.enter_s[order]) >= headway_s - 1e-9).all()
        assert (np.diff(p.leave_s[order]) >= headway_s - 1e-9).all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "crossing"])
def test_a_vehicle_is_at_one_place_at_a_time(kind: str) -> None:
    traffic = simulate(kind, 3)
    assert (traffic.transits(traffic.passages).travel_s > 0).all()


def test_crossing_views_overlap() -> None:
    travel_s = simulate("crossing", 3).transits(simulate("crossing", 3).passages).travel_s
    assert len(travel_s) > 30
    assert (travel_s < 0).all()


def test_strangers_share_no_vehicle_and_a_loop_brings_them_back() -> None:
    strangers, loop = simulate("strangers", 0), simulate("loop", 0)
    assert len(strangers.transits(strangers.passages).travel_s) == 0
    assert len(set(strangers.look_ids.tolist())) < len(strangers.look_ids)
    visits = np.stack([loop.passages.vehicle_ids, loop.passages.camera_rows], axis=1)
    assert len(np.unique(visits, axis=0)) < len(visits)


def slow_transits(traffic: Traffic, p: Passages) -> list[tuple[int, int, float, float]]:
    found = []
    for vehicle in set(p.vehicle_ids.tolist()):
        rows = sorted((p.enter_s[i], p.leave_s[i], i) for i in range(len(p)) if p.vehicle_ids[i] == vehicle)
        for (_, leave_s, a), (enter_s, _, b) in itertools.pairwise(rows):
            clocks = [(t - traffic.clock_offsets_s[p.camera_rows[i]]) / traffic.clock_rates[p.camera_rows[i]]
                      for t, i in ((leave_s, a), (enter_s, b))]
            found.append((a, b, enter_s - leave_s, clocks[1] - clocks[0]))
    return sorted(found)


@pytest.mark.parametrize(("kind", "sizes"), [
    ("demo", {}), ("crossing", {}), ("loop", {"max_drift_ppm": 200.0}), ("demo", {"vehicles": 0}),
    ("demo", {"vehicles": 1}), ("one-camera", {}), ("twelve-cameras", {"cameras": 7})])
def test_transits_are_those_of_a_plain_loop(kind: str, sizes: dict) -> None:
    traffic = simulate(kind, 2, **sizes)
    for passages in (traffic.passages, traffic.recorded()):
        t = traffic.transits(passages)
        slow = slow_transits(traffic, passages)
        assert list(zip(t.from_rows.tolist(), t.to_rows.tolist(), strict=True)) == [row[:2] for row in slow]
        np.testing.assert_allclose(t.travel_s, [row[2] for row in slow])
        np.testing.assert_allclose(t.recording_travel_s, [row[3] for row in slow])


def test_travel_times_follow_their_edges() -> None:
    traffic = simulate("chain", 1, vehicles=2000, duration_s=40000.0, leave_early=0.0)
    t = traffic.transits(traffic.passages)
    for edge in traffic.network.edges:
        logs = np.log(t.travel_s[(t.camera_from == edge.camera_from) & (t.camera_to == edge.camera_to)])
        if edge.direction == 1:
            assert np.exp(np.median(logs)) == pytest.approx(edge.median_s, rel=0.03)
            assert logs.std() == pytest.approx(traffic.sizes.travel_spread, rel=0.1)


def test_signals_bunch_traffic() -> None:
    free = simulate("rush-hour", 1, signal_period_s=0.0, rush=0.0)
    bunched = simulate("rush-hour", 1, rush=0.0)
    share = [np.mean(np.diff(np.sort(t.passages.enter_s[t.passages.camera_rows == 2])) < 3.0) for t in (free, bunched)]
    assert share[1] > 1.2 * share[0]


def test_progress_rises_and_halts() -> None:
    p = simulate("demo", 4, stop_share=0.5).passages
    assert (p.halt_s > 0).any()
    for row in range(len(p)):
        one = p[np.array([row])]
        times_s = np.linspace(p.enter_s[row], p.leave_s[row], 200)
        way = np.array([one.progress(float(t))[0] for t in times_s])
        assert (np.diff(way) >= -1e-12).all()
        assert way[0] == pytest.approx(0.0, abs=1e-9)
        assert way[-1] == pytest.approx(1.0, abs=1e-9)
        still_s = (np.diff(way) < 1e-9).sum() * (times_s[1] - times_s[0])
        assert still_s == pytest.approx(p.halt_s[row], abs=0.2)
        assert one.progress(p.enter_s[row] - 1.0)[0] < 0 < 1 < one.progress(p.leave_s[row] + 1.0)[0]


def test_recordings_cut_what_they_do_not_hold() -> None:
    traffic = simulate("demo", 1)
    p = traffic.recorded()
    shown_s = traffic.recording_s(p.camera_rows, p.enter_s), traffic.recording_s(p.camera_rows, p.leave_s)
    assert shown_s[0].min() >= 0
    assert (shown_s[1] <= traffic.durations_s[p.camera_rows] + 1e-9).all()
    assert len(p) < len(traffic.passages)


def test_look_alikes_share_body_and_class() -> None:
    traffic = simulate("rush-hour", 1)
    for look in np.unique(traffic.look_ids):
        rows = np.flatnonzero(traffic.look_ids == look)
        assert len(set(traffic.body_rows[rows].tolist())) == 1
        assert {BODIES[row].class_id for row in traffic.body_rows[rows]} == set(traffic.class_ids[rows].tolist())
    counts = np.bincount(traffic.look_ids)
    assert (counts[traffic.look_ids] > 1).mean() == pytest.approx(traffic.sizes.look_alike_share, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_demo_is_worth_it(seed: int) -> None:
    traffic = simulate("demo", seed)
    p = traffic.recorded()
    seen_by = [len(set(p.camera_rows[p.vehicle_ids == v + 1].tolist())) for v in range(traffic.sizes.vehicles)]
    assert len(traffic.camera_ids) >= 4
    assert np.sum(np.array(seen_by) >= 2) >= 30
    assert min(seen_by) <= 1
    assert len(set(traffic.frame_rates_hz.tolist())) > 1
    assert len(set(traffic.clock_offsets_s.tolist())) > 1


def test_unknown_kinds_and_sizes_are_named() -> None:
    with pytest.raises(ConfigError, match="rush-hour"):
        simulate("rush-huor", 1)
    with pytest.raises(ConfigError, match="vehicles"):
        simulate("chain", 1, vehicels=3)
    with pytest.raises(ConfigError, match="duration"):
        simulate("chain", 1, duration_s=0.0)


def test_a_world_is_simulated_in_milliseconds() -> None:
    begin = time.process_time()
    simulate("twelve-cameras", 1)
    assert time.process_time() - begin < 1.0


def test_traffic_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        simulate("small", 1).passages = None  # type: ignore[misc]

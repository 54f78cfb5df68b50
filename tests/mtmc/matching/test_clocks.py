"""Clocks told apart from travel times: offsets, drifts, their errors, and the table that shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.association_clocks import held_against_truth
from benchmarks.association_worlds import make_world
from mtmc.camera_rules import CameraRules
from mtmc.matching.clocks import Travels, clock_drift, clock_offset
from mtmc.matching.matcher import match
from mtmc.results.connections_csv import read_connections_csv, write_connections_csv


def travels(rng: np.random.Generator, count: int, median_s: float, gain_s_per_h: float = 0.0) -> Travels:
    at_s = np.sort(rng.uniform(0, 6 * 3600, count))
    travel_s = median_s * rng.lognormal(0, 0.15, count) if median_s > 0 else rng.normal(median_s, 0.3, count)
    return Travels(travel_s + gain_s_per_h * at_s / 3600, at_s, np.ones(count, bool))


def test_offsets_lie_within_their_errors_whatever_the_number_of_vehicles() -> None:
    rng = np.random.default_rng(0)
    for count in (5, 12, 80):
        near = []
        for _ in range(200):
            there, back = travels(rng, count, 40), travels(rng, count, 40)
            there = Travels(there.travel_s + 3.0, there.at_s, there.direct)
            back = Travels(back.travel_s - 3.0, back.at_s, back.direct)
            offset, error = clock_offset(there, back)
            near.append(abs(offset - 3.0) <= 2 * error)
        assert np.mean(near) >= 0.93


def test_a_drift_is_found_both_ways_or_where_views_overlap_and_nowhere_else() -> None:
    rng = np.random.default_rng(1)
    none = travels(rng, 0, 40)
    drift, error = clock_drift(travels(rng, 150, 40, 2.0), travels(rng, 150, 40, -2.0))
    assert abs(drift - 2.0) <= 3 * error
    assert error < 0.5
    drift, error = clock_drift(travels(rng, 150, -4, 0.5), none)
    assert abs(drift - 0.5) <= 3 * error
    assert error < 0.1
    both_slower, error = clock_drift(travels(rng, 150, 40, 2.0), travels(rng, 150, 40, 2.0))
    assert abs(both_slower) <= 3 * error  # a street that fills is no clock
    assert np.isnan(clock_drift(travels(rng, 150, 40, 2.0), none)).all()
    assert np.isnan(clock_drift(travels(rng, 10, 40), travels(rng, 10, 40))).all()


@pytest.mark.parametrize("kind", ["two-way", "loop", "crossing"])
def test_what_is_learned_of_cameras_is_true(kind: str, tmp_path: Path) -> None:
    """A way round a loop takes longer than the way there: it must not be taken for a difference of clocks."""
    world = make_world(kind, 4)
    graph, table = match(world.gallery, CameraRules()).camera_graph, world.gallery.tracklets
    medians, offsets, _ = held_against_truth(world, graph)
    assert medians[0] == medians[1]
    assert offsets[1] >= 0.9 * offsets[0]
    write_connections_csv(tmp_path / "connections.csv", graph, table)
    cells = read_connections_csv(tmp_path / "connections.csv")
    assert list(cells["camera_from"]) == sorted(cells["camera_from"])
    assert len(cells["state"]) == len(graph)
    np.testing.assert_allclose(np.sort(cells["travel_median_s"]), np.sort(graph.travel_median_s), atol=6e-4)

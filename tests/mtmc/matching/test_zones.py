"""Zones of a picture: groups of places that lie apart, in the order of their first place."""

from __future__ import annotations

import numpy as np
import pytest

from mtmc.matching.zones import LEAST_COUNT, STRAY, find_zones


def places(counts: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places about middles one picture apart, shuffled, and the group of each."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    middles = np.stack([np.arange(len(counts)), np.zeros(len(counts)), np.zeros(len(counts))], axis=1)
    return middles[groups] + rng.normal(0, 0.03, (len(groups), 3)), groups


@pytest.mark.parametrize("counts", [[20, 20], [10, 30, 25], [600, 500, 400]])
def test_groups_that_lie_apart_are_zones(counts: list[int]) -> None:
    points, groups = places(counts)
    zones = find_zones(points)
    assert zones.count == len(counts)
    first = [groups[zones.labels == zone][0] for zone in range(zones.count)]
    assert (np.array(first)[zones.labels] == groups).all()
    assert zones.sizes.tolist() == [counts[group] for group in first]


@pytest.mark.parametrize("count", [0, 1, 2 * LEAST_COUNT - 1, 40])
def test_one_group_or_hardly_any_places_are_no_zones(count: int) -> None:
    points, _ = places([count])
    zones = find_zones(points)
    assert zones.count == 0
    assert (zones.labels == STRAY).all()
    assert len(zones.labels) == count


def test_strays_belong_to_no_zone() -> None:
    points, groups = places([30, 30, 1])
    zones = find_zones(points)
    assert zones.count == 2
    assert ((zones.labels == STRAY) == (groups == 2)).all()

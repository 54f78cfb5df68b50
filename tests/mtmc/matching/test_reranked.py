"""Re-ranked distances in the matcher: neighbours in common bring two together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.association_worlds import idf1, make_world
from mtmc.camera_rules import CameraRules
from mtmc.errors import ConfigError
from mtmc.matching.looks import LooksConfig, corrected
from mtmc.matching.matcher import MatchingConfig, match
from mtmc.matching.reranked import reranked


def test_symmetric_between_0_and_1_and_nearer_within_a_vehicle() -> None:
    world = make_world("chain", 3, vehicles=20)
    apart = reranked(corrected(world.gallery, LooksConfig()))
    assert apart.shape == (len(world.gallery),) * 2
    np.testing.assert_array_equal(apart, apart.T)
    assert apart.min() >= -1e-6
    assert apart.max() <= 1 + 1e-6
    same = world.vehicle_ids[:, None] == world.vehicle_ids[None]
    np.fill_diagonal(same, False)
    assert apart[same].mean() < 0.8 * apart[~same].mean()


def test_a_switch_of_the_matcher() -> None:
    world = make_world("chain", 3, vehicles=20)
    found = match(world.gallery, CameraRules(), MatchingConfig(rerank=True))
    assert idf1(world, found.global_ids) > 0.8 * idf1(world, world.vehicle_ids)
    with pytest.raises(ConfigError, match="rerank"):
        match(world.gallery, CameraRules(), replace(MatchingConfig(rerank=True), exhaustive=10))

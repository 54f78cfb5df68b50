"""Galleries of which not every pair is looked at: the travel times are found first, then the pairs inside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.association import measure
from benchmarks.association_scale import identity_f1, make_day
from benchmarks.association_worlds import make_world
from mtmc.camera_rules import CameraRules
from mtmc.matching import threads
from mtmc.matching.matcher import MatchingConfig, match
from mtmc.matching.matches import Matches


def test_half_a_day_of_twelve_cameras_is_linked_as_well_as_with_the_true_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, vehicles, gates = make_day(6000, 12, 96, tmp_path, duration_s=43_200.0)

    def score(matches: Matches) -> float:
        return identity_f1(matches.global_ids, vehicles, gallery.tracklets.camera_rows)

    told, found = match(gallery, gates, MatchingConfig()), match(gallery, CameraRules(), MatchingConfig())
    assert score(found) >= 0.9
    assert score(found) >= 0.95 * score(told)
    monkeypatch.setattr(threads, "usable_cores", lambda: 1)
    alone = match(gallery, CameraRules(), MatchingConfig())
    assert np.array_equal(alone.global_ids, found.global_ids)
    assert np.array_equal(alone.candidates.probabilities, found.candidates.probabilities)


@pytest.mark.parametrize(("kind", "sizes"), [("rush-hour", {"vehicles": 500}), ("crossing", {"vehicles": 600}),
                                             ("loop", {"vehicles": 250})])  # fmt: skip
def test_a_large_gallery_is_linked_like_a_small_one(kind: str, sizes: dict[str, int]) -> None:
    """Where only near pairs are kept, what is usual must still be learned from those left out, too."""
    world = make_world(kind, 3, **sizes)
    found = measure(world, match(world.gallery, CameraRules(), MatchingConfig(exhaustive=100)))
    assert found["idf1"] >= 0.87
    assert found["precision"] >= 0.95
    assert found["calibration_error"] <= 0.05

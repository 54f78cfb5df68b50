"""What `make soak` says of memory: a leak is found, noise and warming up are none; and a short soak of the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.faults.soak import Samples, slope_with_bound, soak


def readings(slope_mib_per_hour: float, noise_mib: float, seed: int = 0) -> Samples:
    """An hour, a reading a second; memory doubles in the first five minutes."""
    times_s = np.arange(3600.0)
    warm_up = 100 * np.exp(-times_s / 60)
    resident = 200 + slope_mib_per_hour * times_s / 3600 + noise_mib * np.random.default_rng(seed).normal(size=3600)
    return Samples(times_s, resident - warm_up, np.full(3600, 20.0))


@pytest.mark.parametrize("slope", [0.0, 1.0, 5.0, -3.0])
def test_the_slope_of_made_up_readings_comes_back(slope: float) -> None:
    kept = readings(slope, noise_mib=0.5).after_warm_up()
    found, bound = slope_with_bound(kept.times_s, kept.resident_mib)
    assert found == pytest.approx(slope, abs=0.3)
    assert found < bound < found + 0.3


def test_the_bound_holds_as_often_as_it_says() -> None:
    above = 0
    for seed in range(200):
        times_s = np.arange(0.0, 3600.0, 10.0)
        bound = slope_with_bound(times_s, np.random.default_rng(seed).normal(size=360))[1]
        above += bound > 0
    assert 180 <= above <= 199  # 95 % of 200


@pytest.mark.slow
def test_a_short_soak_of_the_real_command(tmp_path: Path) -> None:
    samples, code, pictures, tracklets = soak(tmp_path, 25.0, tmp_path / "log.csv")
    assert code == 143
    assert pictures > 100
    assert tracklets > 0
    assert len(samples.times_s) == len((tmp_path / "log.csv").read_text().splitlines()) > 10
    assert samples.resident_mib.max() > 100
    assert samples.handles[-1] > 5

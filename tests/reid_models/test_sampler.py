"""P×K batches: distinct identities, spread over cameras and tracklets, repeatable from any step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import ConfigError, InputError
from reid_models.data.sampler import IdentitySampler, SamplerConfig
from reid_models.data.samples import ReidSamples


def samples(identities, cameras=None, tracklets=None) -> ReidSamples:
    n = len(identities)
    return ReidSamples(tuple(Path(f"{i}.jpg") for i in range(n)), np.array(identities),
                       np.zeros(n) if cameras is None else np.array(cameras),
                       np.full(n, -1) if tracklets is None else np.array(tracklets), ("",) * n)


def random_samples(seed: int, count: int = 200) -> ReidSamples:
    rng = np.random.default_rng(seed)
    identities = rng.integers(-1, 9, count)
    cameras = rng.integers(0, 3, count)
    return samples(identities, cameras, (identities + 1) * 100 + cameras * 10 + rng.integers(0, 4, count))


@pytest.mark.parametrize("seed", range(5))
def test_every_batch_has_p_identities_of_k_images(seed: int) -> None:
    data = random_samples(seed)
    sampler = IdentitySampler(data, SamplerConfig(4, 5), seed)
    for step in range(12):
        batch = sampler.batch(step)
        assert batch.shape == (4, 5)
        identities = data.identities[batch]
        assert (identities == identities[:, :1]).all()
        assert len(set(identities[:, 0])) == 4
        assert (identities >= 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_images_spread_over_cameras_then_tracklets_then_images(seed: int) -> None:
    """Counts of any two groups that still had images to give differ by at most one."""
    data = random_samples(seed)
    sampler = IdentitySampler(data, SamplerConfig(3, 7), seed)
    for rows in np.concatenate([sampler.batch(step) for step in range(6)]):
        mine = np.flatnonzero(data.identities == data.identities[rows[0]])
        check_even(rows, mine, data.cameras)
        for camera in np.unique(data.cameras[rows]):
            inside = mine[data.cameras[mine] == camera]
            check_even(rows[data.cameras[rows] == camera], inside, data.tracklets)
        if len(mine) >= len(rows):
            assert len(set(rows)) == len(rows)


def check_even(drawn: np.ndarray, available: np.ndarray, groups: np.ndarray) -> None:
    counts = {g: int((groups[drawn] == g).sum()) for g in np.unique(groups[available])}
    limits = {g: int((groups[available] == g).sum()) for g in counts}
    unfinished = [count for g, count in counts.items() if count < limits[g]]
    if unfinished:
        assert max(counts.values()) <= min(unfinished) + 1


def test_identities_with_few_images_repeat_each_evenly() -> None:
    data = samples([0, 0, 1, 1, 1], cameras=[1, 2, 1, 1, 2])
    for rows in IdentitySampler(data, SamplerConfig(2, 7), 0).batch(3):
        assert sorted(np.unique(rows, return_counts=True)[1]) in ([3, 4], [2, 2, 3])


def test_an_epoch_shows_every_identity_once() -> None:
    data = samples(np.repeat(np.arange(12), 2))
    sampler = IdentitySampler(data, SamplerConfig(4, 2), 1)
    assert sampler.batches_per_epoch == 3
    for epoch in range(3):
        shown = [int(data.identities[r[0]]) for s in range(3) for r in sampler.batch(3 * epoch + s)]
        assert sorted(shown) == list(range(12))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    data = random_samples(0)
    first, second = (IdentitySampler(data, SamplerConfig(4, 3), 7) for _ in range(2))
    in_order = [first.batch(step) for step in range(9)]
    assert all(np.array_equal(second.batch(step), in_order[step]) for step in (8, 2, 5))
    other = IdentitySampler(data, SamplerConfig(4, 3), 8)
    assert any(not np.array_equal(other.batch(s), in_order[s]) for s in range(9))


def test_too_few_identities_are_an_error() -> None:
    with pytest.raises(InputError, match="4 identities or more"):
        IdentitySampler(samples([0, 0, 1, 1, -1]), SamplerConfig(4, 2), 0)


@pytest.mark.parametrize("settings", [(1, 4), (4, 1)])
def test_batches_without_positives_or_negatives_are_refused(settings: tuple[int, int]) -> None:
    with pytest.raises(ConfigError):
        SamplerConfig(*settings)

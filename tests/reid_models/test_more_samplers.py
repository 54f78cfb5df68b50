"""Samplers of other published methods: alike negatives, pairs at a ratio, weak labels from travel times."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest

from mtmc.errors import ConfigError, InputError
from reid_models.data.hard_negative_sampler import HardNegativeSampler
from reid_models.data.marks import MEMBER, POSSIBLE_POSITIVE, SURE_NEGATIVE
from reid_models.data.pair_sampler import PairSampler, negative_ratio
from reid_models.data.run_folder import load_split
from reid_models.data.sampler import PairConfig, SamplerConfig
from reid_models.data.samplers import SAMPLERS, build_sampler
from reid_models.data.samples import ReidSamples, concatenate
from reid_models.data.transit_sampler import TransitSampler
from reid_models.data.transits import TransitConfig, possible_positives, sure_negatives


def samples(identities, cameras=None, tracklets=None, kinds=None, spans_s=None) -> ReidSamples:
    n = len(identities)
    return ReidSamples(tuple(Path(f"{i}.jpg") for i in range(n)), np.array(identities),
                       np.zeros(n) if cameras is None else np.array(cameras),
                       np.full(n, -1) if tracklets is None else np.array(tracklets),
                       ("",) * n if kinds is None else tuple(kinds),
                       np.zeros((0, 2)) if spans_s is None else np.array(spans_s, dtype=np.float64))


def kinds_world(seed: int) -> ReidSamples:
    """30 identities of 4 kinds, one of which has but one identity, and one identity of unknown kind."""
    rng = np.random.default_rng(seed)
    kind_of = ["car"] * 14 + ["bus"] * 6 + ["truck"] * 8 + ["tram", ""]
    identities = rng.permutation(np.concatenate([np.arange(30), rng.integers(0, 30, 90)]))
    return samples(identities, rng.integers(0, 3, 120), kinds=[kind_of[i] for i in identities])


def test_configurations_may_name_exactly_what_the_registry_has() -> None:
    assert set(get_args(get_type_hints(SamplerConfig)["kind"])) == set(SAMPLERS)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("group", [2, 3, 6])
def test_hard_negatives_are_other_identities_of_the_same_kind(seed: int, group: int) -> None:
    data = kinds_world(seed)
    sampler = HardNegativeSampler(data, SamplerConfig(6, 3, "hard-negatives", group=group), seed)
    kinds = np.array(data.kinds)
    for step in range(2 * sampler.batches_per_epoch):
        batch = sampler.batch(step)
        assert batch.shape == (6, 3)
        assert (data.identities[batch] == data.identities[batch[:, :1]]).all()
        first = data.identities[batch[:, 0]]
        assert len(set(first.tolist())) == 6
        for start in range(0, 6, group):
            assert len(set(kinds[batch[start:start + group]].ravel())) == 1
    assert set(sampler.identities.tolist()) <= set(range(28))  # the lone tram and the unknown are left out


def test_an_epoch_of_hard_negatives_shows_whole_groups_once() -> None:
    data = kinds_world(0)
    sampler = HardNegativeSampler(data, SamplerConfig(4, 2, "hard-negatives", group=2), 0)
    shown = [int(data.identities[rows[0]]) for step in range(sampler.batches_per_epoch) for rows in sampler.batch(step)]
    assert len(shown) == len(set(shown)) == 28
    again = HardNegativeSampler(data, SamplerConfig(4, 2, "hard-negatives", group=2), 0)
    assert np.array_equal(again.batch(9), sampler.batch(9))


def test_hard_negatives_want_groups_that_fit() -> None:
    with pytest.raises(ConfigError, match="a divisor"):
        HardNegativeSampler(kinds_world(0), SamplerConfig(6, 2, "hard-negatives", group=4), 0)
    with pytest.raises(InputError, match="of a kind"):
        HardNegativeSampler(samples(np.arange(9).repeat(2)), SamplerConfig(4, 2, "hard-negatives", group=2), 0)


def test_ratio_equals_the_digest() -> None:
    config = PairConfig()
    assert negative_ratio(config, 0) == 1.0
    assert negative_ratio(config, 75) == pytest.approx(2.109, abs=1e-3)
    assert negative_ratio(config, 139) < 4.0 == negative_ratio(config, 140)


@pytest.mark.parametrize("most", [1.0, 3.0])
def test_pairs_have_the_ratio_and_positives_change_the_camera(most: float) -> None:
    rng = np.random.default_rng(0)
    data = samples(rng.integers(-1, 12, 300), rng.integers(0, 3, 300))
    config = SamplerConfig(20, 2, "pairs", pairs=PairConfig(growth=10.0, most=most))
    sampler = build_sampler(data, config, 3)
    begin = sampler.batches_per_epoch if most > 1 else 0  # from the second epoch on the ratio is `most`
    pairs = np.concatenate([sampler.batch(begin + step) for step in range(60)])
    same = data.identities[pairs[:, 0]] == data.identities[pairs[:, 1]]
    assert same.mean() == pytest.approx(1 / (1 + most), abs=0.04)
    assert (data.cameras[pairs[same, 0]] != data.cameras[pairs[same, 1]]).all()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert (data.identities[pairs] >= 0).all()


def test_an_epoch_of_pairs_has_every_image_first_once() -> None:
    data = samples(np.repeat(np.arange(6), 2))
    sampler = PairSampler(data, SamplerConfig(4, 2, "pairs"), 1)
    firsts = [int(row) for step in range(sampler.batches_per_epoch) for row in sampler.batch(step)[:, 0]]
    assert sorted(firsts) == list(range(12))
    assert np.array_equal(PairSampler(data, SamplerConfig(4, 2, "pairs"), 1).batch(7), sampler.batch(7))


def test_a_lone_image_is_always_paired_with_a_stranger() -> None:
    data = samples([0, 1, 1])
    pairs = np.concatenate([PairSampler(data, SamplerConfig(3, 2, "pairs"), 0).batch(s) for s in range(30)])
    assert (data.identities[pairs[pairs[:, 0] == 0, 1]] == 1).all()
    with pytest.raises(InputError, match="2 vehicles"):
        PairSampler(samples([1, 1, 1, 1]), SamplerConfig(2, 2, "pairs"), 0)


def slow_relations(cameras, spans, config: TransitConfig) -> tuple[np.ndarray, np.ndarray]:
    """Pair by pair, in words: a drives on to b if the pause between them fits a road."""
    count = len(cameras)
    possible, sure = (np.zeros((count, count), dtype=bool) for _ in range(2))
    roads = {(a, b): (low, high) for a, b, low, high in config.roads}
    shortest = min([low for low, _ in roads.values()], default=config.window_s[0])
    for i in range(count):
        for j in range(count):
            if i == j:
                continue
            fits = False
            for a, b in ((i, j), (j, i)):
                road = roads.get((cameras[a], cameras[b])) if roads else config.window_s
                if cameras[a] != cameras[b] and road:
                    fits |= road[0] <= spans[b][0] - spans[a][1] <= road[1]
            pause = max(spans[j][0] - spans[i][1], spans[i][0] - spans[j][1])
            possible[i, j] = fits
            if cameras[i] == cameras[j]:
                sure[i, j] = pause < 0
            else:
                sure[i, j] = pause < shortest and not config.overlapping_views and not fits
    return possible, sure


@pytest.mark.parametrize("config", [
    TransitConfig(), TransitConfig(window_s=(0.0, 15.0)), TransitConfig(window_s=(5.0, 40.0), overlapping_views=True),
    TransitConfig(roads=((0, 1, 4.0, 20.0), (1, 2, 2.0, 9.0)))])
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_what_times_say_equals_its_slow_twin(config: TransitConfig, count: int) -> None:
    rng = np.random.default_rng(count)
    cameras, starts = rng.integers(0, 3, count), rng.uniform(0, 100, count).round(1)
    spans = np.stack([starts, starts + rng.uniform(0, 12, count).round(1)], axis=1)
    possible, sure = slow_relations(cameras, spans, config)
    assert np.array_equal(possible_positives(cameras, spans, config), possible)
    assert np.array_equal(sure_negatives(cameras, spans, config), sure)
    assert not (possible & sure).any()


def test_a_passage_without_times_relates_to_nothing() -> None:
    cameras, spans = np.array([0, 1, 0]), np.array([[0.0, 4.0], [np.nan, np.nan], [1.0, 2.0]])
    assert not possible_positives(cameras, spans, TransitConfig()).any()
    assert sure_negatives(cameras, spans, TransitConfig()).sum() == 2


def street(vehicles: int = 12, images: int = 3) -> ReidSamples:
    """Vehicles pass camera 0 every 6 s and camera 1 ten seconds after it; two images a passage."""
    rows = [(v, camera, 2 * v + camera, 6.0 * v + 10 * camera) for v in range(vehicles) for camera in (0, 1)
            for _ in range(images)]
    identities, cameras, tracklets, starts = (np.array(column) for column in zip(*rows, strict=True))
    return samples(identities, cameras, tracklets.astype(int), spans_s=np.stack([starts, starts + 2], axis=1))


def weak_sampler(data: ReidSamples, **transits) -> TransitSampler:
    config = SamplerConfig(4, 6, "transits", transits=TransitConfig(window_s=(5.0, 15.0), **transits))
    return TransitSampler(data, config, 0)


def test_weak_slots_hold_a_query_possible_positives_and_sure_negatives() -> None:
    data = street()
    sampler = weak_sampler(data)
    assert sampler.roles.tolist() == [MEMBER] + 2 * [POSSIBLE_POSITIVE] + 3 * [SURE_NEGATIVE]
    for step in range(2 * sampler.batches_per_epoch):
        for slot in sampler.batch(step):
            cameras, spans = data.cameras[slot], data.spans_s[slot]
            possible, sure = slow_relations(cameras, spans, sampler.config.transits)
            assert possible[0, 1:3].all()
            assert sure[0, 3:].all()
    seen = {int(data.tracklets[slot[0]]) for s in range(sampler.batches_per_epoch) for slot in sampler.batch(s)}
    assert len(seen) == 4 * sampler.batches_per_epoch


def test_vectors_choose_the_likely_positive_and_the_hard_negatives() -> None:
    """With vectors that tell vehicles apart, the first possible positive is the true one."""
    data = street()
    sampler = weak_sampler(data, pool=50)
    sampler.refresh(lambda rows: np.eye(12, dtype=np.float32)[data.identities[rows]])
    batches = np.concatenate([sampler.batch(step) for step in range(6)])
    assert (data.identities[batches[:, 0]] == data.identities[batches[:, 1]]).all()
    # Vectors along the time axis: the nearest sure negatives are those of the nearest vehicles.
    sampler.refresh(lambda rows: data.identities[rows][:, None].astype(np.float32))
    for slot in sampler.batch(1):
        gaps = np.abs(data.identities[slot[3:]] - data.identities[slot[0]])
        _, sure = slow_relations(data.cameras, data.spans_s, sampler.config.transits)
        passages = np.flatnonzero(sure[slot[0]] & (data.tracklets != data.tracklets[slot[0]]))
        assert gaps[0] == np.abs(data.identities[passages] - data.identities[slot[0]]).min()


def test_the_kept_vectors_are_all_that_a_resume_needs() -> None:
    data = street()
    first, second = weak_sampler(data), weak_sampler(data)
    first.refresh(lambda rows: np.sin(rows[:, None] * np.arange(1, 4)).astype(np.float32))
    assert not all(np.array_equal(first.batch(s), second.batch(s)) for s in range(4))
    second.restore(first.state())
    assert all(np.array_equal(first.batch(s), second.batch(s)) for s in range(4))


def test_weak_labels_need_times() -> None:
    data = street()
    with pytest.raises(InputError, match="passages with times"):
        weak_sampler(samples(data.identities, data.cameras, data.tracklets))
    with pytest.raises(ConfigError, match="a query"):
        TransitSampler(data, SamplerConfig(4, 3, "transits"), 0)


def test_times_stay_with_their_images() -> None:
    data = street(3)
    chosen = data.select(np.array([4, 0]))
    assert np.array_equal(chosen.spans_s, data.spans_s[[4, 0]])
    both = concatenate([chosen, samples([5])])
    assert np.array_equal(both.spans_s[:2], chosen.spans_s)
    assert np.isnan(both.spans_s[2]).all()


def test_a_runs_times_are_read(tmp_path: Path) -> None:
    (tmp_path / "cameras" / "a" / "crops").mkdir(parents=True)
    (tmp_path / "cameras" / "a" / "crops" / "000007_0.jpg").write_bytes(b"x")
    table = tmp_path / "tracklets.csv"
    table.write_text("camera_id,track_id,start_s,end_s,global_id\na,7,1.5,4.250,3\n")
    assert load_split(tmp_path, "all").spans_s.tolist() == [[1.5, 4.25]]
    table.write_text("camera_id,track_id,start_s,end_s,global_id\na,7,soon,4.250,3\n")
    with pytest.raises(InputError, match="seconds in start_s"):
        load_split(tmp_path, "all")


@pytest.mark.parametrize("build", [
    lambda: PairConfig(growth=0.9), lambda: TransitConfig(window_s=(9.0, 3.0)),
    lambda: TransitConfig(roads=((0, 1, -1.0, 2.0),)), lambda: TransitConfig(possible=0),
    lambda: PairSampler(samples([0, 0, 1]), SamplerConfig(2, 3, "pairs"), 0)])
def test_settings_out_of_range_are_refused(build) -> None:
    with pytest.raises(ConfigError):
        build()

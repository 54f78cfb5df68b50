"""The whole score: public goldens, truth against itself and against damaged copies, modes, cameras, links, answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import InputError
from mtmc.evaluation.pair_score import PairScore
from mtmc.evaluation.score import compare, score, score_answers
from mtmc.results.aicity import read_aicity
from mtmc.results.mot import find_mot_files, read_mot_files
from mtmc.results.track_boxes import TrackBoxes


@pytest.fixture(scope="module")
def tud(shared_data: Path) -> tuple[TrackBoxes, TrackBoxes]:
    folder, cameras = shared_data / "mot-tud", ("TUD-Campus", "TUD-Stadtmitte")
    truth = read_mot_files(find_mot_files(folder, is_truth=True), is_truth=True)
    return truth, read_mot_files(find_mot_files(folder, is_truth=False, cameras=cameras))


@pytest.fixture(scope="module")
def world(shared_data: Path) -> TrackBoxes:
    return read_aicity(shared_data / "worlds" / "two-view-dev" / "ground_truth.txt")


def test_sequences_give_the_published_figures(tud: tuple[TrackBoxes, TrackBoxes]) -> None:
    found = score(*tud, mode="sequences")
    campus, stadtmitte = found.cameras
    assert (campus.camera_id, stadtmitte.camera_id) == ("TUD-Campus", "TUD-Stadtmitte")
    assert (round(100 * campus.identity.idf1, 1), round(100 * campus.clear.mota, 1)) == (55.8, 52.6)
    assert (round(100 * stadtmitte.identity.idf1, 1), round(100 * stadtmitte.clear.mota, 1)) == (64.5, 56.4)
    assert (round(100 * found.idf1, 1), round(100 * found.overall.clear.mota, 1)) == (62.4, 55.5)
    # The public table (motchallenge-devkit) has these beside them.
    assert (round(100 * campus.identity.idp, 1), round(100 * campus.identity.idr, 1)) == (73.0, 45.1)
    assert (campus.clear.fp, campus.clear.fn, campus.clear.switches, campus.clear.fragments) == (13, 150, 7, 7)
    assert (stadtmitte.clear.fp, stadtmitte.clear.fn, stadtmitte.clear.switches) == (45, 452, 7)
    assert (campus.clear.mostly_tracked, campus.clear.partly_tracked, campus.clear.mostly_lost) == (1, 6, 1)


def test_shared_identities_give_the_known_figures(tud: tuple[TrackBoxes, TrackBoxes]) -> None:
    assert round(100 * score(*tud, drop_single_camera=False).idf1, 2) == 52.21
    assert round(100 * score(*tud).idf1, 2) == 52.28


def test_the_truth_against_itself_is_perfect(world: TrackBoxes) -> None:
    found = score(world, world)
    assert found.idf1 == found.idp == found.idr == found.pairs.precision == found.pairs.recall == 1.0
    assert found.overall.hota.hota == pytest.approx(1)
    assert found.overall.clear.mota == 1
    assert found.errors == ()


def test_other_names_for_the_identities_change_nothing(world: TrackBoxes) -> None:
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(len(world))
    other = world.with_ids((world.ids * 7919) % 10007)[shuffled]
    assert score(world, other).idf1 == 1.0


def test_missing_boxes_cost_recall_only(world: TrackBoxes) -> None:
    keep = np.random.default_rng(0).random(len(world)) < 0.8
    found = score(world, world[keep])
    assert found.idp == 1.0
    assert found.idr == pytest.approx(keep.mean())
    assert found.pairs.recall == 1.0


def test_no_links_at_all_score_nothing_and_all_are_missed(world: TrackBoxes) -> None:
    alone = world.with_ids(world.ids + 1000 * (world.camera_rows + 1))
    found = score(world, alone)
    assert (found.idf1, found.predicted_boxes) == (0.0, 0)
    assert found.left_out.single_camera == len(world)
    assert found.pairs.found == 0
    passages = len(np.unique(np.stack([world.ids, world.camera_rows], axis=1), axis=0))
    assert found.error_counts["missed link"] == passages - len(np.unique(world.ids))
    kept = score(world, alone, drop_single_camera=False)
    longest = [max(np.bincount(world.camera_rows[world.ids == i])) for i in np.unique(world.ids)]
    assert kept.identity.idtp == sum(longest)


def test_two_vehicles_swapped_in_one_camera(world: TrackBoxes) -> None:
    here = world.camera_rows == 0
    a, b = np.unique(world.ids[here])[:2]
    ids = world.ids.copy()
    ids[here & (world.ids == a)], ids[here & (world.ids == b)] = b, a
    found = score(world, world.with_ids(ids))
    moved = int((here & np.isin(world.ids, (a, b))).sum())
    assert found.identity.idtp == len(world) - moved
    assert found.pairs.wrong > 0
    assert found.pairs.unmatched == 0
    assert found.error_counts["wrong link"] >= 2
    assert found.cameras[0].identity.idf1 == 1.0


def test_boxes_moved_away_are_missed_vehicles(world: TrackBoxes) -> None:
    moved = replace(world, boxes_xywh=world.boxes_xywh + np.array([5000, 0, 0, 0]))
    found = score(world, moved)
    assert (found.idf1, found.overall.clear.recall, found.pairs.right) == (0.0, 0.0, 0)
    assert found.pairs.unmatched == found.pairs.truth
    assert found.error_counts["missed vehicle"] > 100


def test_a_region_leaves_out_predictions_only(world: TrackBoxes) -> None:
    black = {camera: np.zeros((2000, 4000), dtype=np.uint8) for camera in world.camera_ids}
    found = score(world, world, rois=black)
    assert (found.truth_boxes, found.predicted_boxes, found.left_out.outside_region) == (len(world), 0, len(world))
    white = {camera: np.full((2000, 4000), 255, dtype=np.uint8) for camera in world.camera_ids}
    assert score(world, world, rois=white).idf1 == 1.0


@pytest.mark.parametrize("mode", ["aicity", "sequences"])
def test_no_prediction_scores_zero(world: TrackBoxes, mode: str) -> None:
    found = score(world, TrackBoxes.empty(), mode)
    assert (found.idf1, found.identity.idfn, found.overall.clear.mota) == (0.0, len(world), 0.0)


def test_a_truth_without_boxes_is_refused(world: TrackBoxes) -> None:
    with pytest.raises(InputError, match="truth"):
        score(TrackBoxes.empty(["1"]), world)


def test_an_unknown_mode_is_answered_with_the_nearest(world: TrackBoxes) -> None:
    with pytest.raises(InputError, match="aicity"):
        score(world, world, "aicty")  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [("c001", "c002", "c003", "c004"), ("east", "north", "south", "west")])
def test_numbered_truth_finds_named_cameras_and_the_other_way_round(world: TrackBoxes, names: tuple[str, ...]) -> None:
    named = world.with_camera_names(dict(zip(world.camera_ids, names, strict=True)))
    assert score(world, named).idf1 == 1.0
    back = score(named, world)
    assert back.idf1 == 1.0
    assert [camera.camera_id for camera in back.cameras] == list(names)


def test_the_runs_own_numbers_win(world: TrackBoxes) -> None:
    names = dict(zip(world.camera_ids, ("d", "c", "b", "a"), strict=True))
    named = world.with_camera_names(names)
    assert score(world, named).idf1 < 0.5
    numbers = {name: int(number) for number, name in names.items()}
    assert score(world, named, camera_numbers=numbers).idf1 == 1.0


def test_cameras_that_cannot_be_paired_are_named(scene: Callable) -> None:
    truth = scene(0, 20)
    with pytest.raises(InputError, match="west"):
        score(truth, truth.with_camera_names({"c001": "east", "c002": "west"}))


def test_one_camera_needs_no_name(scene: Callable) -> None:
    truth = scene(0, 20, cameras=1)
    assert score(truth, truth.with_camera_names({"c001": "other"}), "one-camera").idf1 == 1.0
    with pytest.raises(InputError, match="one camera"):
        score(scene(0, 20), truth, "one-camera")


def test_repeated_rows_of_the_truth_are_counted_once(scene: Callable) -> None:
    truth = scene(3, 20)
    found = score(TrackBoxes.concatenate([truth, truth]), truth, drop_single_camera=False)
    assert (found.idf1, found.truth_boxes, found.left_out.repeated_in_truth) == (1.0, len(truth), len(truth))


def plain_pairs(truth: TrackBoxes, prediction: TrackBoxes) -> PairScore:
    """Pairs of boxes that overlap exactly, as these scenes have them, counted with loops."""
    shows: dict[tuple, dict[int, int]] = {}
    sizes: dict[tuple, int] = {}
    boxes = {(c, f, *b): i for c, f, b, i in zip(
        truth.camera_rows.tolist(), truth.frames.tolist(), truth.boxes_xywh.tolist(), truth.ids.tolist(), strict=True)}
    for c, f, b, i in zip(prediction.camera_rows.tolist(), prediction.frames.tolist(),
                          prediction.boxes_xywh.tolist(), prediction.ids.tolist(), strict=True):
        sizes[c, i] = sizes.get((c, i), 0) + 1
        vehicle = boxes.get((c, f, *b))
        if vehicle is not None:
            shows.setdefault((c, i), {}).setdefault(vehicle, 0)
            shows[c, i][vehicle] += 1
    vehicle_of = {}
    for track, counts in shows.items():
        best = max(counts, key=lambda v: (counts[v], -v))
        if counts[best] >= 0.2 * sizes[track]:
            vehicle_of[track] = best
    right = wrong = unmatched = 0
    found = set()
    for (c, i) in sizes:
        for (d, j) in sizes:
            if i == j and c < d:
                a, b = vehicle_of.get((c, i)), vehicle_of.get((d, j))
                unmatched += a is None or b is None
                right += a is not None and a == b
                wrong += a is not None and b is not None and a != b
                if a is not None and a == b:
                    found.add((a, c, d))
    passages = sorted(set(zip(truth.ids.tolist(), truth.camera_rows.tolist(), strict=True)))
    pairs = [(v, c, d) for v, c in passages for w, d in passages if v == w and c < d]
    return PairScore(right, wrong, unmatched, len(pairs), len(found))


@pytest.mark.parametrize("seed", range(15))
def test_links_agree_with_a_plain_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    cells = rng.permutation(4 * 5 * 6)[:n]
    apart = np.stack([cells % 6 * 100, cells // 6 * 100, np.full(n, 50), np.full(n, 50)], axis=1)
    truth = TrackBoxes.build(["a", "b", "c", "d"], cells % 4, cells // 4 % 5, cells // 20 + 1, apart)
    shown = rng.random(n) < 0.8
    ids = np.where(rng.random(n) < 0.6, truth.ids, rng.integers(0, 5, n))
    extra = replace(truth, boxes_xywh=apart + 5000)[rng.random(n) < 0.3]
    prediction = TrackBoxes.concatenate([truth.with_ids(ids)[shown], extra])
    keys = np.stack([prediction.camera_rows, prediction.ids, prediction.frames], axis=1)
    prediction = prediction[np.sort(np.unique(keys, axis=0, return_index=True)[1])]
    assert score(truth, prediction, drop_single_camera=False).pairs == plain_pairs(truth, prediction)


def test_answers_score_as_runs_with_them_would(scene: Callable) -> None:
    truth = scene(0, 100, cameras=3, ids=6, frames=9)
    keys = np.stack([truth.camera_rows, truth.ids], axis=1)
    distinct, tracklet = np.unique(keys, axis=0, return_inverse=True)
    boxes = truth.with_ids(tracklet.reshape(-1))
    rng = np.random.default_rng(1)
    answers = {"truth": distinct[:, 1], "guess": rng.integers(1, 7, len(distinct)), "none": np.arange(len(distinct))}
    found = score_answers(truth, boxes, answers)
    assert found["truth"].identity.idf1 == 1.0
    assert found["none"].identity.idtp == 0
    for name, ids in answers.items():
        whole = score(truth, boxes.with_ids(ids[boxes.ids]))
        assert (found[name].identity, found[name].pairs) == (whole.identity, whole.pairs)


@pytest.mark.slow
def test_a_city_is_scored_in_seconds() -> None:
    """A CityFlow scene with every vehicle annotated: 4 cameras, 2,000 frames, over 100,000 rows on each side."""
    rng = np.random.default_rng(0)
    camera, vehicle = np.divmod(np.arange(4 * 180), 180)
    start, place, pace = rng.integers(1, 1850, 720), rng.uniform(0, 1700, (720, 2)), rng.uniform(-6, 6, (720, 2))
    age = np.tile(np.arange(150), 720)
    rows = np.repeat(np.arange(720), 150)
    boxes = np.concatenate([place[rows] + pace[rows] * age[:, None], np.full((len(rows), 2), 120.0)], axis=1)
    truth = TrackBoxes.build(["1", "2", "3", "4"], camera[rows], vehicle[rows] + 1, start[rows] + age, boxes)
    noisy = replace(truth, boxes_xywh=boxes + rng.normal(0, 4, boxes.shape))
    started = time.process_time()
    found = score(truth, noisy)
    assert time.process_time() - started < 20
    assert found.idf1 > 0.99
    assert compare(truth, noisy).links(noisy.ids).identity == found.identity

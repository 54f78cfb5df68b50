"""Each kind of error, made by hand, with where and when it is told."""

from __future__ import annotations

import numpy as np
import pytest

from mtmc.evaluation.frame_clock import FrameClock, with_frame_rates
from mtmc.evaluation.mtmc_score import MtmcScore
from mtmc.evaluation.score import score
from mtmc.evaluation.worst_errors import ScoreError
from mtmc.results.track_boxes import TrackBoxes

CAMERAS = ("a", "b")


def passage(camera: int, identity: int, first: int, last: int, lane: int) -> TrackBoxes:
    """One vehicle in one lane of one camera; lanes do not touch."""
    frames = np.arange(first, last + 1)
    n = len(frames)
    place = np.stack([frames * 3, np.full(n, lane * 100), np.full(n, 60), np.full(n, 40)], axis=1)
    return TrackBoxes.build(CAMERAS, np.full(n, camera), np.full(n, identity), frames, place)


TRUTH = TrackBoxes.concatenate([
    passage(0, 1, 1, 20, lane=0), passage(1, 1, 31, 50, lane=0),
    passage(0, 2, 5, 34, lane=1), passage(1, 2, 41, 60, lane=1)])


def errors_of(prediction: list[TrackBoxes], truth: TrackBoxes = TRUTH) -> tuple[MtmcScore, list[ScoreError]]:
    found = score(truth, TrackBoxes.concatenate(prediction))
    assert sum(found.error_counts.values()) == len(found.errors)
    return found, list(found.errors)


RIGHT = [passage(0, 11, 1, 20, 0), passage(1, 11, 31, 50, 0), passage(0, 12, 5, 34, 1), passage(1, 12, 41, 60, 1)]


def test_nothing_wrong_nothing_told() -> None:
    assert errors_of(RIGHT)[1] == []


def test_a_missed_link() -> None:
    _, errors = errors_of([*RIGHT[:2], RIGHT[2], passage(1, 13, 41, 60, 1)])
    assert [e.kind for e in errors] == ["missed link"]
    assert (errors[0].vehicles, errors[0].identities, errors[0].boxes) == ((2,), (12, 13), 20)
    assert [(p.camera_id, p.first_frame, p.last_frame) for p in errors[0].places] == [("a", 5, 34), ("b", 41, 60)]
    assert str(errors[0]) == "missed link: vehicle 2 as 12 and 13, a frames 5-34 and b frames 41-60 (20 boxes)"


def test_a_wrong_link() -> None:
    _, errors = errors_of([RIGHT[0], passage(1, 12, 31, 50, 0), RIGHT[2], passage(1, 11, 41, 60, 1)])
    assert [e.kind for e in errors] == ["missed link", "missed link", "wrong link", "wrong link"]
    assert {e.vehicles for e in errors[2:]} == {(1, 2), (2, 1)}


def test_a_link_to_no_vehicle() -> None:
    _, errors = errors_of([*RIGHT, passage(0, 20, 1, 9, 5), passage(1, 20, 1, 9, 5)])
    assert [(e.kind, e.vehicles) for e in errors] == [("wrong link", ())]
    assert "no vehicle of the truth" in str(errors[0])


def test_a_split() -> None:
    _, errors = errors_of([*RIGHT[:2], passage(0, 12, 5, 24, 1), passage(0, 14, 25, 34, 1), RIGHT[3]])
    assert [(e.kind, e.vehicles, e.identities, e.boxes) for e in errors] == [("split", (2,), (12, 14), 10)]


def test_a_mixed_tracklet() -> None:
    mixed = TrackBoxes.concatenate([passage(0, 11, 1, 12, 0), passage(0, 11, 13, 34, 1)])
    _, errors = errors_of([mixed, RIGHT[1], passage(0, 12, 5, 12, 1), RIGHT[3]])
    assert ("mixed tracklet", (2, 1), (11,), 12) in [(e.kind, e.vehicles, e.identities, e.boxes) for e in errors]


def test_a_missed_vehicle_and_that_a_fifth_is_enough() -> None:
    found, errors = errors_of([*RIGHT[:2], passage(0, 12, 5, 9, 1), RIGHT[3]])
    assert [(e.kind, e.vehicles, e.boxes) for e in errors] == [("missed vehicle", (2,), 25)]
    assert found.pairs.recall == 1.0
    assert errors_of([*RIGHT[:2], passage(0, 12, 5, 10, 1), RIGHT[3]])[1] == []


@pytest.mark.parametrize(("on_vehicle", "right"), [(3, 0), (4, 1)])
def test_a_track_shows_a_vehicle_if_a_fifth_of_it_lies_there(on_vehicle: int, right: int) -> None:
    strays = [passage(0, 11, 1, on_vehicle, 0), passage(0, 11, on_vehicle + 1, 20, 7)]
    found, _ = errors_of([*strays, *RIGHT[1:]])
    assert (found.pairs.right, found.pairs.unmatched) == (1 + right, 1 - right)


def test_times_are_told_where_they_are_known() -> None:
    timed = with_frame_rates(TRUTH, {"b": 5.0}, 10.0)
    _, errors = errors_of([*RIGHT[:2], RIGHT[2], passage(1, 13, 41, 60, 1)], timed)
    assert "a 0.4-3.3 s and b 8.0-11.8 s" in str(errors[0])
    assert errors[0].places[1].start_s == pytest.approx(8.0)


def test_the_worst_come_first_and_only_so_many() -> None:
    found = score(TRUTH, TrackBoxes.concatenate([passage(0, 12, 5, 34, 1)]), worst=1)
    assert [(e.kind, e.boxes) for e in found.errors] == [("missed vehicle", 20)]
    assert found.error_counts["missed vehicle"] == 3


def test_a_clock_runs_on_outside_what_it_knows() -> None:
    boxes = passage(0, 1, 11, 12, 0)
    known = TrackBoxes.build(boxes.camera_ids, boxes.camera_rows, boxes.ids, boxes.frames, boxes.boxes_xywh,
                             times_s=np.array([5.0, 5.5]))
    clock = FrameClock.of(boxes, known)
    assert [clock.time_s(0, frame) for frame in (9, 11, 12, 14)] == [4.0, 5.0, 5.5, 6.5]
    assert np.isnan(clock.time_s(1, 3))

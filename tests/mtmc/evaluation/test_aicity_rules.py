"""The challenge's rules one by one, and all together against a plain twin written from their description."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from mtmc.errors import InputError
from mtmc.evaluation.aicity_rules import (
    first_of_repeated,
    in_cameras_of_truth,
    inside_region,
    joined_frames,
    seen_in_two_cameras,
)
from mtmc.evaluation.score import score
from mtmc.results.track_boxes import TrackBoxes


def boxes(rows: list[tuple], cameras: tuple[str, ...] = ("c001", "c002", "c003")) -> TrackBoxes:
    """From (camera number, id, frame, left, top, width, height)."""
    table = np.array(rows, dtype=float).reshape(-1, 7)
    return TrackBoxes.build(cameras, table[:, 0] - 1, table[:, 1], table[:, 2], table[:, 3:])


def test_rule_1_tests_the_corners_that_lie_in_the_picture() -> None:
    roi = np.full((50, 60), 255, dtype=np.uint8)
    roi[:, :10] = 254  # as a JPEG leaves it: anything under white is outside
    rows = [(1, 1, 1, 10, 5, 20, 20), (1, 1, 2, 9, 5, 20, 20), (1, 1, 3, -5, 5, 40, 20), (1, 1, 4, -5, -5, 80, 80),
            (1, 1, 5, 20, 5, 40, 45), (1, 1, 6, -30, 5, 39, 60)]
    assert inside_region(boxes(rows), {"c001": roi}).tolist() == [True, False, True, True, True, False]


def test_rule_1_asks_for_the_region_of_every_camera_with_boxes() -> None:
    roi = np.full((50, 60), 255, dtype=np.uint8)
    with pytest.raises(InputError, match="c002"):
        inside_region(boxes([(1, 1, 1, 5, 5, 9, 9), (2, 1, 1, 5, 5, 9, 9)]), {"c001": roi})


def test_rule_2_keeps_identities_of_two_cameras() -> None:
    rows = [(1, 7, 1, 0, 0, 9, 9), (1, 8, 1, 0, 0, 9, 9), (2, 7, 5, 0, 0, 9, 9), (1, 8, 2, 0, 0, 9, 9)]
    assert seen_in_two_cameras(boxes(rows)).tolist() == [True, False, True, False]


def test_rule_3_keeps_the_first_of_repeated_rows() -> None:
    rows = [(1, 7, 1, 0, 0, 9, 9), (2, 7, 1, 0, 0, 9, 9), (1, 7, 1, 5, 5, 9, 9), (1, 7, 2, 0, 0, 9, 9)]
    assert first_of_repeated(boxes(rows)).tolist() == [True, True, False, True]


def test_rule_4_moves_frames_by_the_larger_last_frame_and_leaves_out_strange_cameras() -> None:
    truth = boxes([(1, 1, 4, 0, 0, 9, 9), (2, 1, 3, 0, 0, 9, 9)])
    prediction = boxes([(1, 1, 9, 0, 0, 9, 9), (2, 1, 3, 0, 0, 9, 9), (3, 1, 3, 0, 0, 9, 9)])
    frames_t, frames_p = joined_frames(truth, prediction)
    assert frames_t.tolist() == [4, 12]
    assert frames_p.tolist() == [9, 12, 15]
    assert in_cameras_of_truth(prediction, truth).tolist() == [True, True, False]


def test_an_identity_counts_as_seen_twice_also_by_a_camera_that_the_truth_does_not_have() -> None:
    truth = boxes([(1, 1, 1, 0, 0, 9, 9), (2, 1, 1, 0, 0, 9, 9)])
    prediction = boxes([(1, 5, 1, 0, 0, 9, 9), (3, 5, 1, 0, 0, 9, 9)])
    found = score(truth, prediction)
    assert (found.identity.idtp, found.identity.idfp, found.identity.idfn) == (1, 0, 1)
    assert (found.left_out.camera_not_in_truth, found.left_out.single_camera) == (1, 0)


def plain_aicity(truth: TrackBoxes, prediction: TrackBoxes, rois: dict, iou: Callable) -> tuple[int, int, int]:
    """mtmc_peers 5.3, line by line, with loops and dictionaries."""
    rows = [(prediction.camera_ids[c], int(i), int(f), b) for c, i, f, b in zip(
        prediction.camera_rows, prediction.ids, prediction.frames, prediction.boxes_xywh, strict=True)]
    kept = []
    for camera, identity, frame, (x, y, w, h) in rows:
        height, width = rois[camera].shape
        corners = [(x, y), (x, y + h), (x + w, y), (x + w, y + h)]
        dark = [rois[camera][int(cy), int(cx)] < 255 for cx, cy in corners if 0 <= cx < width and 0 <= cy < height]
        if not any(dark):
            kept.append((camera, identity, frame, (x, y, w, h)))
    cameras_of: dict[int, set] = {}
    for camera, identity, _, _ in kept:
        cameras_of.setdefault(identity, set()).add(camera)
    kept = [row for row in kept if len(cameras_of[row[1]]) > 1]
    unique: dict[tuple, tuple] = {}
    for row in kept:
        unique.setdefault(row[:3], row)
    truth_rows: dict[tuple, tuple] = {}
    for c, i, f, b in zip(truth.camera_rows, truth.ids, truth.frames, truth.boxes_xywh, strict=True):
        truth_rows.setdefault((truth.camera_ids[c], int(i), int(f)), tuple(b))
    timeline_t, timeline_p, offset = [], [], 0
    for camera in sorted({key[0] for key in truth_rows}):
        of_truth = [(key[2] + offset, key[1], b) for key, b in truth_rows.items() if key[0] == camera]
        of_prediction = [(row[2] + offset, row[1], row[3]) for row in unique.values() if row[0] == camera]
        timeline_t += of_truth
        timeline_p += of_prediction
        offset = max(row[0] for row in of_truth + of_prediction)
    together: dict[tuple, int] = {}
    for (frame_t, id_t, box_t), (frame_p, id_p, box_p) in itertools.product(timeline_t, timeline_p):
        if frame_t == frame_p and iou(box_t, box_p) >= 0.5:
            together[id_t, id_p] = together.get((id_t, id_p), 0) + 1
    ids_t, ids_p = sorted({k[0] for k in together}), sorted({k[1] for k in together})
    ids_p += [None] * len(ids_t)
    best = max((sum(together.get((t, p), 0) for t, p in zip(ids_t, some, strict=True))
                for some in itertools.permutations(ids_p, len(ids_t))), default=0)
    return best, len(timeline_p) - best, len(timeline_t) - best


@pytest.mark.parametrize("seed", range(40))
def test_all_rules_together_agree_with_the_plain_twin(scene: Callable, iou: Callable, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 40), rng.integers(0, 40)
    truth = scene(seed, n, cameras=3, ids=3, repeated=True)
    truth = truth[truth.camera_rows != 2] if (truth.camera_rows != 2).any() else truth
    prediction = scene(seed + 500, m, cameras=3, ids=4, frames=7, repeated=True)
    rois = {camera: np.where(rng.random((45, 45)) < 0.05, 250, 255).astype(np.uint8) for camera in truth.camera_ids}
    found = score(truth, prediction, rois=rois).identity
    assert (found.idtp, found.idfp, found.idfn) == plain_aicity(truth, prediction, rois, iou)

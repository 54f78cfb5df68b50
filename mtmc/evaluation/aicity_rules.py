"""The rules by which the AI City challenge scores a submission, one function each.

They are those of the organisers' public script (mtmc_peers 5.3, read in siri-rouser/MCVT_YQ:eval/eval.py), numbered in
its order. Rules 1 to 3 apply to predictions only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mtmc.errors import InputError
from mtmc.results.track_boxes import TrackBoxes

MATCH_IOU = 0.5  # rule 5: motmetrics' default distance of 0.5, inclusive
_WHITE = 255  # a pixel of the region image below it is outside


def inside_region(boxes: TrackBoxes, rois: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rule 1: bool (N,), False where a corner lies on a pixel outside the camera's region.

    rois: camera → uint8 (H, W), 255 inside. Corners outside the picture are not tested; right and bottom are
    left + width and top + height. The script needs whole pixels; fractions are cut off here. It also turns upright
    region images on their side, which fits no box; that is not repeated here.
    Raises `InputError` for a camera with boxes but no region, as the script does.
    """
    keep = np.ones(len(boxes), dtype=bool)
    left, top = boxes.boxes_xywh[:, 0], boxes.boxes_xywh[:, 1]
    right, bottom = left + boxes.boxes_xywh[:, 2], top + boxes.boxes_xywh[:, 3]
    for row in np.unique(boxes.camera_rows):
        camera = boxes.camera_ids[row]
        if camera not in rois:
            raise InputError(f"region of camera {camera}", "a region for every camera with boxes", "none")
        here = np.flatnonzero(boxes.camera_rows == row)
        for x, y in ((left, top), (left, bottom), (right, top), (right, bottom)):
            keep[here] &= ~_on_dark(x[here], y[here], rois[camera])
    return keep


def _on_dark(x: np.ndarray, y: np.ndarray, roi: np.ndarray) -> np.ndarray:
    height, width = roi.shape
    tested = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    dark = np.zeros(len(x), dtype=bool)
    dark[tested] = roi[y[tested].astype(np.int64), x[tested].astype(np.int64)] < _WHITE
    return dark


def seen_in_two_cameras(boxes: TrackBoxes) -> np.ndarray:
    """Rule 2: bool (N,), False for identities that appear in one camera only."""
    places = np.unique(np.stack([boxes.ids, boxes.camera_rows], axis=1), axis=0)
    ids, cameras = np.unique(places[:, 0], return_counts=True)
    return np.isin(boxes.ids, ids[cameras > 1])


def first_of_repeated(boxes: TrackBoxes) -> np.ndarray:
    """Rule 3: bool (N,), True for the first row of every camera, identity and frame."""
    keys = np.stack([boxes.camera_rows, boxes.ids, boxes.frames], axis=1)
    keep = np.zeros(len(boxes), dtype=bool)
    keep[np.unique(keys, axis=0, return_index=True)[1]] = True
    return keep


def in_cameras_of_truth(boxes: TrackBoxes, truth: TrackBoxes) -> np.ndarray:
    """Rule 4, first half: bool (N,), False for boxes in cameras in which the truth has none.

    Applied after rule 2, for which such boxes still count.
    """
    return np.isin(boxes.camera_rows, np.unique(truth.camera_rows))


def joined_frames(truth: TrackBoxes, prediction: TrackBoxes) -> tuple[np.ndarray, np.ndarray]:
    """Rule 4, second half: frame numbers of truth and prediction with the cameras one after the other.

    Each camera's frames are moved behind those of the camera before it, which end at the larger of the two last
    frames. (Offsetting each side by its own last frame, as one public evaluator does, moves them apart.)
    """
    cameras = len(truth.camera_ids)
    last = np.zeros(cameras, dtype=np.int64)
    for boxes in (truth, prediction):
        np.maximum.at(last, boxes.camera_rows, boxes.frames)
    offsets = np.concatenate([[0], np.cumsum(last)[:-1]]) if cameras else last
    return (
        truth.frames + (offsets[truth.camera_rows] if len(truth) else 0),
        prediction.frames + (offsets[prediction.camera_rows] if len(prediction) else 0),
    )

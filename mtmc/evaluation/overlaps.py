"""Which truth boxes share area with which predicted boxes: found once, counted by every score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtmc.errors import InputError
from mtmc.evaluation.aicity_rules import joined_frames
from mtmc.evaluation.bipartite import best_assignment
from mtmc.results.track_boxes import TrackBoxes

# Pairs of boxes compared at once: about 100 MB of corners, whatever the number of boxes in a frame.
_PAIRS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class Overlaps:
    """E pairs of a truth box and a predicted box of the same camera and frame that share area.

    truth_rows, prediction_rows: int64 (E,), rows of the two `TrackBoxes`, sorted by truth row, then by prediction
    row. ious: float64 (E,), over 0 to 1.
    """

    truth_rows: np.ndarray
    prediction_rows: np.ndarray
    ious: np.ndarray

    def __len__(self) -> int:
        return len(self.ious)

    def __getitem__(self, rows: np.ndarray) -> Overlaps:
        return Overlaps(self.truth_rows[rows], self.prediction_rows[rows], self.ious[rows])

    def at_least(self, iou: float) -> Overlaps:
        """The pairs with at least this intersection over union."""
        return self[self.ious >= iou]

    def one_to_one(self) -> Overlaps:
        """Each box in one pair at most, such that the sum of overlaps is largest."""
        return self[best_assignment(self.truth_rows, self.prediction_rows, self.ious)]

    def among(self, keep_truth: np.ndarray, keep_prediction: np.ndarray) -> Overlaps:
        """The pairs whose two rows are both kept; rows are counted anew among the kept ones (bool masks)."""
        both = keep_truth[self.truth_rows] & keep_prediction[self.prediction_rows]
        new_truth, new_prediction = np.cumsum(keep_truth) - 1, np.cumsum(keep_prediction) - 1
        return Overlaps(
            new_truth[self.truth_rows[both]], new_prediction[self.prediction_rows[both]], self.ious[both]
        )


def find_overlaps(truth: TrackBoxes, prediction: TrackBoxes) -> Overlaps:
    """All pairs that share area. Raises `InputError` where the two do not name the same cameras."""
    if truth.camera_ids != prediction.camera_ids:
        raise InputError("boxes to compare", f"cameras {truth.camera_ids}", f"{prediction.camera_ids}")
    keys_t, keys_p = joined_frames(truth, prediction)
    order = np.argsort(keys_p, kind="stable")
    first = np.searchsorted(keys_p[order], keys_t, side="left")
    counts = np.searchsorted(keys_p[order], keys_t, side="right") - first
    corners_t, corners_p = _corners(truth), _corners(prediction)
    parts = [_share_area(corners_t, corners_p, *rows) for rows in _pairs_of_rows(first, counts, order)]
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Overlaps(none, none, np.zeros(0))
    return Overlaps(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def paired_ious(corners_a_xyxy: np.ndarray, corners_b_xyxy: np.ndarray) -> np.ndarray:
    """float64 (N,): intersection over union of box i of a with box i of b; 0 where either is empty.

    The same operations in the same order as TrackEval's, so that a value on a threshold falls on the same side.
    """
    low = np.minimum(corners_a_xyxy[:, 2:], corners_b_xyxy[:, 2:])
    high = np.maximum(corners_a_xyxy[:, :2], corners_b_xyxy[:, :2])
    sides = np.maximum(low - high, 0)
    shared = sides[:, 0] * sides[:, 1]
    area_a, area_b = _areas(corners_a_xyxy), _areas(corners_b_xyxy)
    union = area_a + area_b - shared
    real = (area_a > 0) & (area_b > 0)
    return np.divide(shared, union, out=np.zeros_like(shared), where=real)


def _pairs_of_rows(
    first: np.ndarray, counts: np.ndarray, order: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of (truth rows, prediction rows): every truth row with its frame's predictions."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        done = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, side="right")), start + 1)
        rows = np.repeat(np.arange(start, stop), counts[start:stop])
        offsets = np.arange(len(rows)) - np.repeat(ends[start:stop] - counts[start:stop] - done, counts[start:stop])
        yield rows, order[first[rows] + offsets]
        start = stop


def _share_area(
    corners_t: np.ndarray, corners_p: np.ndarray, rows_t: np.ndarray, rows_p: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ious = paired_ious(corners_t[rows_t], corners_p[rows_p])
    found = ious > 0
    return rows_t[found], rows_p[found], ious[found]


def _corners(boxes: TrackBoxes) -> np.ndarray:
    xywh = boxes.boxes_xywh
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def _areas(corners_xyxy: np.ndarray) -> np.ndarray:
    sides = corners_xyxy[:, 2:] - corners_xyxy[:, :2]
    return sides[:, 0] * sides[:, 1]

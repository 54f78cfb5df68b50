"""Which boxes that no track took lead up to a track: its way from before the tracker was sure of it."""

from __future__ import annotations

import numpy as np

from detectors.boxes import iou_matrix
from mtmc.mending import velocity


def boxes_before(
    times_s: np.ndarray, boxes_xyxy: np.ndarray, free_times_s: np.ndarray, free_boxes_xyxy: np.ndarray,
    motion_s: float, min_iou: float,
) -> np.ndarray:
    """int64 rows of the free boxes that continue a track backwards in time, latest first.

    times_s (T,), boxes_xyxy (T, 4): the track, rising. free_times_s (F,), free_boxes_xyxy (F, 4): boxes that no
    track took, in any order; those not before the track's start are ignored. Walking back frame by frame,
    the box that overlaps most with the place predicted from the earliest `motion_s` of the track (with what was
    found so far) is taken if the overlap (IoU) reaches `min_iou`; frames without such a box are passed over.
    """
    times = [float(t) for t in times_s[: _reach(times_s, motion_s)]][::-1]
    boxes = list(np.asarray(boxes_xyxy, dtype=np.float64)[: len(times)])[::-1]
    before = np.flatnonzero(free_times_s < times_s[0])
    taken: list[int] = []
    for time_s in np.unique(free_times_s[before])[::-1]:
        rows = before[free_times_s[before] == time_s]
        recent = [i for i in range(len(times)) if times[i] <= times[-1] + motion_s]
        known_times, known = np.array([times[i] for i in recent]), np.stack([boxes[i] for i in recent])
        expected = known[-1] + velocity(known_times, known) * (time_s - known_times[-1])
        overlaps = iou_matrix(expected[None], free_boxes_xyxy[rows])[0]
        best = int(np.argmax(overlaps))
        if overlaps[best] >= min_iou:
            taken.append(int(rows[best]))
            times.append(float(time_s))
            boxes.append(np.asarray(free_boxes_xyxy[rows[best]], dtype=np.float64))
    return np.array(taken, dtype=np.int64)


def _reach(times_s: np.ndarray, motion_s: float) -> int:
    """How many rows at the start of a track lie within `motion_s` of the first."""
    return int(np.searchsorted(times_s, times_s[0] + motion_s, side="right"))

"""Where in the picture vehicles appear and vanish: learned in place of painted entry and exit zones."""

from __future__ import annotations

import numpy as np

from mtmc.matching.zones import Zones, find_zones, no_zones
from mtmc.tracklets import TrackletTable

REACH = 0.15  # of the picture: places nearer than this speak for each other
HEADING = 0.25  # weight of the direction of motion beside the place
MOST_REFERENCES = 400  # tracklets of one camera that are asked; more say the same
NO_KERNEL = np.zeros((0, 0), np.float32)


class Places:
    """For every camera, how alike the places are at which its tracklets end (or start)."""

    def __init__(self, table: TrackletTable, use_positions: bool) -> None:
        known = use_positions & has_boxes(table)
        starts, ends, heading = _features(table)
        self.rows = [np.flatnonzero(table.camera_rows == c) for c in range(len(table.camera_ids))]
        self._references = [np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_REFERENCES)).astype(np.int64))
                            if len(rows) else rows for rows in self.rows]
        exits, entries = np.column_stack([ends, heading]), np.column_stack([starts, heading])
        self._exit, self._entry = self._kernels(exits, known), self._kernels(entries, known)
        self.exit_zones, self.entry_zones = self._zones(exits, known), self._zones(entries, known)

    def _kernels(self, features: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
        kernels = []
        for rows, references in zip(self.rows, self._references, strict=True):
            if not known[rows].all() or not len(rows):
                kernels.append(NO_KERNEL)
                continue
            own, others = features[rows], features[rows[references]]
            apart = np.zeros((len(own), len(others)), np.float32)
            for column in range(own.shape[1]):
                apart += np.square((own[:, None, column] - others[None, :, column]).astype(np.float32))
            kernel = np.exp(-0.5 * apart / REACH**2)
            kernel[references, np.arange(len(references))] = 0.0  # no tracklet speaks for itself
            kernels.append(kernel)
        return kernels

    def _zones(self, features: np.ndarray, known: np.ndarray) -> list[Zones]:
        return [find_zones(features[rows]) if len(rows) and known[rows].all() else no_zones(len(rows))
                for rows in self.rows]

    def exit_shares(self, camera: int, counts: np.ndarray, mean: np.ndarray, prior: float) -> np.ndarray:
        """(N, C), or (1, C) without boxes: for each tracklet of `camera`, where those go on to that vanish near it.

        counts: (N, C) where each one went (probabilities). mean: (C,) over the camera, worth `prior` tracklets.
        """
        return _local(self._exit[camera], counts[self._references[camera]], mean, prior)

    def entry_shares(self, camera: int, counts: np.ndarray, mean: np.ndarray, prior: float) -> np.ndarray:
        """(N, C): the same of where those come from that appear near each tracklet."""
        return _local(self._entry[camera], counts[self._references[camera]], mean, prior)


def _local(kernel: np.ndarray, counts: np.ndarray, mean: np.ndarray, prior: float) -> np.ndarray:
    if not kernel.size:
        return np.tile(mean, (1, 1))
    return (kernel @ counts + prior * mean) / (kernel.sum(axis=1, keepdims=True) + prior)


def continuity(table: TrackletTable, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(P,) log likelihood ratio that b appears where a must be, if b is a's continuation in the same camera.

    Against the places at which the other tracklets of that camera appear. 0 where there are no boxes.
    """
    result = np.zeros(len(a))
    known = has_boxes(table)
    starts, ends = _centres(table.start_boxes_xyxy), _centres(table.end_boxes_xyxy)
    duration = np.maximum(table.end_s - table.start_s, 0.2)
    velocity = (ends - starts) / duration[:, None]
    spans = table.end_boxes_xyxy[:, 2:] - table.end_boxes_xyxy[:, :2]
    size = np.sqrt(np.maximum(spans.prod(axis=1), 1.0))
    for pair, (i, j) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        if not (known[i] and known[j]):
            continue
        gap_s = float(table.start_s[j] - table.end_s[i])
        expected = ends[i] + velocity[i] * gap_s
        deviation = 0.35 + 0.5 * gap_s  # box sizes: a box's own wobble, and speed that changes
        off = float(np.linalg.norm(starts[j] - expected) / size[i])
        others = np.flatnonzero(table.camera_rows == table.camera_rows[i])
        others = others[others != j]
        apart = np.linalg.norm((starts[others] - expected) / size[i], axis=1) / 0.5
        usual = (np.exp(-0.5 * np.square(apart)).sum() / (2 * np.pi * 0.25) + 0.01) / (len(others) + 0.5)
        here = np.exp(-0.5 * (off / deviation) ** 2) / (2 * np.pi * deviation**2) + 1e-4
        result[pair] = np.clip(np.log(here / usual), -5.0, 5.0)
    return result


def has_boxes(table: TrackletTable) -> np.ndarray:
    """bool (M,): whether the row came with boxes."""
    return (table.start_boxes_xyxy[:, 2] > table.start_boxes_xyxy[:, 0]) & (
        table.end_boxes_xyxy[:, 2] > table.end_boxes_xyxy[:, 0])


def _features(table: TrackletTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wh = table.image_sizes_wh.astype(np.float64)
    for camera in range(len(table.camera_ids)):
        rows = table.camera_rows == camera
        if rows.any() and (wh[rows] <= 0).any():  # unknown size: the largest box edge will do
            edges = np.concatenate([table.start_boxes_xyxy[rows, 2:], table.end_boxes_xyxy[rows, 2:]])
            wh[rows] = np.maximum(edges.max(axis=0), 1.0)
    starts, ends = _centres(table.start_boxes_xyxy) / wh, _centres(table.end_boxes_xyxy) / wh
    moved = ends - starts
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return starts, ends, HEADING * moved / (length + 0.05)


def _centres(boxes_xyxy: np.ndarray) -> np.ndarray:
    boxes = boxes_xyxy.astype(np.float64)
    return (boxes[:, :2] + boxes[:, 2:]) / 2

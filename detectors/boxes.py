"""Box geometry: the only place that converts box formats.

xyxy = left, top, right, bottom; xywh = left, top, width, height; cxcywh = centre, width, height.
All in pixels, x to the right and y down; right and bottom are exclusive edges, so width = right - left.
"""

from __future__ import annotations

import numpy as np


def xywh_to_xyxy(boxes_xywh: np.ndarray) -> np.ndarray:
    """(N, 4) left, top, width, height → left, top, right, bottom."""
    boxes = np.asarray(boxes_xywh, dtype=np.float32)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:4]], axis=1)


def xyxy_to_xywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    """(N, 4) left, top, right, bottom → left, top, width, height."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float32)
    return np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], axis=1)


def cxcywh_to_xyxy(boxes_cxcywh: np.ndarray) -> np.ndarray:
    """(N, 4) centre x, centre y, width, height → left, top, right, bottom."""
    boxes = np.asarray(boxes_cxcywh, dtype=np.float32)
    half = boxes[:, 2:4] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def clip_boxes(boxes_xyxy: np.ndarray, image_hw: tuple[int, int]) -> np.ndarray:
    """Boxes cut to an image of height and width `image_hw`."""
    height, width = image_hw
    limits = np.array([width, height, width, height], dtype=np.float32)
    return np.clip(np.asarray(boxes_xyxy, dtype=np.float32), 0, limits)


def areas(boxes_xyxy: np.ndarray) -> np.ndarray:
    """(N,) areas in square pixels; 0 for boxes turned inside out."""
    boxes = np.asarray(boxes_xyxy)
    return np.prod(np.maximum(boxes[:, 2:4] - boxes[:, :2], 0), axis=1)


def intersection_areas(boxes_a_xyxy: np.ndarray, boxes_b_xyxy: np.ndarray) -> np.ndarray:
    """(N, M) areas shared by every box of a with every box of b."""
    a, b = np.asarray(boxes_a_xyxy)[:, None, :], np.asarray(boxes_b_xyxy)[None, :, :]
    sides = np.minimum(a[..., 2:4], b[..., 2:4]) - np.maximum(a[..., :2], b[..., :2])
    return np.prod(np.maximum(sides, 0), axis=-1)


def iou_matrix(boxes_a_xyxy: np.ndarray, boxes_b_xyxy: np.ndarray) -> np.ndarray:
    """(N, M) intersection over union, 0 to 1; 0 where both boxes are empty."""
    shared = intersection_areas(boxes_a_xyxy, boxes_b_xyxy)
    union = areas(boxes_a_xyxy)[:, None] + areas(boxes_b_xyxy)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared, dtype=np.float64), where=union > 0)


def non_maximum_suppression(boxes_xyxy: np.ndarray, scores: np.ndarray, max_iou: float) -> np.ndarray:
    """int64 rows to keep, best score first (ties: the earlier row): each box that overlaps no better kept one by more
    than `max_iou`. Classes are not looked at, so one thing never stays twice."""
    waiting = np.argsort(-np.asarray(scores), kind="stable")
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        overlaps = iou_matrix(boxes_xyxy[best : best + 1], boxes_xyxy[waiting])[0]
        waiting = waiting[overlaps <= max_iou]
    return np.array(kept, np.int64)

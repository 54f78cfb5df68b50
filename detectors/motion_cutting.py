"""Geometry of cutting one moving region into the boxes of the vehicles in it. Pure functions, working pixels.

Boxes are float64 xyxy with exclusive right and bottom edges; masks are bool (h, w).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from detectors.motion_regions import Regions

_REACH = 0.2  # of a vehicle's size: how far a side may lie from where it was expected and still be that side
_SLACK_PX = 2.0  # … and in pixels, for small vehicles
_RESIZE = 0.1  # in one frame a vehicle's size changes by less; more is a neighbour's edge
_SUPPORT = 0.15  # share of a side that must show: slivers of a neighbour beside its expected box are narrower
_CUT_OFF = 0.3  # share of a side's pixels that border on a neighbour's box: the side is not seen there


def hull(boxes: np.ndarray) -> np.ndarray:
    """(4,) the smallest box about (N, 4) boxes, N ≥ 1."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def link(regions: Regions, predicted: Sequence[np.ndarray], share: float) -> list[tuple[list[int], list[int]]]:
    """Vehicles and regions that belong together, as (rows of `predicted`, rows of `regions`); each row is in one.

    A vehicle and a region are tied where the region's pixels in the vehicle's expected box are at least
    `share` of the region, or of what such a vehicle usually fills (three fifths of its box).
    """
    count, n = len(predicted), len(regions.areas)
    parent = list(range(count + n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for k, box in enumerate(predicted):
        left, top, right, bottom = _corners(box, regions.labels.shape)
        inside = np.bincount(regions.labels[top:bottom, left:right].ravel(), minlength=n + 1)[1:]
        enough = share * np.minimum(regions.areas, 0.6 * (right - left) * (bottom - top))
        for r in np.flatnonzero((inside > 0) & (inside >= enough)):
            parent[root(count + int(r))] = root(k)
    groups: dict[int, tuple[list[int], list[int]]] = {}
    for i in range(count + n):
        members, pieces = groups.setdefault(root(i), ([], []))
        (members if i < count else pieces).append(i if i < count else i - count)
    return list(groups.values())


def fit(k: int, predicted: Sequence[np.ndarray], mask: np.ndarray) -> np.ndarray:
    """(4,) box of vehicle k, which shares the region `mask` with the others, from where each is expected.

    A side of it on the rim of the region is measured there; a side inside the region follows
    from the vehicle's size. A side is on the rim where no other vehicle's box lies beyond it.
    """
    box = predicted[k]
    size = box[2:] - box[:2]
    margin = _REACH * size + _SLACK_PX
    left, top, right, bottom = _corners(np.concatenate([box[:2] - margin, box[2:] + margin]), mask.shape)
    others = np.zeros((max(bottom - top, 0), max(right - left, 0)), bool)
    for j, other in enumerate(predicted):
        if j != k:
            x0, y0, x1, y1 = _corners(other - [left, top, left, top], others.shape)
            others[y0:y1, x0:x1] = True
    own = mask[top:bottom, left:right] & ~others
    fitted = box.copy()
    for axis, origin in ((0, left), (1, top)):
        support = max(2.0, _SUPPORT * size[1 - axis])
        rims = np.array(_rims(own, others, support) if axis == 0 else _rims(own.T, others.T, support)) + origin
        far = np.abs(rims - box[[axis, axis + 2]]) > margin[axis]
        fitted[[axis, axis + 2]] = _place(box[axis], box[axis + 2], *np.where(far, np.nan, rims))
    return fitted


def own_pixels(k: int, boxes: Sequence[np.ndarray], mask: np.ndarray) -> int:
    """How many pixels of `mask` lie in box k and in no other."""
    left, top, right, bottom = _corners(boxes[k], mask.shape)
    own = mask[top:bottom, left:right].copy()
    for j, other in enumerate(boxes):
        if j != k:
            x0, y0, x1, y1 = _corners(other - [left, top, left, top], own.shape)
            own[y0:y1, x0:x1] = False
    return int(np.count_nonzero(own))


def outside(mask: np.ndarray, box: np.ndarray, least_area: float) -> list[np.ndarray]:
    """Boxes of what `mask` holds outside `box` and its surroundings, in pieces of `least_area` pixels or more."""
    margin = 0.1 * (box[2:] - box[:2])
    left, top, right, bottom = _corners(np.concatenate([box[:2] - margin, box[2:] + margin]), mask.shape)
    rest = mask.astype(np.uint8)
    rest[top:bottom, left:right] = 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    return [np.array([x, y, x + w, y + h], np.float64) for x, y, w, h, area in stats[1:] if area >= least_area]


def _corners(box: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Whole pixels of a box, cut to an array of `shape` (h, w)."""
    height, width = shape[:2]
    left, top, right, bottom = np.clip(np.rint(box), 0, [width, height] * 2).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _rims(own: np.ndarray, others: np.ndarray, support: float) -> tuple[float, float]:
    """First column of `own` with `support` pixels and one past its last, each NaN where `others` cut it off there."""
    columns = np.flatnonzero(own.sum(axis=0) >= support)
    if not len(columns):
        return np.nan, np.nan
    first, last = int(columns[0]), int(columns[-1])
    low, high = float(first), float(last + 1)
    if first > 0 and others[own[:, first:first + 2].any(axis=1), first - 1].mean() > _CUT_OFF:
        low = np.nan
    if last + 1 < own.shape[1] and others[own[:, max(last - 1, 0):last + 1].any(axis=1), last + 1].mean() > _CUT_OFF:
        high = np.nan
    return low, high


def _place(low: float, high: float, rim_low: float, rim_high: float) -> tuple[float, float]:
    """The interval low to high with nearly its own length, put on the rims that were measured (NaN = not)."""
    length = high - low
    if np.isfinite(rim_low) and np.isfinite(rim_high):
        middle = (rim_low + rim_high) / 2
        length = float(np.clip(rim_high - rim_low, (1 - _RESIZE) * length, (1 + _RESIZE) * length))
        return middle - length / 2, middle + length / 2
    if np.isfinite(rim_low):
        return rim_low, rim_low + length
    if np.isfinite(rim_high):
        return rim_high - length, rim_high
    return low, high

"""What the output tensors of YOLOX, YOLO and RT-DETR networks mean, told by their shapes, and how to read them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from detectors.boxes import cxcywh_to_xyxy
from detectors.letterbox import Placement
from detectors.vehicle_classes import Candidates, VehicleClasses, best_classes

_MOST_BOXES = 1000  # of a network that chooses them itself; those that do not, give thousands
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))  # input pixels a cell, of YOLOX heads with three or four levels

Layout = Literal["yolox_raw", "yolox", "yolo", "end_to_end", "rtdetr", "rtdetr_best"]


@dataclass(frozen=True)
class Family:
    """How pictures enter a kind of network. bgr: channel order; scale: what a channel of 255 becomes."""

    placement: Placement
    bgr: bool
    scale: float


FAMILIES: dict[Layout, Family] = {
    "yolox_raw": Family("top_left", True, 255.0),
    "yolox": Family("top_left", True, 255.0),
    "yolo": Family("centre", False, 1.0),
    "end_to_end": Family("centre", False, 1.0),
    "rtdetr": Family("stretched", False, 1.0),
    "rtdetr_best": Family("stretched", False, 1.0),
}


def layout_of(
    output: np.ndarray, input_hw: tuple[int, int], class_count: int, is_rtdetr: bool = False
) -> tuple[Layout, int] | None:
    """Layout and number of classes of one output (batch, …), or None where it is none we know.

    class_count: from the file's names, 0 = unknown. YOLOX: batch × cells × (5 + C); ultralytics: batch × (4 + C) ×
    cells, or batch × boxes × 6 where suppression is inside; RT-DETR, relative to the input: batch × queries × (4 + C),
    or × 6 in newer exports, which only the file's description tells from the other six columns.
    """
    if output.ndim != 3:
        return None
    _, rows, columns = output.shape
    if rows in (len(cells(input_hw, strides)[0]) for strides in _STRIDES) and columns > 5:
        if class_count and columns - 5 != class_count:
            return None
        # Offsets inside a cell are about one; decoded centres spread over hundreds of pixels.
        raw = float(np.median(np.abs(output[0, :, :2]))) < 8
        return ("yolox_raw" if raw else "yolox"), columns - 5
    if columns == 6 and rows <= _MOST_BOXES:
        return ("rtdetr_best" if is_rtdetr else "end_to_end"), class_count
    if columns > 6 and rows <= _MOST_BOXES and columns - 4 == class_count:
        return "rtdetr", class_count
    if rows > 4 and rows < columns and class_count in (0, rows - 4):
        return "yolo", rows - 4
    return None


def read_output(
    output: np.ndarray, layout: Layout, input_hw: tuple[int, int], classes: VehicleClasses, min_score: float = 0.0
) -> Candidates:
    """Candidates of one picture: `output` without its batch axis. Boxes in pixels of the input.

    min_score: of YOLOX, cells that cannot reach it are not read further: no class makes up for the doubt that there is
    anything at all, which leaves some twenty of thousands.
    """
    if layout == "yolo":
        return best_classes(cxcywh_to_xyxy(output[:4].T), output[4:].T, classes)
    boxes = output[:, :4]
    if layout in ("rtdetr", "rtdetr_best"):
        boxes = cxcywh_to_xyxy(boxes * np.array([input_hw[1], input_hw[0]] * 2, np.float32))
    if layout == "rtdetr":
        return best_classes(boxes, output[:, 4:], classes)
    if layout in ("end_to_end", "rtdetr_best"):
        return Candidates(boxes, output[:, 4], np.maximum(np.rint(output[:, 5]), 0).astype(np.int64))
    likely = np.flatnonzero(output[:, 4] >= min_score)
    rows, boxes = output[likely], boxes[likely]
    if layout == "yolox_raw":
        corners, sizes = cells(input_hw, strides_of(input_hw, len(output)))
        boxes = decode_yolox(boxes, corners[likely], sizes[likely])
    found = best_classes(cxcywh_to_xyxy(boxes), rows[:, 5:], classes)
    return Candidates(found.boxes_xyxy, found.scores * rows[:, 4], found.class_numbers)


def decode_yolox(raw: np.ndarray, corners: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(A, 4) offsets in cells and logarithms of sizes in cells → centres and sizes in pixels (YOLOX, arXiv 2107.08430).

    corners, sizes: of the cells of these rows, as `cells` gives them.
    """
    with np.errstate(over="ignore"):
        return np.concatenate([(raw[:, :2] + corners) * sizes, np.exp(raw[:, 2:4]) * sizes], axis=1)


@functools.lru_cache(maxsize=16)
def strides_of(input_hw: tuple[int, int], cell_count: int) -> tuple[int, ...]:
    """The levels of a YOLOX head that has so many cells at this input size."""
    return next(s for s in _STRIDES if len(cells(input_hw, s)[0]) == cell_count)


@functools.lru_cache(maxsize=16)
def cells(input_hw: tuple[int, int], strides: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(A, 2) column and row of every cell, and (A, 1) its side in pixels; read-only. Levels from fine to coarse, each
    row by row."""
    corners, sizes = [], []
    for stride in strides:
        rows, columns = input_hw[0] // stride, input_hw[1] // stride
        y, x = np.mgrid[:rows, :columns]
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1))
        sizes.append(np.full((rows * columns, 1), stride))
    both = np.concatenate(corners).astype(np.float32), np.concatenate(sizes).astype(np.float32)
    for array in both:
        array.flags.writeable = False
    return both

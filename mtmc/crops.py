"""Which pictures of a vehicle represent its tracklet: a score per crop, and a choice spread over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from detectors.boxes import areas, intersection_areas
from mtmc.errors import ConfigError


@dataclass(frozen=True)
class CropConfig:
    """How many crops a tracklet keeps and what makes a crop good.

    per_tracklet: crops embedded per tracklet (K). candidates: crops held in memory per open track.
    margin: context around the box, as a share of its sides. largest: crops are shrunk so that no side
    exceeds this many times the network's input. border: a box this near the image border, as a share of its
    own side, counts as cut off. sharp_contrast: see `sharpness`. floor: crops of less than this share of the best
    one's quality are left out. least_side_px: crops are kept at this size even where the network's input is smaller.
    """

    # Eight views spread over a passage: a pooled vector gains little beyond (neighbouring frames look alike)
    # while the embedder's time grows with every crop.
    per_tracklet: int = 8
    # Three a place, so that frames found bad later (merged boxes) leave enough to choose from.
    candidates: int = 24
    margin: float = 0.0
    largest: float = 2.0
    border: float = 0.02
    sharp_contrast: float = 0.06
    # Far, small crops blur the pooled vector: on two-view-dev leaving them out gave 1 to 3 points of rank-1.
    floor: float = 0.5
    # Reports show the crops to people.
    least_side_px: int = 128

    def __post_init__(self) -> None:
        if self.per_tracklet < 1 or self.candidates < self.per_tracklet:
            raise ConfigError("crops", "1 <= per_tracklet <= candidates", f"{self.per_tracklet}, {self.candidates}")
        if not 0 <= self.floor <= 1:
            raise ConfigError("crops.floor", "0 to 1", str(self.floor))
        if self.margin < 0 or self.largest < 1 or self.border < 0 or self.sharp_contrast <= 0:
            raise ConfigError("crops", "margin and border of 0 or more, largest of 1 or more, sharp_contrast above 0",
                              f"{self.margin}, {self.border}, {self.largest}, {self.sharp_contrast}")


def hidden_shares(boxes_xyxy: np.ndarray) -> np.ndarray:
    """(N,) the largest share of each box covered by another that stands in front of it, 0 to 1.

    In front = the lower bottom edge, as on a street seen from above the ground. A row that ties counts
    as hidden by the earlier row only, so that two equal boxes do not both vanish.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64)
    n = len(boxes)
    if n < 2:
        return np.zeros(n)
    bottoms = boxes[:, 3]
    rows = np.arange(n)
    in_front = (bottoms[None, :] > bottoms[:, None]) | (
        (bottoms[None, :] == bottoms[:, None]) & (rows[None, :] < rows[:, None]))
    shared = np.where(in_front, intersection_areas(boxes, boxes), 0.0)
    return shared.max(axis=1) / np.maximum(areas(boxes), 1e-9)


def cut_off(boxes_xyxy: np.ndarray, image_hw: tuple[int, int], border: float) -> np.ndarray:
    """bool (N,), True where a box reaches the image border (within `border` of its own side)."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64)
    height, width = image_hw
    reach_x, reach_y = border * (boxes[:, 2] - boxes[:, 0]), border * (boxes[:, 3] - boxes[:, 1])
    return ((boxes[:, 0] <= reach_x) | (boxes[:, 1] <= reach_y)
            | (boxes[:, 2] >= width - reach_x) | (boxes[:, 3] >= height - reach_y))


def geometry_scores(
    boxes_xyxy: np.ndarray, image_hw: tuple[int, int], input_hw: tuple[int, int], config: CropConfig
) -> np.ndarray:
    """(N,) what boxes alone tell of crop quality, 0 to 1: large x whole x unoccluded."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64)
    size = np.minimum(1.0, np.sqrt(areas(boxes) / (input_hw[0] * input_hw[1])))
    whole = np.where(cut_off(boxes, image_hw, config.border), 0.3, 1.0)
    visible = 1.0 - hidden_shares(boxes)
    return size * whole * visible**2


def sharpness(crop_rgb: np.ndarray, sharp_contrast: float) -> float:
    """0 (flat or blurred) to 1 (crisp).

    Standard deviation of the Laplacian of the crop's brightness at a fixed size, against that of the
    brightness itself (so that a dark vehicle is not called blurred), squashed: r / (r + sharp_contrast).
    """
    import cv2

    if crop_rgb.shape[0] < 3 or crop_rgb.shape[1] < 3:
        return 0.0
    gray = cv2.resize(cv2.cvtColor(crop_rgb, cv2.COLOR_RGB2GRAY), (96, 96), interpolation=cv2.INTER_AREA)
    edges = float(cv2.meanStdDev(cv2.Laplacian(gray, cv2.CV_32F))[1].item())
    ratio = edges / (float(cv2.meanStdDev(gray)[1].item()) + 8.0)
    return ratio / (ratio + sharp_contrast * 10)


def cut_crop(
    image_rgb: np.ndarray, box_xyxy: np.ndarray, input_hw: tuple[int, int], config: CropConfig
) -> np.ndarray | None:
    """A copy of the box's pixels (uint8 h×w×3) with its margin, shrunk to at most `largest` x the input.

    None where the box holds no pixel of the image.
    """
    import cv2

    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    grow_x, grow_y = config.margin * (x2 - x1), config.margin * (y2 - y1)
    height, width = image_rgb.shape[:2]
    left, top = max(0, math.floor(x1 - grow_x)), max(0, math.floor(y1 - grow_y))
    right, bottom = min(width, math.ceil(x2 + grow_x)), min(height, math.ceil(y2 + grow_y))
    if right <= left or bottom <= top:
        return None
    view = image_rgb[top:bottom, left:right]
    shrink = min(1.0, config.largest * input_hw[0] / view.shape[0], config.largest * input_hw[1] / view.shape[1])
    if shrink == 1.0:
        return view.copy()
    size = (max(1, round(view.shape[1] * shrink)), max(1, round(view.shape[0] * shrink)))
    return cv2.resize(view, size, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True, eq=False)
class Crop:
    """One candidate picture. time_s and frame_index of its frame, quality 0 to 1, image uint8 h×w×3."""

    time_s: float
    frame_index: int
    quality: float
    image_rgb: np.ndarray


class CandidateCrops:
    """The best crop of every stretch of an open track, at most `limit` of them however long it lasts.

    Stretches are equal spans of time; when they would exceed `limit` their length doubles and neighbours
    merge, the better crop staying. Memory is bounded and what stays is spread over time.
    """

    def __init__(self, start_s: float, limit: int, first_span_s: float = 0.02) -> None:
        self._start_s, self._limit, self._span_s = start_s, limit, first_span_s
        self._best: dict[int, Crop] = {}

    def __len__(self) -> int:
        return len(self._best)

    def would_keep(self, time_s: float, quality: float) -> bool:
        """Whether a crop of this time could enter if its quality were at most `quality`."""
        current = self._best.get(self._stretch(time_s))
        return current is None or quality > current.quality

    def add(self, crop: Crop) -> None:
        """Enters the crop if it is the best of its stretch (the earlier one stays on a tie)."""
        if self.would_keep(crop.time_s, crop.quality):
            self._best[self._stretch(crop.time_s)] = crop
            while len(self._best) > self._limit:
                self._double()

    def crops(self) -> list[Crop]:
        """All candidates in time order."""
        return [self._best[stretch] for stretch in sorted(self._best)]

    def _stretch(self, time_s: float) -> int:
        return math.floor((time_s - self._start_s) / self._span_s)

    def _double(self) -> None:
        crops, self._best = self.crops(), {}
        self._span_s *= 2
        for crop in crops:
            if self.would_keep(crop.time_s, crop.quality):
                self._best[self._stretch(crop.time_s)] = crop


def choose(times_s: np.ndarray, qualities: np.ndarray, count: int, floor: float = 0.0) -> np.ndarray:
    """int64 rows of at most `count` crops, best first: each next one the best of quality x newness.

    Crops below `floor` x the best quality are not chosen.
    Newness of a crop = 1 - exp(-gap / scale), gap being the time to the nearest chosen one and scale the
    time that the candidates span, divided by `count`. Ties go to the earlier row.
    """
    times, scores = np.asarray(times_s, dtype=np.float64), np.asarray(qualities, dtype=np.float64)
    n = len(times)
    scale = max(float(np.ptp(times)) / count if n else 0.0, 1e-9)
    free = scores >= floor * scores.max(initial=0.0)
    chosen: list[int] = []
    gaps = np.full(n, np.inf)
    for _ in range(min(count, int(free.sum()))):
        values = np.where(free, scores * -np.expm1(-gaps / scale), -1.0)
        row = int(np.argmax(values))
        chosen.append(row)
        free[row] = False
        gaps = np.minimum(gaps, np.abs(times - times[row]))
    return np.array(chosen, dtype=np.int64)

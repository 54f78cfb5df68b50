"""From any network's candidates to vehicles: classes by name, merged before overlapping boxes are dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detectors.boxes import areas, clip_boxes, non_maximum_suppression
from detectors.detections import Detections
from detectors.detector_config import DetectorConfig
from detectors.letterbox import Letterbox
from mtmc.errors import WeightsError

# Names that data sets give to vehicles (COCO, VisDrone, UA-DETRAC, BDD) → our classes.
_IDS = {
    "car": 2, "van": 2, "motorcycle": 3, "motorbike": 3, "motor": 3, "bus": 5, "truck": 7, "lorry": 7,
    "vehicle": 0, "vehicles": 0,
}  # fmt: skip
# What moves on roads and is no vehicle. Where one of these scores higher, the box is it; other things (train, boat,
# kite, aeroplane) are what small networks mistake lorries and far cars for, and do not count.
_RIVALS = frozenset((
    "person", "people", "pedestrian", "rider", "bicycle", "bike", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe",
))  # fmt: skip
COCO_NAMES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
    "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class VehicleClasses:
    """Which of a network's classes are vehicles. ids: int64 (C,), keys of `VEHICLE_CLASSES`, −1 = no vehicle.

    telling: int64, the numbers of the classes that decide what a box is: vehicles and what is taken for them.
    """

    ids: np.ndarray
    telling: np.ndarray

    @classmethod
    def from_names(cls, names: Mapping[int, str], source: object) -> VehicleClasses:
        """`names`: class number → name. Raises `WeightsError` where none of them is a vehicle."""
        ids = np.full(max(names, default=-1) + 1, -1, np.int64)
        rival = np.zeros(len(ids), bool)
        for number, name in names.items():
            plain = str(name).strip().lower()
            ids[number] = _IDS.get(plain, -1)
            rival[number] = plain in _RIVALS
        if not (ids >= 0).any():
            some = ", ".join(str(name) for name in list(names.values())[:5]) or "none"
            raise WeightsError(source, "a detector with vehicle classes (car, motorcycle, bus, truck or vehicle)",
                               f"{len(names)} classes: {some}", "Use weights trained on COCO or on vehicles.")
        return cls(ids, np.flatnonzero((ids >= 0) | rival))


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a network says before overlapping boxes are dropped: N boxes, pixels of its input.

    boxes_xyxy: float (N, 4). scores: float (N,). class_numbers: int (N,), in the network's own numbering.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    class_numbers: np.ndarray


def best_classes(boxes_xyxy: np.ndarray, class_scores: np.ndarray, classes: VehicleClasses) -> Candidates:
    """Candidates with the class that scores highest among those that decide. class_scores: (N, C)."""
    numbers = classes.telling[class_scores[:, classes.telling].argmax(axis=1)]
    return Candidates(boxes_xyxy, class_scores[np.arange(len(numbers)), numbers], numbers)


def select_vehicles(
    found: Candidates, letterbox: Letterbox, classes: VehicleClasses, config: DetectorConfig, image_hw: tuple[int, ...]
) -> Detections:
    """The vehicles among `found`, best first, in pixels of the image; one box a vehicle whatever its class.

    image_hw: height and width of the image (more axes are not looked at).
    """
    known = found.class_numbers < len(classes.ids)
    ids = np.where(known, classes.ids[np.where(known, found.class_numbers, 0)], -1)
    keep = (ids >= 0) & (found.scores >= config.min_score) & np.isfinite(found.boxes_xyxy).all(axis=1)
    boxes = letterbox.boxes_to_image(found.boxes_xyxy[keep])
    boxes = clip_boxes(boxes, (image_hw[0], image_hw[1]))
    scores, ids = np.clip(found.scores[keep], 0, 1), ids[keep]
    large = areas(boxes) > 0
    boxes, scores, ids = boxes[large], scores[large], ids[large]
    rows = non_maximum_suppression(boxes, scores, config.nms_iou)
    return Detections(boxes[rows], scores[rows], ids[rows])

"""What a detector finds (`Detections`) and what a detector is (`Detector`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mtmc.errors import InputError

# COCO's ids, so that every public detector's output needs no table; 0 = a vehicle of unknown kind
# (COCO's 0 is "person", which never leaves a detector here).
VEHICLE_CLASSES = {0: "vehicle", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck"}
UNKNOWN_VEHICLE = 0


@dataclass(frozen=True, eq=False)
class Detections:
    """N vehicles in one image, row by row.

    boxes_xyxy: float32 (N, 4), pixels of the source image, x1 < x2 and y1 < y2.
    scores: float32 (N,), 0 to 1. class_ids: int64 (N,), keys of `VEHICLE_CLASSES`.
    Raises `InputError` for wrong shapes or values that are not finite.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes_xyxy", np.asarray(self.boxes_xyxy, dtype=np.float32))
        object.__setattr__(self, "scores", np.asarray(self.scores, dtype=np.float32))
        object.__setattr__(self, "class_ids", np.asarray(self.class_ids, dtype=np.int64))
        n = len(self.scores)
        if self.boxes_xyxy.shape != (n, 4) or self.class_ids.shape != (n,) or self.scores.shape != (n,):
            found = f"{self.boxes_xyxy.shape}, {self.scores.shape}, {self.class_ids.shape}"
            raise InputError("detections", "boxes (N, 4), scores (N,), classes (N,)", found)
        if not (np.isfinite(self.boxes_xyxy).all() and np.isfinite(self.scores).all()):
            raise InputError("detections", "finite boxes and scores", "NaN or infinity")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: np.ndarray | slice) -> Detections:
        return Detections(self.boxes_xyxy[rows], self.scores[rows], self.class_ids[rows])

    @classmethod
    def empty(cls) -> Detections:
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))


class Detector(Protocol):
    """Finds vehicles in images.

    name: shown to users ("motion", "yolox_nano.onnx").
    fingerprint: text that changes whenever results may (kind, weights' SHA-256, settings).
    stateful: True where an image's boxes depend on earlier images of the same camera (motion), so
    that a run cannot skip images when it resumes.
    batch_size: images per call that the detector likes best; rows do not depend on their companions.
    """

    name: str
    fingerprint: str
    stateful: bool
    batch_size: int

    def for_camera(self, camera_id: str) -> Detector:
        """The detector to use for one camera's video from its first frame. Stateless ones return
        themselves; stateful ones return a fresh copy, so that two cameras never share state."""
        ...

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """One `Detections` per image (uint8 H×W×3 RGB), in order. `frame_indices` (0-based) and
        `times_s` are those of the images in their video."""
        ...

"""Tracklets: one vehicle's passage through one camera's view.

`Tracklet` is a whole passage with its boxes; `CutTracklet` adds the chosen crops and lives until it is
embedded; `TrackletTable` is what remains for matching, one row a tracklet.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from mtmc.errors import InputError


def _check_rows(owner: str, rows: int, **arrays: np.ndarray) -> None:
    for name, array in arrays.items():
        if len(array) != rows:
            raise InputError(f"{owner}.{name}", f"{rows} rows", f"{len(array)}")


@dataclass(frozen=True, eq=False)
class Tracklet:
    """T frames of one vehicle in one camera, in time order.

    times_s: float64 (T,), seconds on the common clock. frame_indices: int64 (T,), 0-based, strictly
    rising. boxes_xyxy: float32 (T, 4) px. scores: float32 (T,), 0 to 1. interpolated: bool (T,), True
    where a short gap was filled. class_id: the weighted vote, class_share: its share of the weight, 0 to 1.
    """

    camera_id: str
    track_id: int
    times_s: np.ndarray
    frame_indices: np.ndarray
    boxes_xyxy: np.ndarray
    scores: np.ndarray
    interpolated: np.ndarray
    class_id: int
    class_share: float

    def __post_init__(self) -> None:
        dtypes = {"times_s": np.float64, "frame_indices": np.int64, "boxes_xyxy": np.float32,
                  "scores": np.float32, "interpolated": np.bool_}
        for name, dtype in dtypes.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype))
        _check_rows("tracklet", len(self.times_s), frame_indices=self.frame_indices, boxes_xyxy=self.boxes_xyxy,
                    scores=self.scores, interpolated=self.interpolated)
        if not len(self.times_s):
            raise InputError(f"tracklet {self.camera_id}/{self.track_id}", "at least one frame", "none")

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def start_s(self) -> float:
        return float(self.times_s[0])

    @property
    def end_s(self) -> float:
        return float(self.times_s[-1])


@dataclass(frozen=True, eq=False)
class CutTracklet:
    """A tracklet that just closed, with the K crops chosen to represent it, best first.

    crops_rgb: K images uint8 h×w×3. crop_frame_indices: int64 (K,). crop_qualities: float32 (K,), 0 to 1.
    """

    tracklet: Tracklet
    crops_rgb: tuple[np.ndarray, ...]
    crop_frame_indices: np.ndarray
    crop_qualities: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "crop_frame_indices", np.asarray(self.crop_frame_indices, dtype=np.int64))
        object.__setattr__(self, "crop_qualities", np.asarray(self.crop_qualities, dtype=np.float32))
        _check_rows("cut tracklet", len(self.crops_rgb), crop_frame_indices=self.crop_frame_indices,
                    crop_qualities=self.crop_qualities)


@dataclass(frozen=True, eq=False)
class TrackletTable:
    """M tracklets of all cameras, one row each, sorted by (camera, start, track).

    camera_ids: the C distinct camera names, sorted. camera_rows: int64 (M,), index into `camera_ids`.
    track_ids: int64 (M,), unique inside a camera. start_s, end_s: float64 (M,), common clock.
    class_ids: int64 (M,). start_boxes_xyxy, end_boxes_xyxy: float32 (M, 4) px, first and last box
    (a table that came without boxes holds zeros). image_sizes_wh: int64 (M, 2), of the camera's
    picture (zeros where unknown). start_ground_m, end_ground_m: float64 (M, 2), metres on a ground plane
    that all cameras share (NaN where there is no calibration).
    """

    camera_ids: tuple[str, ...]
    camera_rows: np.ndarray
    track_ids: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    class_ids: np.ndarray
    start_boxes_xyxy: np.ndarray
    end_boxes_xyxy: np.ndarray
    image_sizes_wh: np.ndarray
    start_ground_m: np.ndarray
    end_ground_m: np.ndarray

    def __post_init__(self) -> None:
        m = len(self.track_ids)
        for field in fields(self):
            if field.name != "camera_ids":
                _check_rows("tracklet table", m, **{field.name: getattr(self, field.name)})

    def __len__(self) -> int:
        return len(self.track_ids)

    def camera_id(self, row: int) -> str:
        """The camera of one row."""
        return self.camera_ids[int(self.camera_rows[row])]

    def key(self, row: int) -> tuple[str, int]:
        """The identity of one row inside a run: (camera_id, track_id)."""
        return self.camera_id(row), int(self.track_ids[row])

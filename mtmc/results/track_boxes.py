"""Boxes with identities over cameras: what every exchange format holds, and what the scores compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from mtmc.errors import InputError
from mtmc.tracklets import Tracklet

UNKNOWN_CLASS = 0  # "a vehicle of unknown kind", as in detectors.detections


@dataclass(frozen=True, eq=False)
class TrackBoxes:
    """N boxes, one row each, in any order.

    camera_ids: the distinct cameras, sorted; cameras without a box may stand among them.
    camera_rows: int64 (N,), index into `camera_ids`. ids: int64 (N,), the identity of the row (a track's
    inside its camera or a vehicle's over all cameras, as the owner says). frames: int64 (N,), counted from 1
    as in MOT and AI City files. boxes_xywh: float64 (N, 4) px, left, top, width, height, sizes not negative.
    scores: float64 (N,), 1 where a source has none. class_ids: int64 (N,), 0 = unknown.
    times_s: float64 (N,), seconds on the common clock, NaN where not known.
    Raises `InputError` where counts disagree or a value is out of range.
    """

    camera_ids: tuple[str, ...]
    camera_rows: np.ndarray
    ids: np.ndarray
    frames: np.ndarray
    boxes_xywh: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    times_s: np.ndarray

    def __post_init__(self) -> None:
        for name in ("camera_rows", "ids", "frames", "class_ids"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.int64))
        for name in ("boxes_xywh", "scores", "times_s"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        n = len(self.ids)
        for field in fields(self)[1:]:
            expected = (n, 4) if field.name == "boxes_xywh" else (n,)
            if getattr(self, field.name).shape != expected:
                raise InputError(f"boxes: {field.name}", f"shape {expected}", f"{getattr(self, field.name).shape}")
        self._check_values()

    def _check_values(self) -> None:
        if list(self.camera_ids) != sorted(set(self.camera_ids)):
            raise InputError("boxes: camera_ids", "distinct names in sorted order", f"{self.camera_ids}")
        if len(self) == 0:
            return
        if self.camera_rows.min() < 0 or self.camera_rows.max() >= len(self.camera_ids):
            raise InputError("boxes: camera_rows", f"0 to {len(self.camera_ids) - 1}", f"{self.camera_rows.max()}")
        if self.frames.min() < 1:
            raise InputError("boxes: frames", "frames counted from 1", f"frame {self.frames.min()}")
        if not np.isfinite(self.boxes_xywh).all() or self.boxes_xywh[:, 2:].min() < 0:
            raise InputError("boxes: boxes_xywh", "finite boxes of no negative size", "others")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: np.ndarray | slice) -> TrackBoxes:
        picked = {field.name: getattr(self, field.name)[rows] for field in fields(self)[1:]}
        return TrackBoxes(self.camera_ids, **picked)

    @classmethod
    def build(
        cls,
        camera_ids: Sequence[str],
        camera_rows: np.ndarray,
        ids: np.ndarray,
        frames: np.ndarray,
        boxes_xywh: np.ndarray,
        scores: np.ndarray | None = None,
        class_ids: np.ndarray | None = None,
        times_s: np.ndarray | None = None,
    ) -> TrackBoxes:
        """The same from distinct cameras in any order; what is not given takes the value for "not known"."""
        n = len(ids)
        order = sorted(range(len(camera_ids)), key=lambda i: camera_ids[i])
        place = np.zeros(max(len(order), 1), dtype=np.int64)
        place[order] = np.arange(len(order))
        return cls(
            camera_ids=tuple(camera_ids[i] for i in order),
            camera_rows=place[np.asarray(camera_rows, dtype=np.int64)],
            ids=ids,
            frames=frames,
            boxes_xywh=np.asarray(boxes_xywh, dtype=np.float64).reshape(n, 4),
            scores=np.ones(n) if scores is None else scores,
            class_ids=np.full(n, UNKNOWN_CLASS) if class_ids is None else class_ids,
            times_s=np.full(n, np.nan) if times_s is None else times_s,
        )

    @classmethod
    def empty(cls, camera_ids: Sequence[str] = ()) -> TrackBoxes:
        """No box at all, in these cameras."""
        none = np.zeros(0, dtype=np.int64)
        return cls.build(camera_ids, none, none, none, np.zeros((0, 4)))

    @classmethod
    def of_tracklets(
        cls, tracklets: Sequence[Tracklet], ids: Sequence[int] | np.ndarray, camera_ids: Sequence[str] = ()
    ) -> TrackBoxes:
        """All boxes of `tracklets`; those of tracklet i carry `ids[i]` (its track id, its vehicle, or its place).

        camera_ids: further cameras that are to be named even where they have no tracklet.
        """
        cameras = sorted({t.camera_id for t in tracklets} | set(camera_ids))
        if not tracklets:
            return cls.empty(cameras)
        row_of = {camera: row for row, camera in enumerate(cameras)}
        lengths = np.array([len(t) for t in tracklets])
        boxes = np.concatenate([t.boxes_xyxy for t in tracklets]).astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        return cls(
            camera_ids=tuple(cameras),
            camera_rows=np.repeat([row_of[t.camera_id] for t in tracklets], lengths),
            ids=np.repeat(np.asarray(ids, dtype=np.int64), lengths),
            frames=np.concatenate([t.frame_indices for t in tracklets]) + 1,
            boxes_xywh=np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], 0)], axis=1),
            scores=np.concatenate([t.scores for t in tracklets]),
            class_ids=np.repeat([t.class_id for t in tracklets], lengths),
            times_s=np.concatenate([t.times_s for t in tracklets]),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[TrackBoxes]) -> TrackBoxes:
        """The rows of all parts, in order, over the union of their cameras."""
        cameras = sorted({camera for part in parts for camera in part.camera_ids})
        if not any(len(part) for part in parts):
            return cls.empty(cameras)
        moved = [part.over_cameras(cameras) for part in parts]
        joined = {f.name: np.concatenate([getattr(part, f.name) for part in moved]) for f in fields(cls)[1:]}
        return cls(tuple(cameras), **joined)

    def over_cameras(self, camera_ids: Sequence[str]) -> TrackBoxes:
        """The same boxes with `camera_ids`, which must hold all of this object's, as the list of cameras."""
        row_of = {camera: row for row, camera in enumerate(camera_ids)}
        rows = np.array([row_of[camera] for camera in self.camera_ids], dtype=np.int64)
        moved = rows[self.camera_rows] if len(self) else self.camera_rows
        return replace(self, camera_ids=tuple(camera_ids), camera_rows=moved)

    def with_camera_names(self, names: Mapping[str, str]) -> TrackBoxes:
        """The same boxes, camera `c` now called `names[c]`; the new names must be distinct."""
        renamed = [names[camera] for camera in self.camera_ids]
        if len(set(renamed)) != len(renamed):
            raise InputError("camera names", "distinct names", ", ".join(renamed))
        return TrackBoxes.build(
            renamed, self.camera_rows, self.ids, self.frames, self.boxes_xywh, self.scores, self.class_ids, self.times_s
        )

    def with_ids(self, ids: np.ndarray) -> TrackBoxes:
        """The same boxes under other identities, int64 (N,)."""
        return replace(self, ids=np.asarray(ids, dtype=np.int64))

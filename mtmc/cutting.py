"""The streaming tracklet cutter: tracked boxes in, closed tracklets with their chosen crops out.

What a tracker does not do: take back the boxes from before confirmation, leave out what lies outside the
region of interest, break a track where its box jumps, fill short gaps, vote the class, choose crops.
Memory holds open tracks only: 64 bytes a row and a bounded number of small pictures; 16 bytes a frame go to a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from detectors.detections import Detections
from mtmc import crops as crop_choice
from mtmc import mending
from mtmc.back_filling import boxes_before
from mtmc.crops import Crop, CropConfig
from mtmc.errors import ConfigError, InputError
from mtmc.mending import MendingConfig
from mtmc.open_tracks import BOX, CLASS, FRAME, SCORE, TIME, FrameLog, OpenTrack, rows_of
from mtmc.tracking import UNCONFIRMED
from mtmc.tracklet_counts import CutCounts
from mtmc.tracklets import CutTracklet, Tracklet


class FrameLike(Protocol):
    """What the cutter needs of a `Frame`: index (0-based), time_s (common clock), image uint8 H×W×3 RGB."""

    @property
    def index(self) -> int: ...
    @property
    def time_s(self) -> float: ...
    @property
    def image(self) -> np.ndarray: ...


@dataclass(frozen=True)
class CuttingConfig:
    """How tracks become tracklets.

    close_after_s: a track not seen for this long is closed. backfill_s: how far back a new track looks for
    boxes that no track took. backfill_iou: overlap that such a box needs with the place predicted for it.
    motion_s: how long a track is watched before its motion is trusted to look back.
    longest_s: a track open for longer is closed and goes on as a new piece (joining puts them together), so
    that a parked vehicle's rows do not pile up.
    """

    # Not below the tracker's memory, or a track that comes back would be cut in two.
    close_after_s: float = 1.5
    backfill_s: float = 1.0
    backfill_iou: float = 0.1
    motion_s: float = 0.5
    longest_s: float = 120.0
    mending: MendingConfig = field(default_factory=MendingConfig)

    def __post_init__(self) -> None:
        for key in ("close_after_s", "backfill_s", "motion_s", "longest_s"):
            if not getattr(self, key) >= 0:
                raise ConfigError(f"cutting.{key}", "seconds, 0 or more", str(getattr(self, key)))
        if not 0 < self.backfill_iou <= 1:
            raise ConfigError("cutting.backfill_iou", "above 0, at most 1", str(self.backfill_iou))


class TrackletCutter:
    """Cuts one camera's tracklets while its frames stream by.

    Frames come in order, each once, with or without detections. `add` returns the tracklets that
    closed, `finish` the rest. `counts` says what became of every detection.
    """

    def __init__(
        self, camera_id: str, config: CuttingConfig, crops: CropConfig, input_hw: tuple[int, int], roi: np.ndarray,
        folder: Path | None = None,
    ) -> None:
        """folder: see `FrameLog`."""
        self.camera_id, self.counts = camera_id, CutCounts()
        self._config, self._crops, self._roi = config, crops, roi
        self._input_hw = (max(input_hw[0], crops.least_side_px), max(input_hw[1], crops.least_side_px))
        self._open: dict[int, OpenTrack] = {}
        self._unclaimed: list[np.ndarray] = []
        self._frames = FrameLog(folder)
        self._image_hw = (0, 0)
        self._next_id = 1

    def add(self, frame: FrameLike, detections: Detections, track_ids: np.ndarray) -> list[CutTracklet]:
        """Takes one frame's detections with their track ids (N,); returns the tracklets that closed."""
        self._check(frame, detections, track_ids)
        closed = self._adapt_to_size(frame) if len(detections) else []
        self._frames.add(frame.index, frame.time_s)
        inside = self._inside_roi(detections)
        free = track_ids == UNCONFIRMED
        rows = rows_of(frame.index, frame.time_s, detections)
        self.counts = self.counts.plus(detections=len(rows), outside_roi=int((~inside).sum()))
        self._extend_tracks(rows, track_ids, inside & ~free)
        self._collect_crops(frame, detections, track_ids, inside & ~free)
        self._unclaimed.extend(rows[inside & free])
        self._look_back(frame.time_s)
        return closed + self._close(frame.time_s)

    def finish(self) -> list[CutTracklet]:
        """Closes what is still open. The cutter is empty afterwards."""
        closed = self._close(np.inf)
        self._forget_unclaimed(np.inf)
        return closed

    def frame_times(self) -> tuple[np.ndarray, np.ndarray]:
        """(frame indices int64, times float64 seconds) of every frame seen so far, for filling gaps later."""
        return self._frames.all()

    def _check(self, frame: FrameLike, detections: Detections, track_ids: np.ndarray) -> None:
        if len(track_ids) != len(detections):
            raise InputError("track ids", f"{len(detections)} rows", f"{len(track_ids)}")
        confirmed = track_ids[track_ids != UNCONFIRMED].tolist()
        if len(set(confirmed)) != len(confirmed):
            raise InputError(f"track ids of frame {frame.index}", "each at most once", f"{sorted(confirmed)}")
        if len(self._frames):
            index, time_s = self._frames.last()
            if not (frame.time_s > time_s and frame.index > index):
                raise InputError(f"camera {self.camera_id}", f"a frame after {index} at {time_s} s",
                                 f"frame {frame.index} at {frame.time_s} s")

    def _adapt_to_size(self, frame: FrameLike) -> list[CutTracklet]:
        """Closes all tracks when the picture's size changes: boxes before and after do not compare."""
        image_hw = (frame.image.shape[0], frame.image.shape[1])
        changed = self._image_hw not in (image_hw, (0, 0))
        closed = self._close(np.inf) if changed else []
        self._image_hw = image_hw
        return closed

    def _inside_roi(self, detections: Detections) -> np.ndarray:
        """bool (N,): the middle of the bottom edge, where a vehicle stands, lies in the region of interest."""
        if not self._roi.size or not len(detections):
            return np.ones(len(detections), dtype=bool)
        height, width = self._roi.shape
        x = (detections.boxes_xyxy[:, 0] + detections.boxes_xyxy[:, 2]) / 2
        columns = np.clip(x.astype(np.int64), 0, width - 1)
        lines = np.clip(detections.boxes_xyxy[:, 3].astype(np.int64), 0, height - 1)
        return self._roi[lines, columns].astype(bool)

    def _extend_tracks(self, rows: np.ndarray, track_ids: np.ndarray, wanted: np.ndarray) -> None:
        for row in np.flatnonzero(wanted):
            track_id = int(track_ids[row])
            if track_id not in self._open:
                self._open[track_id] = OpenTrack(float(rows[row, 0]), self._crops.candidates)
            self._open[track_id].append(rows[row])

    def _look_back(self, now_s: float) -> None:
        """Gives tracks whose motion is known by now the boxes that led to them; forgets older ones."""
        for track in self._open.values():
            if not track.looked_back and track.last_s - track.start_s >= self._config.motion_s:
                self._take_back(track)
        waiting = [track.start_s for track in self._open.values() if not track.looked_back]
        self._forget_unclaimed(min([now_s, *waiting]) - self._config.backfill_s)

    def _take_back(self, track: OpenTrack) -> None:
        """Puts the unclaimed boxes that lead to the track before its rows."""
        track.looked_back = True
        near = [i for i, row in enumerate(self._unclaimed) if row[TIME] >= track.start_s - self._config.backfill_s]
        if not near:
            return
        own, free = track.rows(), np.stack([self._unclaimed[i] for i in near])
        found = boxes_before(own[:, TIME], own[:, BOX], free[:, TIME], free[:, BOX],
                             self._config.motion_s, self._config.backfill_iou)
        track.prepend(free[found[::-1]])
        taken = {near[i] for i in found}
        self._unclaimed = [row for i, row in enumerate(self._unclaimed) if i not in taken]
        self.counts = self.counts.plus(backfilled=len(taken))

    def _forget_unclaimed(self, before_s: float) -> None:
        kept = [row for row in self._unclaimed if row[TIME] >= before_s]
        self.counts = self.counts.plus(unconfirmed=len(self._unclaimed) - len(kept))
        self._unclaimed = kept

    def _collect_crops(
        self, frame: FrameLike, detections: Detections, track_ids: np.ndarray, wanted: np.ndarray
    ) -> None:
        """Offers crops of the rows `wanted` (bool N) to their tracks."""
        if not wanted.any():
            return
        boxes = detections.boxes_xyxy
        scores = crop_choice.geometry_scores(boxes, self._image_hw, self._input_hw, self._crops)
        for row in np.flatnonzero(wanted):
            candidates, bound = self._open[int(track_ids[row])].candidates, float(scores[row])
            if bound <= 0 or not candidates.would_keep(frame.time_s, bound):
                continue
            image = crop_choice.cut_crop(frame.image, boxes[row], self._input_hw, self._crops)
            if image is not None:
                quality = bound * crop_choice.sharpness(image, self._crops.sharp_contrast)
                candidates.add(Crop(frame.time_s, frame.index, quality, image))

    def _close(self, now_s: float) -> list[CutTracklet]:
        config = self._config
        done = [track_id for track_id, track in self._open.items()
                if now_s - track.last_s > config.close_after_s or now_s - track.start_s > config.longest_s]
        for track_id in done:
            if not self._open[track_id].looked_back:
                self._take_back(self._open[track_id])
        return [cut for track_id in sorted(done) for cut in self._cut(self._open.pop(track_id))]

    def _cut(self, track: OpenTrack) -> list[CutTracklet]:
        rows = track.rows()
        truncated = crop_choice.cut_off(rows[:, BOX], self._image_hw, self._crops.border)
        pieces = mending.segments(rows[:, TIME], rows[:, BOX], truncated, self._config.mending)
        self.counts = self.counts.plus(outliers=len(rows) - sum(map(len, pieces)))
        return [self._piece(rows[piece], track.candidates.crops()) for piece in pieces]

    def _piece(self, rows: np.ndarray, candidates: list[Crop]) -> CutTracklet:
        tracklet = self._tracklet(rows)
        mine = set(rows[:, FRAME].astype(np.int64).tolist())
        usable = [crop for crop in candidates if crop.frame_index in mine]
        best = crop_choice.choose(np.array([c.time_s for c in usable]), np.array([c.quality for c in usable]),
                                  self._crops.per_tracklet, self._crops.floor)
        chosen = sorted((usable[i] for i in best), key=lambda crop: (-crop.quality, crop.frame_index))
        self.counts = self.counts.plus(pieces=1, in_pieces=len(rows), without_crop=int(not chosen),
                                       interpolated=int(tracklet.interpolated.sum()))
        return CutTracklet(tracklet, tuple(c.image_rgb for c in chosen), np.array([c.frame_index for c in chosen]),
                           np.array([c.quality for c in chosen]))

    def _tracklet(self, rows: np.ndarray) -> Tracklet:
        """The rows as a tracklet, short gaps filled, class voted; takes the next id."""
        own = rows[:, FRAME].astype(np.int64)
        indices, times = self._frames.between(int(own[0]), int(own[-1]))
        covered, filled = mending.fill_gaps(rows[:, TIME], own, times, indices, self._config.mending.fill_s)
        values = mending.interpolate(rows[:, TIME], rows[:, 2 : SCORE + 1], times[covered])
        class_id, class_share = vote(rows[:, CLASS].astype(np.int64), rows[:, SCORE])
        track_id, self._next_id = self._next_id, self._next_id + 1
        return Tracklet(self.camera_id, track_id, times[covered], indices[covered], values[:, :4], values[:, 4],
                        filled, class_id, class_share)


def vote(class_ids: np.ndarray, weights: np.ndarray) -> tuple[int, float]:
    """The class with the largest sum of weights, and its share of all (ties: the smaller id; all zero: plain count)."""
    weights = weights if float(np.sum(weights)) > 0 else np.ones(len(class_ids))
    classes, places = np.unique(class_ids, return_inverse=True)
    sums = np.bincount(places, weights=weights)
    best = int(np.argmax(sums))
    return int(classes[best]), float(sums[best] / sums.sum())

"""Track ids for one camera's detections: an adapter of the `trackers` library.

The library reorders rows, counts its ids from 0 in every instance, and works in frames unless it is told
the time; the adapter gives ids back row by row, in seconds, with nothing shared between two cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from detectors.detections import Detections
from mtmc.errors import ConfigError, InputError

UNCONFIRMED = -1

# `trackers` counts its lost buffer in frames of this rate and turns it into seconds when timestamps are given.
_BUFFER_RATE_HZ = 30.0


@dataclass(frozen=True)
class TrackingConfig:
    """How detections become tracks.

    name: the algorithm. start_score: a box at or above it may start a track. high_score: boxes at or above it
    are linked first, the others only to tracks left over (no effect on sort). lost_s: how long a track is
    remembered without a box. min_iou: overlap between a box and the predicted one. nominal_rate_hz: the frame
    rate at which the motion model's noise counts as one step; other steps are scaled. reach: box sizes that
    are added to all sides of boxes before they are compared, per second beyond steady_s since the frame before.
    """

    name: Literal["bytetrack", "sort", "ocsort", "botsort", "cbiou"] = "bytetrack"
    # Small detectors score far vehicles at 0.1 to 0.3; the library's 0.7 and 0.6 would lose them.
    start_score: float = 0.25
    high_score: float = 0.2
    # Longer than one vehicle takes to pass in front of another; longer absences are for joining, which also
    # looks at the vehicle.
    lost_s: float = 1.2
    min_iou: float = 0.15
    nominal_rate_hz: float = 10.0
    # Between two frames half a second apart a vehicle moves by about its own size, and the second box does not
    # touch the first. Up to steady_s (10 Hz) boxes are compared as they are.
    reach: float = 1.0
    steady_s: float = 0.1

    def __post_init__(self) -> None:
        for key in ("start_score", "high_score", "min_iou"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"tracking.{key}", "0 to 1", str(getattr(self, key)))
        for key in ("lost_s", "reach", "steady_s"):
            if not 0 <= getattr(self, key) < np.inf:
                raise ConfigError(f"tracking.{key}", "a finite number of 0 or more", str(getattr(self, key)))
        if not 0 < self.nominal_rate_hz < np.inf:
            raise ConfigError("tracking.nominal_rate_hz", "a frame rate above 0", str(self.nominal_rate_hz))


class CameraTracker:
    """Gives one camera's detections track ids, frame by frame."""

    def __init__(self, config: TrackingConfig) -> None:
        self._config = config
        self._tracker, self._similarity = _build(config)
        self._last_s = -np.inf

    def update(self, detections: Detections, time_s: float) -> np.ndarray:
        """int64 (N,) track ids, row by row; `UNCONFIRMED` where no track is sure yet.

        `time_s` must rise from call to call; raises `InputError` where it does not.
        """
        import supervision as sv

        if not time_s > self._last_s or not np.isfinite(time_s):
            raise InputError("tracker time", f"a finite time after {self._last_s} s", f"{time_s} s")
        elapsed, self._last_s = time_s - self._last_s, time_s
        self._similarity.buffer_ratio = self._buffer(elapsed)
        n = len(detections)
        given = sv.Detections(
            xyxy=detections.boxes_xyxy.astype(np.float64),
            confidence=detections.scores.astype(np.float64),
            # One class for all: a vehicle seen as a car and then as a truck stays one track.
            class_id=np.zeros(n, dtype=np.int64),
            data={"row": np.arange(n)},
        )
        found = self._tracker.update(given, timestamp=time_s)
        track_ids = np.full(n, UNCONFIRMED, dtype=np.int64)
        if len(found):
            track_ids[np.asarray(found.data["row"], dtype=np.int64)] = found.tracker_id
        return track_ids

    def _buffer(self, elapsed_s: float) -> float:
        """Margin around boxes, in box sizes, after `elapsed_s`; at most one size (beyond, lanes mix)."""
        if not np.isfinite(elapsed_s):
            return 0.0
        return min(1.0, self._config.reach * max(0.0, elapsed_s - self._config.steady_s))


def _build(config: TrackingConfig) -> tuple[Any, Any]:
    """(the library's tracker with our settings under its names, the overlap measure that it uses)."""
    import trackers
    from trackers.utils.iou import BIoU

    similarity = BIoU(buffer_ratio=0.0)
    common: dict[str, Any] = {
        "lost_track_buffer": config.lost_s * _BUFFER_RATE_HZ,
        "frame_rate": config.nominal_rate_hz,
        # The second sighting confirms; what came before is back-filled by the cutter.
        "minimum_consecutive_frames": 2,
    }
    scores: dict[str, Any] = {
        "track_activation_threshold": config.start_score,
        "high_conf_det_threshold": config.high_score,
    }
    stages: dict[str, Any] = {
        "minimum_iou_threshold_first_assoc": config.min_iou,
        "minimum_iou_threshold_second_assoc": config.min_iou,
        "minimum_iou_threshold_unconfirmed_assoc": config.min_iou,
        "instant_first_frame_activation": False,
    }
    if config.name == "bytetrack":
        tracker: Any = trackers.ByteTrackTracker(
            **common, **scores, minimum_iou_threshold=config.min_iou, iou=similarity)
    elif config.name == "sort":
        tracker = trackers.SORTTracker(
            **common, track_activation_threshold=config.start_score, minimum_iou_threshold=config.min_iou,
            iou=similarity)
    elif config.name == "ocsort":
        tracker = trackers.OCSORTTracker(
            **common, high_conf_det_threshold=config.high_score, minimum_iou_threshold=config.min_iou, iou=similarity)
    elif config.name == "botsort":
        # Cameras stand still here; motion compensation would need the images and cost most of the time.
        tracker = trackers.BoTSORTTracker(**common, **scores, **stages, enable_cmc=False, iou=similarity)
    else:
        # Brings margins of its own, which do not depend on time.
        tracker = trackers.CBIoUTracker(**common, **scores, **stages)
    return tracker, similarity

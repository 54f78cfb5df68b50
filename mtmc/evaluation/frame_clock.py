"""Frame numbers to seconds, from whatever boxes carry a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mtmc.results.track_boxes import TrackBoxes


@dataclass(frozen=True, eq=False)
class FrameClock:
    """Known (frame, time) points of every camera, frames strictly rising. A frame between two is drawn
    through them; one outside follows the mean pace; without two points there is no time."""

    frames: tuple[np.ndarray, ...]
    times_s: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, *sources: TrackBoxes) -> FrameClock:
        """For each camera the clock of the first of `sources` (which name the same cameras) that knows two times.

        Sources are not mixed: one may count from its video's start, another on the common clock.
        """
        frames, times_s = [], []
        for row in range(len(sources[0].camera_ids)):
            known = [_known_points(source, row) for source in sources]
            best = next((points for points in known if len(points[0]) > 1), known[0])
            frames.append(best[0])
            times_s.append(best[1])
        return cls(tuple(frames), tuple(times_s))

    def time_s(self, camera_row: int, frame: int) -> float:
        """Seconds on the common clock, NaN where the camera's clock is not known."""
        frames, times_s = self.frames[camera_row], self.times_s[camera_row]
        if len(frames) < 2:
            return float(times_s[0]) if len(frames) and frames[0] == frame else float("nan")
        pace = (times_s[-1] - times_s[0]) / (frames[-1] - frames[0])
        outside = min(frame - frames[0], 0) + max(frame - frames[-1], 0)
        return float(np.interp(frame, frames, times_s) + pace * outside)


def _known_points(boxes: TrackBoxes, camera_row: int) -> tuple[np.ndarray, np.ndarray]:
    here = boxes[(boxes.camera_rows == camera_row) & np.isfinite(boxes.times_s)]
    frames, first = np.unique(here.frames, return_index=True)
    return frames, here.times_s[first]


def with_frame_rates(boxes: TrackBoxes, rates_hz: Mapping[str, float], default_hz: float) -> TrackBoxes:
    """`boxes` with times (frame - 1) / rate; rates_hz: camera → rate, else `default_hz` (0 = not known)."""
    rates = np.array([rates_hz.get(camera, default_hz) for camera in boxes.camera_ids] or [0.0])
    rate = rates[boxes.camera_rows]
    times_s = np.divide(boxes.frames - 1, rate, out=np.full(len(boxes), np.nan), where=rate > 0)
    return replace(boxes, times_s=times_s)

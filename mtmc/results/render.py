"""`--render`: every camera's video with its vehicles drawn in, the same colour for the same vehicle everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtmc.cameras import Camera
from mtmc.errors import ConfigError
from mtmc.results.drawing import caption, clock_text, draw_vehicle, shrink_or_grow
from mtmc.results.track_boxes import TrackBoxes
from mtmc.results.video_writer import VideoWriter, writing_video
from mtmc.video import DecodeReport, Frame, VideoConfig, read_frames


@dataclass(frozen=True)
class RenderConfig:
    """How videos for people look."""

    # Wider pictures are scaled down: these videos are looked at, not measured in.
    max_width_px: int = 1280
    # The mosaic's own rate; vehicles are easily followed at this.
    mosaic_rate_hz: float = 10.0
    mosaic_width_px: int = 1280
    # A camera's last picture stays this long without a new one; then its tile goes dark.
    hold_s: float = 1.0

    def __post_init__(self) -> None:
        if min(self.max_width_px, self.mosaic_width_px) < 64 or not self.mosaic_rate_hz > 0 or not self.hold_s > 0:
            raise ConfigError("render", "widths of at least 64 and rates and times above 0", f"{self}")


class VehicleBoxes:
    """The boxes of one camera by frame, with what is needed to draw them."""

    def __init__(self, boxes: TrackBoxes, camera_id: str, linked_ids: frozenset[int]) -> None:
        known = camera_id in boxes.camera_ids
        mine = boxes.camera_rows == boxes.camera_ids.index(camera_id) if known else np.zeros(len(boxes), bool)
        rows = np.flatnonzero(mine)
        # Nearer vehicles, which stand lower, are drawn over farther ones; ids make the order certain.
        bottoms = boxes.boxes_xywh[rows, 1] + boxes.boxes_xywh[rows, 3]
        rows = rows[np.lexsort((boxes.ids[rows], bottoms, boxes.frames[rows]))]
        self._frames, self._ids, self._linked = boxes.frames[rows] - 1, boxes.ids[rows], linked_ids
        self._boxes_xyxy = boxes.boxes_xywh[rows].copy()
        self._boxes_xyxy[:, 2:] += self._boxes_xyxy[:, :2]

    def draw(self, image: np.ndarray, index: int, scale: float = 1.0, corner_xy: tuple[int, int] = (0, 0)) -> None:
        """Draw the vehicles of frame `index` (from 0) into `image`, which shows the frame scaled and shifted."""
        first, last = np.searchsorted(self._frames, (index, index + 1))
        for box, vehicle in zip(self._boxes_xyxy[first:last], self._ids[first:last].tolist(), strict=True):
            draw_vehicle(image, box * scale + np.tile(corner_xy, 2), vehicle, vehicle in self._linked)


def linked_ids(boxes: TrackBoxes) -> frozenset[int]:
    """The vehicles that are seen in several cameras; `boxes.ids` are global."""
    pairs = np.unique(np.stack([boxes.ids, boxes.camera_rows], axis=1), axis=0)
    ids, cameras = np.unique(pairs[:, 0], return_counts=True)
    return frozenset(ids[cameras > 1].tolist())


def render_camera(
    camera: Camera, boxes: TrackBoxes, path: Path, config: RenderConfig, video: VideoConfig,
    on_frame: Callable[[float], None] = lambda time_s: None,
) -> DecodeReport:  # fmt: skip
    """Write `camera`'s video with its vehicles to `path` (.mp4), frame for frame with its own times.

    boxes: of all cameras, `ids` = global ids. on_frame: called with every frame's time, for progress. Memory does not
    grow with the length. Raises `VideoError` where the video cannot be read, `OutputError` where it cannot be written.
    """
    vehicles, report = VehicleBoxes(boxes, camera.camera_id, linked_ids(boxes)), DecodeReport()
    frames = read_frames(camera, video, report)
    first = next(frames)
    scale = min(1.0, config.max_width_px / first.image.shape[1])
    size_wh = max(1, round(first.image.shape[1] * scale)), max(1, round(first.image.shape[0] * scale))

    def add(frame: Frame, writer: VideoWriter) -> None:
        image = shrink_or_grow(frame.image, size_wh)
        vehicles.draw(image, frame.index, scale)
        caption(image, f"{camera.camera_id}  {clock_text(frame.time_s)}")
        writer.write(image, frame.time_s - first.time_s)
        on_frame(frame.time_s)

    with writing_video(path, size_wh) as writer:
        add(first, writer)
        for frame in frames:
            add(frame, writer)
    return report

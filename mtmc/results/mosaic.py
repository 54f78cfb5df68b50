"""`mosaic.mp4`: all cameras side by side on the common clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mtmc.cameras import Camera
from mtmc.errors import VideoError
from mtmc.results.drawing import DARK, caption, clock_text, fit, put_label
from mtmc.results.render import RenderConfig, VehicleBoxes, linked_ids
from mtmc.results.track_boxes import TrackBoxes
from mtmc.results.video_writer import writing_video
from mtmc.video import DecodeReport, Frame, VideoConfig, read_frames

_CLOCK_PX = 24  # the strip at the bottom with the common clock
_LINE_PX = 2  # between tiles
_ROUNDING_S = 1e-6  # a picture that is due but for rounding is due


def render_mosaic(
    cameras: Sequence[Camera], boxes: TrackBoxes, path: Path, config: RenderConfig, video: VideoConfig,
    on_picture: Callable[[float], None] = lambda time_s: None,
) -> dict[str, str]:  # fmt: skip
    """Write all `cameras`, in the order given, in a grid to `path` (.mp4); what went wrong, camera → sentence.

    boxes: of all cameras, `ids` = global ids. on_picture: called with the common time of every picture of the mosaic,
    for progress. One decoder a camera is open and one picture of each is held, however long the videos are.
    Stretches where no camera has a picture are left out. A camera that cannot be read keeps a dark tile.
    Raises `VideoError` where none can be read, `OutputError` where nothing can be written.
    """
    linked = linked_ids(boxes)
    tiles = [_Tile(camera, VehicleBoxes(boxes, camera.camera_id, linked), config, video) for camera in cameras]
    try:
        columns, tile_wh = _grid(tiles, config.mosaic_width_px)
        rows = math.ceil(len(tiles) / columns)
        size_wh = columns * (tile_wh[0] + _LINE_PX), rows * (tile_wh[1] + _LINE_PX) + _CLOCK_PX
        with writing_video(path, size_wh) as writer:
            canvas = np.full((size_wh[1], size_wh[0], 3), DARK, np.uint8)
            for number, time_s in enumerate(_times(tiles, config)):
                canvas[-_CLOCK_PX:] = DARK
                for place, tile in enumerate(tiles):
                    top, left = place // columns * (tile_wh[1] + _LINE_PX), place % columns * (tile_wh[0] + _LINE_PX)
                    canvas[top : top + tile_wh[1], left : left + tile_wh[0]] = tile.picture(time_s, tile_wh)
                put_label(canvas, clock_text(time_s), (0, size_wh[1]), DARK, letter_px=12)
                writer.write(canvas, number / config.mosaic_rate_hz)
                on_picture(time_s)
    finally:
        for tile in tiles:
            tile.close()
    return {tile.camera.camera_id: tile.fault for tile in tiles if tile.fault}


class _Tile:
    """One camera's place in the mosaic: the picture that is shown and the one that comes next."""

    def __init__(self, camera: Camera, vehicles: VehicleBoxes, config: RenderConfig, video: VideoConfig) -> None:
        self.camera, self.fault = camera, ""
        self._vehicles, self._hold_s = vehicles, config.hold_s
        self._frames = read_frames(camera, video, DecodeReport())
        self._shown: Frame | None = None
        self._drawn: np.ndarray | None = None  # the shown one, as it is in the mosaic
        self.next: Frame | None = None
        self._pull()

    def _pull(self) -> None:
        try:
            self.next = next(self._frames, None)
        except VideoError as error:
            self.next, self.fault = None, str(error)

    def advance(self, time_s: float) -> bool:
        """Go on to the last picture that is due at `time_s`; whether it is a new one."""
        changed = False
        while self.next is not None and self.next.time_s <= time_s + _ROUNDING_S:
            self._shown, self._drawn, changed = self.next, None, True
            self._pull()
        return changed

    def is_live(self, time_s: float) -> bool:
        """Whether the shown picture is fresh enough at `time_s`."""
        return self._shown is not None and time_s - self._shown.time_s < self._hold_s

    def picture(self, time_s: float, size_wh: tuple[int, int]) -> np.ndarray:
        """uint8 (H, W, 3) RGB of the tile at `time_s`."""
        if self._shown is None or not self.is_live(time_s):
            blank = np.full((size_wh[1], size_wh[0], 3), DARK, np.uint8)
            caption(blank, f"{self.camera.camera_id}  {'cannot be read' if self.fault else 'no picture'}")
            return blank
        if self._drawn is None:
            self._drawn, scale, corner_xy = fit(self._shown.image, size_wh)
            self._vehicles.draw(self._drawn, self._shown.index, scale, corner_xy)
            caption(self._drawn, self.camera.camera_id)
        return self._drawn

    def close(self) -> None:
        """Let go of the decoder."""
        self._frames.close()


def _times(tiles: Sequence[_Tile], config: RenderConfig) -> Iterator[float]:
    """Common times of the mosaic's pictures, the tiles advanced to each."""
    start_s, number = min(_next_times(tiles), default=math.inf), 0
    while True:
        time_s = start_s + number / config.mosaic_rate_hz
        changed = [tile.advance(time_s) for tile in tiles]
        due_s = min(_next_times(tiles), default=math.inf)
        if math.isinf(due_s) and not any(changed):
            return  # nothing is left to show
        if any(tile.is_live(time_s) for tile in tiles):
            yield time_s
            number += 1
        else:
            start_s, number = due_s, 0


def _next_times(tiles: Sequence[_Tile]) -> list[float]:
    return [tile.next.time_s for tile in tiles if tile.next is not None]


def _grid(tiles: Sequence[_Tile], width_px: int) -> tuple[int, tuple[int, int]]:
    """Columns, and the even size of a tile, shaped like the first camera that can be read."""
    first = next((tile.next for tile in tiles if tile.next is not None), None)
    if first is None:
        path = tiles[0].camera.video if tiles else "mosaic"
        raise VideoError(path, "at least one camera that can be read", tiles[0].fault if tiles else "no camera")
    columns = math.ceil(math.sqrt(len(tiles)))
    width = max(2, (width_px // columns - _LINE_PX) // 2 * 2)
    height, across = first.image.shape[:2]
    return columns, (width, max(2, round(width * height / across / 2) * 2))

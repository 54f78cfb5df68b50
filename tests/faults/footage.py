"""Footage for the fault tests: clips with their frame number drawn where the one "vehicle" stands, and its boxes.

The vehicle never moves and has one recorded box in every frame, so that a run must report as many detections as
frames; and every crop that a run keeps shows which frame of the recording it was cut from, whatever became of the
file in between.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.clips import write_clip

WIDTH, HEIGHT = 320, 192
BOX_XYWH = (112, 64, 96, 64)
PANEL_XY = (128, 80)  # of the 8 x 2 blocks that show the number, most significant first
BLOCK_WH = (8, 16)
RATE_HZ = 25
# The weight-free embedder needs no torch; a vehicle that stands still must not be dropped here.
SETTINGS = ("--embedder", "colour-texture", "--set", "gates.min_travel=0")


def picture(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 (height, width, 3) RGB: a gray slope, a red vehicle in the middle and its frame number on it."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = (60 + np.arange(width) * 120 // width).astype(np.uint8)[None, :, None]
    x, y, w, h = BOX_XYWH
    image[y : y + h, x : x + w] = (200, 40, 40)
    left, top = PANEL_XY
    for bit in range(16):
        column, row = left + bit % 8 * BLOCK_WH[0], top + bit // 8 * BLOCK_WH[1]
        image[row : row + BLOCK_WH[1], column : column + BLOCK_WH[0]] = 255 if index >> (15 - bit) & 1 else 0
    return image


def read_crop(crop_rgb: np.ndarray) -> int:
    """The frame number in a crop of the vehicle, of any size."""
    height, width = crop_rgb.shape[:2]
    scale_x, scale_y = width / BOX_XYWH[2], height / BOX_XYWH[3]
    value = 0
    for bit in range(16):
        x = (PANEL_XY[0] - BOX_XYWH[0] + (bit % 8 + 0.5) * BLOCK_WH[0]) * scale_x
        y = (PANEL_XY[1] - BOX_XYWH[1] + (bit // 8 + 0.5) * BLOCK_WH[1]) * scale_y
        patch = crop_rgb[max(0, round(y) - 3) : round(y) + 3, max(0, round(x) - 1) : round(x) + 2]
        value = value << 1 | int(patch.mean() > 127)
    return value


def clip(path: Path, frames: int = 100, **options: object) -> Path:
    """A clip of this footage; options as of `tests.clips.write_clip`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_clip(path, frames, RATE_HZ, picture=picture, **options)  # type: ignore[arg-type]


def boxes(path: Path, frames: int = 600) -> Path:
    """Recorded boxes in MOTChallenge form: the vehicle in every frame, also beyond the end of the video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    x, y, w, h = BOX_XYWH
    path.write_text("".join(f"{i + 1},-1,{x},{y},{w},{h},0.9,-1,-1,-1\n" for i in range(frames)))
    return path


def long_clip(path: Path, seconds: float) -> Path:
    """The first 4 s of this footage over and over, copied without encoding again; times go on."""
    import av

    source = clip(path.with_name(f"{path.stem}.once.mp4"), 100)
    with av.open(str(source)) as opened:
        packets = [packet for packet in opened.demux(video=0) if packet.size]
        with av.open(str(path), "w") as out:
            stream = out.add_stream_from_template(opened.streams.video[0])
            ticks = round(4 / packets[0].time_base)
            for _ in range(round(seconds / 4)):
                for packet in packets:
                    packet.stream = stream
                    out.mux(packet)
                    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
    source.unlink()
    return path

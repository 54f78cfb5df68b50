"""H.264 videos that every browser plays (yuv420p, index in front), either whole or absent."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mtmc.errors import InputError, OutputError
from mtmc.files import atomic_path
from mtmc.video import Encoder, has_encoder

_TICKS_PER_S = 60_000  # a whole number for every usual frame rate; MPEG-4 takes no more than 65,535
# Encoders in order of preference with their settings. "superfast" has no macroblock tree, whose result differed from
# run to run with one thread; crf 23 is x264's own idea of good, and three of FFmpeg's units of 118 about the same.
_CODECS = {"libx264": {"preset": "superfast", "crf": "23"}, "mpeg4": {"flags": "+qscale", "global_quality": "354"}}

_log = logging.getLogger(__name__)


class VideoWriter:
    """Takes pictures of one size in order of time; see `writing_video`."""

    def __init__(self, path: Path, size_wh: tuple[int, int], codec: str, rate_factor: int) -> None:
        self._size_wh, self._ticks = size_wh, -1
        even = size_wh[0] + size_wh[0] % 2, size_wh[1] + size_wh[1] % 2
        options = _CODECS[codec] | ({"crf": str(rate_factor)} if "crf" in _CODECS[codec] else {})
        self._encoder = Encoder(path, even, _TICKS_PER_S, codec, options)

    def write(self, image: np.ndarray, time_s: float) -> None:
        """Show `image`, uint8 (H, W, 3) RGB, from `time_s` on: seconds since the video's start, rising.

        Raises `InputError` for another size. Pictures closer than a tick are pushed apart; odd sizes get their last
        line or column twice, for yuv420p has none.
        """
        height, width = image.shape[:2]
        if (width, height) != self._size_wh:
            raise InputError("picture of a video", "{}x{}".format(*self._size_wh), f"{width}x{height}")
        if width % 2 or height % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        self._ticks = max(round(time_s * _TICKS_PER_S), self._ticks + 1)
        self._encoder.write(image, self._ticks)

    def close(self, complete: bool) -> None:
        """Finish or drop the file."""
        self._encoder.close(complete)


@contextlib.contextmanager
def writing_video(path: Path, size_wh: tuple[int, int], rate_factor: int = 23) -> Iterator[VideoWriter]:
    """A writer for `path`, which appears when the block ends well and not at all otherwise. Raises `OutputError`.

    rate_factor: x264's; 6 more halve the file and coarsen the pictures (MPEG-4 keeps its one quality).
    """
    codec = _codec(path)
    with atomic_path(path) as temporary:
        writer = VideoWriter(temporary, size_wh, codec, rate_factor)
        try:
            yield writer
        except BaseException:
            with contextlib.suppress(Exception):
                writer.close(complete=False)
            raise
        writer.close(complete=True)


def _codec(path: Path) -> str:
    codec = next((name for name in _CODECS if has_encoder(name)), None)
    if codec is None:
        raise OutputError(path, f"an FFmpeg that encodes {' or '.join(_CODECS)}", "neither")
    if codec != next(iter(_CODECS)):
        _log.warning("this FFmpeg has no libx264: %s is written as MPEG-4, which browsers may not play", path.name)
    return codec

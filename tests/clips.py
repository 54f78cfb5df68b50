"""Small videos for tests: every frame carries its own index in its pixels, so that a reader can say exactly which
frames it saw, whatever the container claims. And ways to damage them.

    write_clip(tmp_path / "a.mkv", frames=50)
    [read_index(frame.image) for frame in read_frames(...)] == list(range(50))
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

BITS = 16  # black and white blocks in the top strip, most significant first
STRIP_PX = 16
TS_PACKET = 188
FAST = {"preset": "ultrafast", "crf": "18"}


@lru_cache(maxsize=8)
def _gradient(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1).astype(np.uint8)


def draw(index: int, width: int = 320, height: int = 192) -> np.ndarray:
    """uint8 (height, width, 3) RGB: a gradient that moves, a red "car", and the index in the top strip."""
    image = _gradient(width, height).copy()
    image[..., 2] += np.uint8(3 * index % 256)  # wraps
    left = (index * 4) % max(width - 40, 1)
    image[height // 2:height // 2 + 20, left:left + 36] = (220, 40, 40)
    block = width // BITS
    for bit in range(BITS):
        image[:STRIP_PX, bit * block:(bit + 1) * block] = 255 if (index >> (BITS - 1 - bit)) & 1 else 0
    return image


def read_index(image: np.ndarray) -> int:
    """The index that `draw` put into `image` (any size; survives compression)."""
    block, value = image.shape[1] // BITS, 0
    for bit in range(BITS):
        patch = image[4:12, bit * block + block // 4:(bit + 1) * block - block // 4]
        value = value << 1 | int(patch.mean() > 127)
    return value


def write_clip(path: Path, frames: int = 50, rate: Fraction | int = 25, width: int = 320, height: int = 192, *,
               codec: str = "libx264", pix_fmt: str = "yuv420p", container: str | None = None,
               pts: Callable[[int], int] | Sequence[int] | None = None, time_base: Fraction | None = None,
               gop: int = 25, b_frames: int = 0, first_index: int = 0,
               codec_options: dict[str, str] | None = None, container_options: dict[str, str] | None = None,
               picture: Callable[[int, int, int], np.ndarray] = draw,
               colour: tuple[int, int] | None = None) -> Path:
    """A video of `frames` pictures, index `first_index` and on. pts: frame number → time in units of `time_base`
    (default: one picture every 1 / rate). colour: (colorspace, color_range) to tag and convert with."""
    base = time_base or Fraction(1) / Fraction(rate)
    with av.open(str(path), "w", format=container, options=container_options or {}) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, pix_fmt, gop
        context = stream.codec_context
        context.time_base = base
        defaults = dict(FAST) if codec in ("libx264", "libx265") else {}
        if codec == "libx264":
            defaults["bf"] = str(b_frames)
        if codec == "libx265":
            defaults["x265-params"] = "log-level=none"
        stream.options = {**defaults, **(codec_options or {})}
        if colour:
            context.colorspace, context.color_range = colour
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(first_index + i, width, height), format="rgb24")
            if colour:
                frame = frame.reformat(format=pix_fmt, dst_colorspace=colour[0], dst_color_range=colour[1])
            frame.pts = i if pts is None else pts(i) if callable(pts) else pts[i]
            frame.time_base = base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def remux(source: Path, target: Path, *, container: str | None = None, options: dict[str, str] | None = None,
          shift_s: float = 0.0, drop_first: int = 0) -> Path:
    """Copy the packets of `source` into another container, times shifted, the first packets left out."""
    with av.open(str(source)) as opened, av.open(str(target), "w", format=container, options=options or {}) as out:
        inward = opened.streams.video[0]
        outward = out.add_stream_from_template(inward)
        for number, packet in enumerate(opened.demux(inward)):
            if packet.size == 0 or number < drop_first:
                continue
            shift = round(shift_s / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
            packet.stream = outward
            out.mux(packet)
    return target


def cut(source: Path, target: Path, share: float = 0.6) -> Path:
    """The first `share` of the bytes of `source`: a recording that stopped, a copy that broke off."""
    data = source.read_bytes()
    target.write_bytes(data[:int(len(data) * share)])
    return target


def flip_bits(source: Path, target: Path, flips: int, seed: int = 1, low: float = 0.1, high: float = 0.85) -> Path:
    """`flips` single bits changed between the shares `low` and `high` of the file."""
    chance, data = random.Random(seed), bytearray(source.read_bytes())
    for _ in range(flips):
        data[chance.randrange(int(len(data) * low), int(len(data) * high))] ^= 1 << chance.randrange(8)
    target.write_bytes(data)
    return target


def zero_bytes(source: Path, target: Path, count: int, at: float = 0.4) -> Path:
    """`count` bytes overwritten with zero from the share `at` of the file on."""
    data = bytearray(source.read_bytes())
    start = int(len(data) * at)
    data[start:start + count] = bytes(len(data[start:start + count]))
    target.write_bytes(data)
    return target


def lose_ts_packets(source: Path, target: Path, low: float = 0.4, high: float = 0.5) -> Path:
    """A transport stream without its packets between two shares of the file."""
    data = source.read_bytes()
    packets = [data[i:i + TS_PACKET] for i in range(0, len(data), TS_PACKET)]
    target.write_bytes(b"".join(packets[:int(len(packets) * low)] + packets[int(len(packets) * high):]))
    return target


def concatenate(sources: Sequence[Path], target: Path) -> Path:
    """Files glued byte to byte (transport streams: the clock starts again at each)."""
    target.write_bytes(b"".join(source.read_bytes() for source in sources))
    return target


def set_rotation(path: Path, degrees: int) -> Path:
    """Write a clockwise display rotation (0, 90, 180, 270) into the track header of an mp4 or mov, in place."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    matrix = header + (40 if data[header] == 0 else 52)  # version 0 or 1
    a, b = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    struct.pack_into(">9i", data, matrix, a * one, b * one, 0, -b * one, a * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def set_mp4_duration(path: Path, seconds: float) -> Path:
    """Let the movie header of an mp4 (version 0) claim another duration, in place."""
    data = bytearray(path.read_bytes())
    header = data.index(b"mvhd") + 4
    assert data[header] == 0
    scale = struct.unpack_from(">I", data, header + 12)[0]
    struct.pack_into(">I", data, header + 16, int(seconds * scale))
    path.write_bytes(data)
    return path


def write_audio_only(path: Path, seconds: float = 1.0) -> Path:
    """A tone without a picture."""
    return _write_with_audio(path, seconds, frames=0)


def write_audio_first(path: Path, frames: int = 25) -> Path:
    """A clip whose first stream is a tone and whose second is the video."""
    return _write_with_audio(path, frames / 25, frames)


def _write_with_audio(path: Path, seconds: float, frames: int) -> Path:
    rate, block = 48000, 1024
    with av.open(str(path), "w") as out:
        audio = out.add_stream("aac", rate=rate)
        video = None
        if frames:
            video = out.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt, video.options = 320, 192, "yuv420p", dict(FAST)
        for start in range(0, int(seconds * rate), block):
            wave = np.sin(np.arange(start, start + block) * 0.05).astype(np.float32)[None]
            sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            sound.sample_rate, sound.pts = rate, start
            out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
        for i in range(frames):
            out.mux(video.encode(av.VideoFrame.from_ndarray(draw(i), format="rgb24")))
        if video:
            out.mux(video.encode(None))
    return path


def write_with_cover(path: Path, frames: int = 25) -> Path:
    """An mp4 with an attached cover picture beside its video."""
    with av.open(str(path), "w") as out:
        cover = out.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt, video.options = 320, 192, "yuv420p", dict(FAST)
        out.mux(cover.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8), format="rgb24")))
        for i in range(frames):
            out.mux(video.encode(av.VideoFrame.from_ndarray(draw(i), format="rgb24")))
        out.mux(video.encode(None))
    return path


def write_header_only(path: Path) -> Path:
    """A container that was opened and closed again without one frame."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = 320, 192, "yuv420p", dict(FAST)
        out.start_encoding()
    return path

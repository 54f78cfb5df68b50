"""Video files in, frames with true times out; and pictures into video files. The only file here that imports PyAV.

Times come from the container's presentation times, never from index / rate. A damaged packet costs its
picture, not the rest of the file (`container.decode()` would stop: 36 frames of 250 against 230 on a clip with
2000 flipped bits). The length of a source is never asked for and nothing seeks.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import av
import numpy as np
from av.codec.hwaccel import HWAccel, hwdevices_available

from mtmc.cameras import Camera
from mtmc.decode_report import STATUS_FAILED, DecodeReport, Gap
from mtmc.errors import ConfigError, VideoError
from mtmc.frames import DecodedFrame, Frame, displayed_size_wh, to_rgb
from mtmc.video_accounts import GapConfig, VideoAccount
from mtmc.video_files import AVI, MKV, MP4, TS, examine, fingerprint
from mtmc.video_packets import AviGrid, WaitingPackets, duration_s, is_beyond_all_memory
from mtmc.video_times import with_following

__all__ = ["DecodeReport", "Encoder", "Frame", "Gap", "GapConfig", "VideoConfig", "VideoInfo", "cuda_refusal",
           "has_encoder", "probe", "read_frames"]

# Formats that hold their own pictures. A playlist (m3u8, ffconcat) would open whatever files it names.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi"
# PyAV raises IndexError where a stream appears in the middle of a transport stream.
_READ_ERRORS = (av.error.FFmpegError, IndexError)
# Reading on after an error usually works; this many in a row without a packet is the end.
_MAX_READ_ERRORS = 100
_PROBE_PACKETS = 300


@dataclass(frozen=True)
class VideoConfig:
    """How files are decoded. decode: "cuda" is NVDEC, where PyAV and the machine have it (`cuda_refusal`), and software
    for what it does not take."""

    decode: Literal["software", "cuda"] = "software"
    # One decoder thread: cameras run side by side, and with two the pixels of damaged pictures depend on
    # timing (four reads of one damaged file gave four different results).
    threads: int = 1
    # Refused before the first picture is decoded: a 198 KB file of 8192x8192 took 319 MiB.
    max_pixels: int = 40_000_000
    gaps: GapConfig = field(default_factory=GapConfig)

    def __post_init__(self) -> None:
        if self.threads < 1 or self.max_pixels < 1:
            raise ConfigError("video", "threads and max_pixels of at least 1", f"{self.threads} and {self.max_pixels}")


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself. width, height: px as displayed. rate_hz, duration_s: NaN where not said; neither
    is to be trusted. codec, pixel_format: names of FFmpeg. container: MP4, MKV, AVI or TS."""

    width: int
    height: int
    rate_hz: float
    duration_s: float
    codec: str
    pixel_format: str
    container: str


class _Picture(NamedTuple):
    """A decoded picture. raw_s: seconds on the file's clock, None where it carries none. head_s: seconds of packets
    that were lost before it (set on the first). damaged: something was lost since the picture before."""

    picture: Any
    raw_s: float | None
    head_s: float
    damaged: bool


def read_frames(
    camera: Camera, config: VideoConfig, report: DecodeReport, skip_to_index: int = 0
) -> Generator[Frame, None, None]:
    """Frames of `camera` in order of presentation; `report` is filled on the way.

    The file's first picture is at `camera.start_s`, also where its times do not start at zero (and the first that
    can be decoded is later, where earlier ones are lost). Frames before `skip_to_index` are decoded and counted, but
    neither converted nor given. A picture of another size is scaled to the size of the first. Raises `VideoError`
    where the file cannot be opened or holds no picture.
    """
    report.camera_id = camera.camera_id
    try:
        before = fingerprint(camera.video)
        with _Source(camera, config, report) as source:
            account = VideoAccount(camera, config.gaps, report, source.rate_hz)
            size_wh = (0, 0)
            for (picture, raw_s, head_s, damaged), following in with_following(source.pictures()):
                index, shown_wh = report.frames_decoded, displayed_size_wh(picture)
                size_wh = size_wh if index else shown_wh
                time_s = account.place(raw_s, [later.raw_s for later in following], head_s=head_s,
                                       damaged=damaged, flagged=picture.is_corrupt, size_wh=shown_wh)
                if index >= skip_to_index:
                    yield DecodedFrame(camera.camera_id, index, time_s, picture.is_corrupt,
                                       partial(_image, camera.video, picture, size_wh))
            if not report.frames_decoded:
                raise VideoError(camera.video, "pictures", source.ending.sentence or "none that can be decoded")
            changed = "the file changed while it was read" if fingerprint(camera.video) != before else ""
            cut = changed or source.cut_cause()
            # An MP4 that is not cut has told all its packets; an MKV may have lost a whole cluster.
            header_counts = source.ending.kind == MKV or bool(cut and source.ending.kind == MP4)
            account.finish(cut=cut, lost_at_end_s=source.lost_at_end_s(), header_counts=header_counts)
    except VideoError as error:
        report.status, report.cause = STATUS_FAILED, str(error)
        raise


def probe(camera: Camera, config: VideoConfig | None = None) -> VideoInfo:
    """What `camera`'s file says of itself; one picture is decoded. Raises `VideoError` as `read_frames` does."""
    with _Source(camera, config or VideoConfig(), DecodeReport()) as source:
        picture = source.first_picture()
        context = source.stream.codec_context
        width, height = displayed_size_wh(picture) if picture else (context.width, context.height)
        return VideoInfo(width, height, source.rate_hz or math.nan, source.report.header_duration_s, context.name,
                         picture.format.name if picture else "", source.ending.kind)


def _image(path: Path, picture: Any, size_wh: tuple[int, int]) -> Any:
    try:
        return to_rgb(picture, size_wh)
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError(path, "pictures that can be shown as RGB", f"{picture.format.name}: {error}") from error


class _Source:
    """One opened file and its video stream; counts packets into `report`."""

    def __init__(self, camera: Camera, config: VideoConfig, report: DecodeReport) -> None:
        self.report = report
        self.ending = examine(camera.video)
        refusal = cuda_refusal() if config.decode == "cuda" else ""
        on_cuda = config.decode == "cuda" and not refusal
        self.container = _opened(camera.video, self.ending.sentence, config, on_cuda)
        try:
            self.stream = _video_stream(camera.video, self.container, config)
            if config.decode == "cuda" and not self.stream.codec_context.is_hwaccel:
                report.add_note(f"decoded in software: {refusal or 'NVDEC does not know its codec'}")
        except BaseException:
            self.container.close()
            raise
        rate = self.stream.guessed_rate or self.stream.average_rate
        container_hz = float(rate) if rate else 0.0
        self.rate_hz = camera.frame_rate_hz or container_hz
        # An AVI knows its rate only, so the data set's word about it wins; elsewhere pictures carry times.
        self._stretch = container_hz / camera.frame_rate_hz if camera.frame_rate_hz and container_hz else 1.0
        self._grid = AviGrid(self.stream.index_entries) if self.ending.kind == AVI else None
        self._waiting = WaitingPackets()
        self._damaged, self._packets_since = False, 0  # since the last picture
        self._broke_off = False
        self._last_pts: int | None = None
        self._last_flagged = False
        report.header_duration_s = duration_s(self.container, self.stream)

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def pictures(self) -> Iterator[_Picture]:
        """All pictures that can be decoded, in order of presentation."""
        for packet in self._packets():
            try:
                decoded = self.stream.decode(packet)
            except av.error.FFmpegError as error:
                is_beyond_all_memory(error)
                if packet is not None:
                    self.report.add_bad_packet(_in_words(error))
                self._damaged = True
                continue
            self.report.packets_ok += packet is not None
            yield from map(self._picture, decoded)
        self.report.packets_without_picture += len(self._waiting)

    def first_picture(self) -> Any:
        """The first picture, or None where the first few hundred packets give none."""
        for number, packet in enumerate(self._packets()):
            try:
                decoded = self.stream.decode(packet)
            except av.error.FFmpegError:
                decoded = []
            if decoded or number >= _PROBE_PACKETS:
                return decoded[0] if decoded else None
        return None

    def cut_cause(self) -> str:
        """Why the file is not the whole recording, or ""; to be asked after the last picture."""
        if self.ending.cut:
            return self.ending.sentence
        missing = len(self.stream.index_entries) - self.report.packets_demuxed if self.ending.kind == MP4 else 0
        if missing > 0:
            return f"{missing} of the {missing + self.report.packets_demuxed} pictures in its index are missing"
        if self._broke_off:
            return "it cannot be read to its end"
        return "its last picture is incomplete" if self.ending.kind == TS and self._last_flagged else ""

    def lost_at_end_s(self) -> float:
        """Seconds between the last picture and the last packet, whose picture never came; not more than ten times what
        so many packets usually last, for a time in a damaged packet may be anything."""
        latest = self._waiting.latest()
        if latest is None or self._last_pts is None:
            return 0.0
        lost_s = max(float((latest - self._last_pts) * self.stream.time_base), 0.0)
        return min(lost_s, 10 * self._packets_since / (self.rate_hz or 1.0))

    def _packets(self) -> Iterator[Any]:
        """Packets of the stream, then None, which makes the decoder give what it holds back."""
        report, failures, packets = self.report, 0, self.container.demux(self.stream)
        while failures < _MAX_READ_ERRORS:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except _READ_ERRORS as error:
                # A size beyond all memory is met again, slowly, at every try.
                failures = _MAX_READ_ERRORS if is_beyond_all_memory(error) else failures + 1
                report.read_errors, self._damaged = report.read_errors + 1, True
                packets = self.container.demux(self.stream)
                continue
            if packet.size == 0 and packet.dts is None and packet.pts is None:
                break  # PyAV's mark of the end
            failures = 0
            report.packets_demuxed += 1
            self._note(packet)
            if packet.size == 0:
                report.add_bad_packet("empty")
                continue
            yield packet
        self._broke_off = failures >= _MAX_READ_ERRORS
        yield None

    def _note(self, packet: Any) -> None:
        self._damaged |= packet.is_corrupt
        self._packets_since += 1
        if self._grid:
            self._damaged |= self._grid.packet(packet.pos, packet.dts)
        elif packet.pts is not None and not packet.is_discard:
            self._waiting.add(packet.pts)

    def _picture(self, picture: Any) -> _Picture:
        base, head_s = picture.time_base or self.stream.time_base, 0.0
        if self._grid:
            raw_s: float | None = float(self._grid.picture(picture.dts) * base) * self._stretch
        else:
            # Times of decoding stand in only where a file has no other at all.
            ticks = picture.dts if picture.pts is None and self._last_pts is None else picture.pts
            raw_s = None if ticks is None else float(ticks * base)
        if picture.pts is not None:
            lost = self._waiting.arrived(picture.pts)
            self.report.packets_without_picture += len(lost)
            self._damaged |= bool(lost)
            head_s = float((picture.pts - min(lost)) * base) if lost and self._last_pts is None else 0.0
            self._last_pts = picture.pts
        damaged, self._last_flagged = self._damaged, picture.is_corrupt
        self._damaged, self._packets_since = False, 0
        return _Picture(picture, raw_s, head_s, damaged)


@functools.cache
def cuda_refusal() -> str:
    """Why nothing can be decoded by NVDEC here, "" where it can. A device is opened for it, and closed again."""
    if "cuda" not in hwdevices_available():
        return "this PyAV was built without CUDA"
    try:
        HWAccel("cuda").create(av.Codec("h264", "r"))
    except (av.error.FFmpegError, NotImplementedError) as error:
        return f"no CUDA device can be opened ({_in_words(error)})"
    return ""


def _opened(path: Path, known_fault: str, config: VideoConfig, on_cuda: bool) -> Any:
    # max_pixels also binds the look-ahead of opening, which decodes.
    options = {"format_whitelist": _FORMATS, "max_pixels": str(config.max_pixels)}
    # An absolute path: FFmpeg takes "concat:a.mp4" for a protocol. A name outside UTF-8 goes in as an open file.
    name = os.path.abspath(path)
    try:
        source: Any = name if name.isprintable() or name.isascii() else open(name, "rb")  # noqa: SIM115
        hardware = HWAccel("cuda", allow_software_fallback=True) if on_cuda else None
        return av.open(source, options=options, metadata_errors="replace", hwaccel=hardware)
    except (*_READ_ERRORS, OSError, ValueError) as error:
        words = "a size that no memory holds" if is_beyond_all_memory(error) else _in_words(error)
        found = known_fault or ("no pictures" if isinstance(error, EOFError) else words)
        raise VideoError(path, "a video that can be opened", found, "Copy or record it again.") from error


def _video_stream(path: Path, container: Any, config: VideoConfig) -> Any:
    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & still]
    if not streams:
        others = " and ".join(sorted({stream.type for stream in container.streams}))
        raise VideoError(path, "a video stream", f"only {others}" if others else "no stream at all")
    stream, context = streams[0], streams[0].codec_context
    if context is None:
        raise VideoError(path, "a codec that can be decoded", "one that FFmpeg does not know")
    if context.width * context.height > config.max_pixels:
        raise VideoError(path, f"at most {config.max_pixels} pixels in a picture", f"{context.width}x{context.height}",
                         "Raise video.max_pixels if that is meant.")
    stream.thread_type = "SLICE" if config.threads == 1 else "AUTO"
    context.thread_count = config.threads
    context.options = {"max_pixels": str(config.max_pixels)}  # pictures may grow in the middle of a file
    return stream


def _in_words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


# --- encoding --------------------------------------------------------------------------------------------------------

_BT709, _LIMITED = 1, 1


def has_encoder(name: str) -> bool:
    """Whether this build of FFmpeg can encode with `name` (a build without GPL parts has no libx264)."""
    try:
        av.codec.Codec(name, "w")
    except ValueError:
        return False
    return True


class Encoder:
    """One MP4 being written, its index in front so that a browser can start to play it. `close` completes it.

    size_wh: even numbers. tick_hz: units of `write`'s ticks. options: of the codec.
    """

    def __init__(self, path: Path, size_wh: tuple[int, int], tick_hz: int, codec: str, options: dict[str, str]) -> None:
        self._out: Any = av.open(os.path.abspath(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._base = Fraction(1, tick_hz)
        add_stream: Any = self._out.add_stream
        self._stream = add_stream(codec, rate=25, options=options)  # the pictures carry their own times
        self._stream.width, self._stream.height, self._stream.pix_fmt = *size_wh, "yuv420p"
        context = self._stream.codec_context
        context.time_base, context.thread_count = self._base, 1
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED

    def write(self, image: np.ndarray, ticks: int) -> None:
        """Add `image`, uint8 (H, W, 3) RGB, shown from `ticks` on, which must rise."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED, threads=1)
        picture.pts, picture.time_base = ticks, self._base
        self._out.mux(self._stream.encode(picture))

    def close(self, complete: bool = True) -> None:
        """Write what the encoder holds back and the index, or drop all where it is not to be `complete`."""
        try:
            if complete:
                self._out.mux(self._stream.encode(None))
        finally:
            self._out.close()

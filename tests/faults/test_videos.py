"""Every way in which a video can be broken or odd, as cameras of one run (fault matrix A and B, docs/reliability.md).

One command reads them all. It must finish the good cameras, name the others, and account for every frame: a camera
reports as many detections as frames, and each crop shows, in its pixels, the frame that its time says it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import polars as pl
import pytest

from mtmc.verification import verify_run
from tests import clips
from tests.faults import footage
from tests.faults.footage import HEIGHT, RATE_HZ, SETTINGS, WIDTH, clip
from tests.running import run_command

N = 100  # frames of a whole clip: 4 s
_STEPS_MS = np.random.default_rng(3).choice([33, 40, 47, 400], N - 1, p=[0.4, 0.3, 0.25, 0.05])
_VFR_MS = np.concatenate([[0], np.cumsum(_STEPS_MS)])


def _strip_pts(source: Path, target: Path) -> None:
    """A transport stream in which every tenth picture carries no time."""
    data, number = bytearray(source.read_bytes()), 0
    place = data.find(b"\0\0\1\xe0")
    while place >= 0:
        if number % 10 == 9:
            data[place + 7] &= 0x3F
        number, place = number + 1, data.find(b"\0\0\1\xe0", place + 4)
    target.write_bytes(data)


def _copy(source: Path, target: Path, kinds: tuple[str, ...], title: str = "") -> Path:
    """The packets of `source`, its streams in the order of `kinds`, under a title."""
    with av.open(str(source)) as opened, av.open(str(target), "w") as out:
        out.metadata["title"] = title
        streams = {kind: getattr(opened.streams, kind)[0] for kind in kinds}
        copies = {stream.index: out.add_stream_from_template(stream) for stream in streams.values()}
        for packet in opened.demux(*streams.values()):
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return target


def _bad_title(source: Path, target: Path) -> None:
    """A title in Shift-JIS, which is no UTF-8."""
    data = _copy(source, target, ("video",), title="PLACEHOLDER").read_bytes()
    assert b"PLACEHOLDER" in data
    target.write_bytes(data.replace(b"PLACEHOLDER", b"\x83\x65\x83\x58\x83\x67xxxxx"))


def _absurd_size(source: Path, target: Path) -> None:
    """A fragmented MP4 whose last fragment claims a hundred million pictures: a table of 2.4 GB."""
    data = bytearray(source.read_bytes())
    place = data.rindex(b"trun")
    data[place + 8 : place + 12] = (100_000_000).to_bytes(4, "big")
    target.write_bytes(data)


def _black(index: int, width: int, height: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def write_videos(cams: Path, base: Path) -> None:
    """All the videos; `base` holds what they are made from."""
    cams.mkdir()
    good = clip(cams / "good.mp4", N)
    fast = clip(base / "fast.mp4", N, container_options={"movflags": "+faststart"})
    frag = clip(base / "frag.mp4", N, container_options={"movflags": "frag_keyframe+empty_moov"})
    ts, mkv, avi = (clip(base / f"ok.{suffix}", N) for suffix in ("ts", "mkv", "avi"))
    whole = good.read_bytes()
    # A: damaged, empty, wrong
    clips.cut(good, cams / "a01_no_index.mp4")
    clips.cut(fast, cams / "a02_cut.mp4")
    clips.cut(frag, cams / "a03_cut.mp4")
    clips.cut(mkv, cams / "a04_cut.mkv")
    (cams / "a05_cut.ts").write_bytes(ts.read_bytes()[: ts.stat().st_size * 6 // 10 // 188 * 188 + 100])
    clips.cut(avi, cams / "a06_cut.avi")
    clips.flip_bits(good, cams / "a07_flips.mp4", 20)
    clips.flip_bits(good, cams / "a08_flips.mp4", 1000)
    clips.zero_bytes(good, cams / "a09_zeroed.mp4", 4000)
    clips.lose_ts_packets(ts, cams / "a10_lost.ts")
    (cams / "a11_empty.mp4").touch()
    (cams / "a12_text.mp4").write_text("hello\n" * 100)
    (cams / "a12_random.mp4").write_bytes(random.Random(1).randbytes(50_000))
    (cams / "a12_ftyp.mp4").write_bytes(whole[:32])
    clips.write_header_only(cams / "a13_header.mp4")
    clip(cams / "a14_one.mp4", 1)
    clips.write_audio_only(cams / "a15_audio.mp4")
    clips.write_audio_first(cams / "a15_audio_first.mp4")
    clips.write_with_cover(cams / "a15_cover.mp4")
    (cams / "a16_folder.mp4").mkdir()
    (cams / "a16_dangling.mp4").symlink_to("/nowhere/video.mp4")
    os.mkfifo(cams / "a17_fifo.mp4")
    (cams / "a17_device.mp4").symlink_to("/dev/zero")
    clip(cams / "a18_growing.mp4", 500)
    _bad_title(good, cams / "a19_title.mkv")
    with_sound = _copy(clips.write_audio_first(base / "sound.ts"), base / "sound_last.ts", ("video", "audio"))
    clips.concatenate([ts, with_sound], cams / "a20_new_stream.ts")
    clips.write_clip(cams / "a21_huge.mp4", 1, width=8192, height=8192, picture=_black)
    _absurd_size(frag, cams / "a22_absurd_size.mp4")
    # B: times, geometry, colour
    clip(cams / "b01_variable.mkv", N, pts=_VFR_MS.tolist(), time_base=Fraction(1, 1000))
    b_frames = clip(cams / "b02_b_frames.mp4", N, b_frames=3)
    clips.remux(b_frames, cams / "b03_late.mkv", shift_s=1.3)
    clips.remux(ts, cams / "b04_hour.ts", shift_s=3600)
    clips.remux(ts, cams / "b05_wrap.ts", shift_s=95441)
    clips.concatenate([ts, ts], cams / "b06_reset.ts")
    _strip_pts(ts, cams / "b07_no_pts.ts")
    clips.remux(ts, cams / "b08_no_key.ts", drop_first=10)
    clips.concatenate([ts, clip(base / "small.ts", 50, width=160, height=96)], cams / "b09_size.ts")
    clips.set_rotation(clip(cams / "b10_rotated.mp4", N), 90)
    clip(cams / "b11_odd.mkv", N, width=321, height=193, codec="ffv1", pix_fmt="yuv444p")
    clip(cams / "b12_ten_bit.mkv", N, codec="libx265", pix_fmt="yuv420p10le")
    clip(cams / "b12_gray.mp4", N, pix_fmt="gray")
    clip(cams / "b12_full_range.mp4", N, pix_fmt="yuvj420p")
    clip(cams / "b13_wide_pixels.mp4", N, codec_options={"x264-params": "sar=2/1"})
    clip(cams / "b14_interlaced.mp4", N, codec_options={"x264-params": "tff=1"})
    clip(cams / "b15_slow_clock.mp4", N, time_base=Fraction(1, 20))  # recorded at 25 Hz, written as 20 Hz
    clips.set_mp4_duration(clip(cams / "b16_ten_hours.mp4", N), 36_000)
    # G: hostile
    (cams / "g02_playlist.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:4,\n{ts}\n#EXT-X-ENDLIST\n")
    (cams / "g02_concat.mp4").write_text(f"ffconcat version 1.0\nfile '{ts}'\n")


@dataclass(frozen=True)
class Run:
    """What the command left: its exit code, its words, the run folder, and `run.json`."""

    code: int
    stderr: str
    out: Path
    json: dict[str, Any]

    def sentence(self, camera: str) -> str:
        """The line on stderr that says what is wrong with a camera."""
        return next(line for line in self.stderr.splitlines() if line.split(":")[1:2] == [f" {camera}"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "base").mkdir()
    cams, out = folder / "cams", folder / "out"
    write_videos(cams, folder / "base")
    for video in cams.iterdir():
        footage.boxes(folder / "det" / f"{video.stem}.txt")
    (folder / "cameras.yaml").write_text("cameras: {b15_slow_clock: {clock_rate: 0.8}}\n")
    with growing(cams / "a18_growing.mp4"):
        done = run_command("--videos", cams, "--detections", folder / "det", "--out", out,
                           "--cameras", folder / "cameras.yaml", *SETTINGS)  # fmt: skip
    return Run(done.returncode, done.stderr, out, json.loads((out / "run.json").read_text()))


@contextlib.contextmanager
def growing(path: Path) -> Iterator[None]:
    """Empty boxes are appended to the file all the time, as by a recorder that has not finished."""
    stop = threading.Event()

    def grow() -> None:
        while not stop.wait(0.001):
            with path.open("ab") as file:
                file.write(b"\0\0\0\x08free")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def crops_of(run: Run, camera: str) -> Iterator[tuple[int, int, float]]:
    """(index in the video as read, number in the pixels, time) of every crop that was embedded."""
    folder = run.out / "cameras" / camera
    indices, times_s = np.load(folder / "frame_times.npy")
    time_of = dict(zip(indices.astype(int).tolist(), times_s.tolist(), strict=True))
    pieces = pl.read_parquet(folder / "pieces.parquet", columns=["crop_frame_indices", "crops_jpeg"])
    for frame_indices, pictures in pieces.iter_rows():
        for index, jpeg in zip(frame_indices, pictures, strict=True):
            crop = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            yield index, footage.read_crop(crop), time_of[index]


@dataclass(frozen=True)
class Expect:
    """status of the decoding; frames: least and most; frame_at: time → the number that its picture must show
    (None where damage may have changed pictures); words: on stderr; check: anything else about the facts."""

    status: str
    frames: tuple[int, int]
    frame_at: Callable[[float], float] | None = lambda time_s: time_s * RATE_HZ
    words: str = ""
    check: Callable[[dict[str, Any]], bool] = lambda facts: True


WHOLE = Expect("complete", (N, N))
GAPS, CUT = "complete_with_gaps", "truncated"
READ = {
    "good": WHOLE,
    "a02_cut": Expect(CUT, (45, 75), words="bytes too early",
                      check=lambda f: abs(f["decode"]["gap_s"] + f["frames"] / 25 - 4) < 0.05),
    "a03_cut": Expect(CUT, (45, 75), words="bytes too early"),
    "a04_cut": Expect(CUT, (45, 75), words="bytes too early", check=lambda f: f["decode"]["gap_s"] > 1),
    "a05_cut": Expect(CUT, (45, 75), words="of 188 bytes"),
    "a06_cut": Expect(CUT, (40, 75), words="bytes too early"),
    "a07_flips": Expect(GAPS, (90, N), None),
    "a08_flips": Expect(GAPS, (10, N - 1), None, check=lambda f: f["decode"]["gap_s"] > 0),
    "a09_zeroed": Expect(GAPS, (40, N - 1), None, check=lambda f: f["decode"]["gap_s"] > 0),
    "a10_lost": Expect(GAPS, (75, 95), None, check=lambda f: f["decode"]["gap_s"] > 0.2),
    "a14_one": Expect("complete", (1, 1), check=lambda f: f["tracklets"] == 0),
    "a15_audio_first": Expect("complete", (25, 25), None),
    "a15_cover": Expect("complete", (25, 25), None),
    "a18_growing": Expect(CUT, (500, 500), words="changed while it was read"),
    "a19_title": WHOLE,
    "a20_new_stream": Expect(GAPS, (N + 20, N + 25), None),
    "b01_variable": Expect("complete", (N, N), lambda t: float(np.abs(_VFR_MS / 1000 - t).argmin())),
    "b02_b_frames": WHOLE,
    "b03_late": WHOLE,
    "b04_hour": Expect("complete", (N, N), check=lambda f: f["decode"]["first_pts_s"] >= 3600),
    "b05_wrap": Expect("complete", (N, N), check=lambda f: f["decode"]["first_time_s"] == 0),
    "b06_reset": Expect(GAPS, (2 * N, 2 * N), lambda t: t * RATE_HZ % N,
                        check=lambda f: f["decode"]["clock_resets"] == 1),
    "b07_no_pts": Expect("complete", (N, N), check=lambda f: f["decode"]["times_repaired"] == 10),
    "b08_no_key": Expect(GAPS, (75, 75), lambda t: t * RATE_HZ + 10,
                         check=lambda f: f["decode"]["gaps"][0]["from_s"] == 0),
    "b09_size": Expect(GAPS, (N + 50, N + 50), None, check=lambda f: len(f["decode"]["sizes_wh"]) == 2),
    "b10_rotated": Expect("complete", (N, N), None, check=lambda f: f["image_size_wh"] == [192, 320]),
    "b11_odd": Expect("complete", (N, N), check=lambda f: f["image_size_wh"] == [321, 193]),
    "b12_ten_bit": WHOLE,
    "b12_gray": WHOLE,
    "b12_full_range": WHOLE,
    # Boxes are in pixels as stored, so the crop of the box shows the number.
    "b13_wide_pixels": Expect("complete", (N, N), check=lambda f: f["image_size_wh"] == [WIDTH, HEIGHT]),
    "b14_interlaced": WHOLE,
    "b15_slow_clock": Expect("complete", (N, N), check=lambda f: abs(f["decode"]["last_time_s"] - 3.96) < 0.001),
    "b16_ten_hours": Expect("complete", (N, N), check=lambda f: f["decode"]["expected_s"] < 5),
}  # fmt: skip
REFUSED = {
    "a01_no_index": "its index (moov) is missing: the recording or the copy was cut short",
    "a11_empty": "the file is empty",
    "a12_text": "a text file",
    "a12_random": "bytes of no known video format",
    "a12_ftyp": "its index (moov) is missing",
    "a13_header": "no stream at all",
    "a15_audio": "only audio",
    "a16_folder": "a folder",
    "a16_dangling": "No such file or directory",
    "a17_fifo": "a pipe, socket or device",
    "a17_device": "a pipe, socket or device",
    "a21_huge": "expected at most 40000000 pixels",
    "a22_absurd_size": "a size that no memory holds",
    "g02_playlist": "a playlist that names other files",
    "g02_concat": "a playlist that names other files",
}


def test_the_run_ends_as_a_partial_one_and_everything_adds_up(run: Run) -> None:
    assert run.code == 3
    assert "Traceback" not in run.stderr
    assert run.json["state"] == "partial"
    assert set(run.json["cameras"]) == set(READ)
    assert set(run.json["failures"]) == set(REFUSED)
    assert verify_run(run.out)[-1].startswith(f"{sum(f['tracklets'] for f in run.json['cameras'].values())} tracklets")
    assert f"{len(REFUSED)} of {len(REFUSED) + len(READ)} cameras failed" in run.stderr


@pytest.mark.parametrize("camera", REFUSED)
def test_what_cannot_be_read_gets_a_sentence(run: Run, camera: str) -> None:
    sentence = run.sentence(camera)
    assert REFUSED[camera] in sentence
    assert f"cams/{camera}." in sentence
    assert not (run.out / "cameras" / camera / "tracklets.parquet").exists()


@pytest.mark.parametrize("camera", READ)
def test_what_can_be_read_is_read_and_counted(run: Run, camera: str) -> None:
    expected, facts = READ[camera], run.json["cameras"][camera]
    assert facts["decode"]["status"] == expected.status
    assert expected.frames[0] <= facts["frames"] <= expected.frames[1]
    # One vehicle in every frame: no frame was passed over between the decoder and the tables.
    assert facts["cutting"]["detections"] == facts["frames"]
    assert expected.check(facts), facts["decode"]
    if expected.status != "complete":
        assert expected.words in run.sentence(camera)
    if expected.frame_at is not None:
        seen = list(crops_of(run, camera))
        assert len(seen) >= 8 or facts["frames"] < 8
        for _, shown, time_s in seen:
            assert expected.frame_at(time_s) == pytest.approx(shown, abs=0.3)


def test_the_good_camera_is_as_if_it_were_alone(run: Run, tmp_path: Path) -> None:
    cams = run.out.parent / "cams"
    done = run_command("--videos", cams / "good.mp4", "--detections", run.out.parent / "det",
                       "--out", tmp_path / "alone", *SETTINGS)  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("boxes.parquet", "features.npy", "frame_times.npy", "pieces.parquet"):
        assert (tmp_path / "alone/cameras/good" / name).read_bytes() == (run.out / "cameras/good" / name).read_bytes()


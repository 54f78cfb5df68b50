"""Decoding: every frame is accounted for and has its true time, whatever the file is like."""

from __future__ import annotations

import os
import pickle
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtmc.cameras import Camera, plain_camera
from mtmc.decode_report import (
    STATUS_COMPLETE,
    STATUS_FAILED,
    STATUS_INTERRUPTED,
    STATUS_TRUNCATED,
    STATUS_WITH_GAPS,
)
from mtmc.errors import ConfigError, VideoError
from mtmc.video import DecodeReport, Frame, VideoConfig, probe, read_frames
from tests import clips

FRAMES = 50
STEP_S = 1 / 25
CONTAINERS = ("mp4", "mov", "mkv", "avi", "ts")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One clean clip of 50 frames, 25 a second, in every container."""
    folder = tmp_path_factory.mktemp("base")
    return {c: clips.write_clip(folder / f"base.{c}", FRAMES) for c in CONTAINERS}


@pytest.fixture(scope="module")
def intra(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same with key frames only: what a decoder delivers of a damaged file can then be read one by one."""
    folder = tmp_path_factory.mktemp("intra")
    return {c: clips.write_clip(folder / f"intra.{c}", FRAMES, gop=1, codec_options={"crf": "30"}) for c in CONTAINERS}


def read(video: Path | Camera, config: VideoConfig | None = None) -> tuple[list[int], list[float], DecodeReport]:
    """Indices drawn in the pictures, times, report; checks what must hold of every read."""
    camera = video if isinstance(video, Camera) else plain_camera("c", video)
    report = DecodeReport()
    ids, times = [], []
    for place, frame in enumerate(read_frames(camera, config or VideoConfig(), report)):
        assert (frame.camera_id, frame.index) == (camera.camera_id, place)
        assert frame.image.dtype == np.uint8
        assert frame.image.shape[2] == 3
        assert frame.image.flags.c_contiguous
        ids.append(clips.read_index(frame.image))
        times.append(frame.time_s)
    assert all(np.diff(times) > 0), "times must rise strictly"
    assert report.laws_broken() == []
    assert report.frames_decoded == len(ids)
    return ids, times, report


def error_of(video: Path) -> str:
    report = DecodeReport()
    with pytest.raises(VideoError) as caught:
        list(read_frames(plain_camera("c", video), VideoConfig(), report))
    assert report.status == STATUS_FAILED
    assert report.cause == str(caught.value)
    assert str(video.name) in str(caught.value)
    return str(caught.value)


# --- whole files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_frame_and_time_of_a_whole_file(base: dict[str, Path], container: str) -> None:
    ids, times, report = read(base[container])
    assert ids == list(range(FRAMES))
    assert times == pytest.approx(np.arange(FRAMES) * STEP_S, abs=1e-9)
    assert (report.status, report.packets_demuxed, report.gap_count, report.notes) == (STATUS_COMPLETE, FRAMES, 0, [])
    assert report.covered_s == pytest.approx(FRAMES * STEP_S)


@pytest.mark.parametrize("container", CONTAINERS)
def test_b_frames_come_in_order_of_presentation_with_their_times(tmp_path: Path, container: str) -> None:
    clip = clips.write_clip(tmp_path / f"b.{container}", FRAMES, b_frames=3, codec_options={"preset": "medium"})
    ids, times, report = read(clip)
    assert ids == list(range(FRAMES))
    assert times == pytest.approx(np.arange(FRAMES) * STEP_S, abs=1e-9)
    assert report.status == STATUS_COMPLETE


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_variable_rate(tmp_path: Path, container: str, b_frames: int) -> None:
    chance = random.Random(3)
    pts = np.cumsum([0] + [chance.choice([33, 40, 47, 120]) for _ in range(FRAMES - 1)]).tolist()
    clip = clips.write_clip(
        tmp_path / f"v.{container}",
        FRAMES,
        pts=pts,
        time_base=Fraction(1, 1000),
        b_frames=b_frames,
        codec_options={"preset": "medium"},
    )
    ids, times, report = read(clip)
    assert ids == list(range(FRAMES))
    assert times == pytest.approx(np.array(pts) / 1000, abs=1e-4)
    assert (report.status, report.times_repaired) == (STATUS_COMPLETE, 0)


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("shift_s", [10.0, 3600.0, 95_441.0])  # the last wraps the 33 bits of a transport stream
def test_first_pts_not_zero(base: dict[str, Path], tmp_path: Path, container: str, shift_s: float) -> None:
    clip = clips.remux(base[container], tmp_path / f"s.{container}", shift_s=shift_s)
    ids, times, report = read(replace(plain_camera("c", clip), start_s=7.5))
    assert ids == list(range(FRAMES))
    assert times == pytest.approx(7.5 + np.arange(FRAMES) * STEP_S, abs=1e-6)
    assert (report.status, report.notes) == (STATUS_COMPLETE, [])


def test_clock_offset_and_drift(base: dict[str, Path]) -> None:
    camera = replace(plain_camera("c", base["mp4"]), start_s=-3.0, clock_rate=1.5)
    _, times, report = read(camera)
    assert times == pytest.approx(-3.0 + 1.5 * STEP_S * np.arange(FRAMES))
    assert report.expected_s == pytest.approx(FRAMES * STEP_S * 1.5)


def test_the_word_of_the_data_set_wins_over_the_rate_of_an_avi_only(tmp_path: Path) -> None:
    avi = clips.write_clip(tmp_path / "a.avi", 20, rate=10)
    mp4 = clips.write_clip(tmp_path / "a.mp4", 20, rate=10)
    assert read(replace(plain_camera("c", avi), frame_rate_hz=8.0))[1] == pytest.approx(np.arange(20) / 8)
    assert read(replace(plain_camera("c", mp4), frame_rate_hz=8.0))[1] == pytest.approx(np.arange(20) / 10)


def test_an_avi_whose_clock_ticks_faster_than_its_pictures(base: dict[str, Path], tmp_path: Path) -> None:
    # A copied stream: 600 ticks a second, a picture every 24.
    clip = clips.remux(base["ts"], tmp_path / "copied.avi")
    ids, times, report = read(clip)
    assert (ids, report.status) == (list(range(FRAMES)), STATUS_COMPLETE)
    assert times == pytest.approx(np.arange(FRAMES) * STEP_S)


def test_real_world_rates(shared_data: Path) -> None:
    folder = shared_data / "worlds" / "two-view-dev" / "cams"
    for name, rate_hz in {"c001": 10, "c003": 8, "c004": 12.5}.items():
        frames = read_frames(plain_camera(name, folder / f"{name}.mp4"), VideoConfig(), DecodeReport())
        times = [frame.time_s for frame, _ in zip(frames, range(60), strict=False)]
        assert times == pytest.approx(np.arange(60) / rate_hz)


def test_pictures_look_as_drawn_whatever_the_colours_are_stored_as(tmp_path: Path) -> None:
    cases = {
        "601.mp4": {},
        "709.mp4": {"colour": (1, 1)},
        "full.mp4": {"colour": (5, 2)},
        "10bit.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le"},
        "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
        "444.mkv": {"codec": "ffv1", "pix_fmt": "yuv444p"},
        "rgb.mkv": {"codec": "ffv1", "pix_fmt": "bgr0"},
        "422.mkv": {"codec": "ffv1", "pix_fmt": "yuv422p"},
        "gbr12.mkv": {"codec": "ffv1", "pix_fmt": "gbrp12le"},
    }
    for name, options in cases.items():
        clip = clips.write_clip(tmp_path / name, 2, **options)  # type: ignore[arg-type]
        frame = next(read_frames(plain_camera("c", clip), VideoConfig(), DecodeReport()))
        error = frame.image.astype(int) - clips.draw(0)
        assert np.abs(error.mean(axis=(0, 1))).max() < 2.5, name
        assert np.abs(error).mean() < 4, name


def test_grey_video(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "g.mkv", 2, codec="ffv1", pix_fmt="gray")
    image = next(read_frames(plain_camera("c", clip), VideoConfig(), DecodeReport())).image
    assert (image[..., 0] == image[..., 1]).all()
    assert (image[..., 0] == image[..., 2]).all()
    assert np.abs(image[..., 0].astype(int) - cv2.cvtColor(clips.draw(0), cv2.COLOR_RGB2GRAY)).mean() < 3


@pytest.mark.parametrize(
    ("width", "height", "pix_fmt"), [(321, 193, "yuv420p"), (321, 193, "yuv444p"), (67, 59, "yuv420p")]
)
def test_odd_sizes(tmp_path: Path, width: int, height: int, pix_fmt: str) -> None:
    clip = clips.write_clip(tmp_path / "o.mkv", 3, width=width, height=height, codec="ffv1", pix_fmt=pix_fmt)
    image = next(read_frames(plain_camera("c", clip), VideoConfig(), DecodeReport())).image
    assert image.shape == (height, width, 3)
    assert np.abs(image[clips.STRIP_PX :].astype(int) - clips.draw(0, width, height)[clips.STRIP_PX :]).mean() < 12
    assert probe(plain_camera("c", clip)).width == width


@pytest.mark.parametrize("container", ["mp4", "mov"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_applied_as_a_player_does(tmp_path: Path, container: str, degrees: int) -> None:
    clip = clips.set_rotation(clips.write_clip(tmp_path / f"r.{container}", 3), degrees)
    frame = next(read_frames(plain_camera("c", clip), VideoConfig(), DecodeReport()))
    # The drawn picture turned clockwise; and OpenCV, which rotates on its own, as a second opinion.
    assert np.abs(frame.image.astype(int) - np.rot90(clips.draw(0), -degrees // 90)).mean() < 4
    opencv = cv2.VideoCapture(str(clip)).read()[1][..., ::-1]
    assert np.abs(frame.image.astype(int) - opencv).mean() < 4
    info = probe(plain_camera("c", clip))
    assert (info.width, info.height) == (frame.image.shape[1], frame.image.shape[0])


def test_the_video_stream_is_chosen_among_others(tmp_path: Path) -> None:
    assert read(clips.write_audio_first(tmp_path / "a.mp4", 20))[0] == list(range(20))
    assert read(clips.write_with_cover(tmp_path / "c.mp4", 20))[0] == list(range(20))


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    ids, times, report = read(clips.write_clip(tmp_path / "one.mp4", 1))
    assert (ids, times, report.status) == ([0], [0.0], STATUS_COMPLETE)


# --- frames are lazy, reading is restartable -----------------------------------------------------------------------


def test_skipped_frames_keep_index_and_time_and_cost_no_picture(
    base: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mtmc.video

    converted = []
    real = mtmc.video.to_rgb
    monkeypatch.setattr(mtmc.video, "to_rgb", lambda *a: converted.append(1) or real(*a))
    report = DecodeReport()
    frames = list(read_frames(plain_camera("c", base["mp4"]), VideoConfig(), report, skip_to_index=30))
    assert [frame.index for frame in frames] == list(range(30, FRAMES))
    assert frames[0].time_s == pytest.approx(30 * STEP_S)
    assert (report.frames_decoded, report.status, converted) == (FRAMES, STATUS_COMPLETE, [])
    assert clips.read_index(frames[3].image) == 33
    assert frames[3].image is frames[3].image
    assert len(converted) == 1


def test_a_frame_can_be_sent_to_another_process(base: dict[str, Path]) -> None:
    frame = next(read_frames(plain_camera("c", base["mkv"]), VideoConfig(), DecodeReport()))
    copy = pickle.loads(pickle.dumps(frame))
    assert type(copy) is Frame
    assert (copy.camera_id, copy.index, copy.time_s, copy.damaged) == ("c", 0, 0.0, False)
    assert (copy.image == frame.image).all()


def test_a_reader_that_stops_early_does_not_look_complete(base: dict[str, Path]) -> None:
    report = DecodeReport()
    frames = read_frames(plain_camera("c", base["mp4"]), VideoConfig(), report)
    next(frames)
    frames.close()
    assert report.status == STATUS_INTERRUPTED


# --- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("container", "words"), [("mkv", "too early"), ("avi", "too early"), ("ts", "of 188 bytes")])
def test_cut_files_are_truncated_and_keep_what_they_have(
    base: dict[str, Path], tmp_path: Path, container: str, words: str
) -> None:
    ids, times, report = read(clips.cut(base[container], tmp_path / f"cut.{container}"))
    assert 20 < len(ids) < FRAMES
    assert ids == list(range(len(ids)))
    assert times == pytest.approx(np.arange(len(ids)) * STEP_S)
    assert report.status == STATUS_TRUNCATED
    assert words in report.cause
    if container == "mkv":  # its header says how long it should have been
        assert report.gaps[-1].reason == "cut off"
        assert report.expected_s == pytest.approx(FRAMES * STEP_S)


@pytest.mark.parametrize("movflags", ["+faststart", "frag_keyframe+empty_moov"])
def test_cut_mp4_with_its_index_in_front(tmp_path: Path, movflags: str) -> None:
    whole = clips.write_clip(tmp_path / "whole.mp4", FRAMES, container_options={"movflags": movflags}, gop=10)
    assert read(whole)[2].status == STATUS_COMPLETE
    ids, _, report = read(clips.cut(whole, tmp_path / "cut.mp4"))
    assert ids == list(range(len(ids)))
    assert 20 < len(ids) < FRAMES
    assert report.status == STATUS_TRUNCATED


def test_mp4_cut_before_its_index_says_so(base: dict[str, Path], tmp_path: Path) -> None:
    assert "index (moov) is missing" in error_of(clips.cut(base["mp4"], tmp_path / "cut.mp4"))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("flips", [10, 100])
def test_flipped_bits_cost_the_frames_they_hit(
    base: dict[str, Path], tmp_path: Path, container: str, flips: int
) -> None:
    clip = clips.flip_bits(base[container], tmp_path / f"f.{container}", flips)
    ids, times, report = read(clip)
    assert len(ids) > (0.9 if flips == 10 else 0.6) * FRAMES
    assert report.status == STATUS_WITH_GAPS
    # Times are those of the clean clip (a bit may have hit a time itself, which is then mended).
    steps = np.array(times) / STEP_S
    assert np.mean(np.abs(steps - np.rint(steps)) < 0.01) >= (1.0 if flips == 10 else 0.9)
    assert times[-1] < FRAMES * STEP_S
    if flips == 10:
        assert np.mean(np.rint(steps).astype(int) == ids) > 0.6


@pytest.mark.parametrize("container", CONTAINERS)
def test_times_after_a_hole_are_right_and_the_hole_is_a_gap(
    intra: dict[str, Path], tmp_path: Path, container: str
) -> None:
    ids, times, report = read(clips.zero_bytes(intra[container], tmp_path / f"z.{container}", 12_000))
    assert ids == sorted(set(ids))
    assert len(ids) < FRAMES
    # An AVI's chunks are counted by FFmpeg, which would be early after the hole; the index in the file is not.
    assert times == pytest.approx(np.array(ids) * STEP_S, abs=1e-6)
    assert (report.status, report.gap_count) == (STATUS_WITH_GAPS, 1)
    assert report.gap_s == pytest.approx((FRAMES - len(ids) + (ids[-1] == FRAMES - 1)) * STEP_S, abs=1e-6)
    assert report.expected_s == pytest.approx(FRAMES * STEP_S)


def test_lost_transport_packets(intra: dict[str, Path], tmp_path: Path) -> None:
    ids, times, report = read(clips.lose_ts_packets(intra["ts"], tmp_path / "l.ts"))
    lost = set(range(FRAMES)) - set(ids)
    assert lost
    assert times[-1] == pytest.approx((FRAMES - 1) * STEP_S)
    assert (report.status, report.gap_count) == (STATUS_WITH_GAPS, 1)
    # The picture before the gap is broken off in the middle; its index may be unreadable.
    assert report.gaps[0].from_s == pytest.approx((min(lost) - 1) * STEP_S, abs=STEP_S + 1e-6)
    assert report.gaps[0].to_s == pytest.approx((max(lost) + 1) * STEP_S, abs=1e-6)


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_a_start_without_key_frame_is_a_gap_and_shifts_nothing(
    base: dict[str, Path],
    tmp_path: Path,
    container: str,
) -> None:
    clip = clips.remux(base[container], tmp_path / f"n.{container}", drop_first=10)
    ids, times, report = read(replace(plain_camera("c", clip), start_s=100.0))
    assert ids == list(range(25, FRAMES))
    # The file begins with picture 10; picture 25, the first that can be decoded, is 15 later.
    assert times[0] == pytest.approx(100 + 15 * STEP_S)
    assert (report.status, report.packets_without_picture) == (STATUS_WITH_GAPS, 15)
    assert (report.gaps[0].from_s, report.gaps[0].to_s) == pytest.approx((100.0, 100 + 15 * STEP_S))


def test_a_clock_that_starts_again_is_continued(base: dict[str, Path], tmp_path: Path) -> None:
    ids, times, report = read(clips.concatenate([base["ts"]] * 2, tmp_path / "two.ts"))
    assert ids == [*range(FRAMES), *range(FRAMES)]
    assert times == pytest.approx(np.arange(2 * FRAMES) * STEP_S, abs=1e-6)
    assert report.clock_resets == 1
    assert "started again before picture 51" in report.notes[0]


def test_pictures_of_another_size_are_scaled_to_the_first(base: dict[str, Path], tmp_path: Path) -> None:
    small = clips.write_clip(tmp_path / "small.ts", 20, width=160, height=96)
    clip = clips.concatenate([base["ts"], small], tmp_path / "both.ts")
    report = DecodeReport()
    sizes = {frame.image.shape for frame in read_frames(plain_camera("c", clip), VideoConfig(), report)}
    assert sizes == {(192, 320, 3)}
    assert report.sizes_wh == [(320, 192), (160, 96)]
    assert any("160x96 were scaled" in note for note in report.notes)


def test_a_pause_is_a_gap_but_a_time_lapse_is_not(tmp_path: Path) -> None:
    pause = [*range(20), *range(70, 90)]
    report = read(clips.write_clip(tmp_path / "p.mp4", 40, pts=pause, time_base=Fraction(1, 25)))[2]
    assert [(gap.from_s, gap.to_s, gap.reason) for gap in report.gaps] == [
        (pytest.approx(0.76), pytest.approx(2.8), "no pictures")
    ]
    lapse = read(clips.write_clip(tmp_path / "l.mp4", 20, rate=Fraction(1, 5)))[2]
    assert (lapse.status, lapse.expected_s) == (STATUS_COMPLETE, pytest.approx(100.0))


def test_a_duration_that_lies_bounds_nothing(base: dict[str, Path], tmp_path: Path) -> None:
    clip = tmp_path / "lie.mp4"
    clip.write_bytes(base["mp4"].read_bytes())
    ids, _, report = read(clips.set_mp4_duration(clip, 36_000))
    assert (ids, report.status) == (list(range(FRAMES)), STATUS_COMPLETE)


def test_a_file_that_grows_while_it_is_read_is_truncated(base: dict[str, Path], tmp_path: Path) -> None:
    clip = tmp_path / "g.ts"
    clip.write_bytes(base["ts"].read_bytes())
    report = DecodeReport()
    frames = read_frames(plain_camera("c", clip), VideoConfig(), report)
    next(frames)
    with clip.open("ab") as file:
        file.write(bytes(188))
    list(frames)
    assert (report.status, report.cause) == (STATUS_TRUNCATED, "the file changed while it was read")


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_damaged_files_read_the_same_every_time(base: dict[str, Path], tmp_path: Path, container: str) -> None:
    clip = clips.flip_bits(base[container], tmp_path / f"f.{container}", 200)
    runs = [
        [
            (f.index, f.time_s, f.damaged, f.image.tobytes())
            for f in read_frames(plain_camera("c", clip), VideoConfig(), DecodeReport())
        ]
        for _ in range(3)
    ]
    assert runs[0] == runs[1] == runs[2]
    assert any(damaged for _, _, damaged, _ in runs[0])


# --- what is no video gets a sentence ------------------------------------------------------------------------------


def test_files_that_are_no_videos(tmp_path: Path, base: dict[str, Path]) -> None:
    def file(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    assert "the file is empty" in error_of(file("empty.mp4", b""))
    assert "a text file" in error_of(file("text.mp4", b"hello world\n" * 100))
    assert "no known video format" in error_of(file("random.mp4", random.Random(1).randbytes(50_000)))
    assert "moov" in error_of(file("ftyp.mp4", base["mp4"].read_bytes()[:32]))
    assert "only audio" in error_of(clips.write_audio_only(tmp_path / "audio.mp4"))
    assert "video stream" in error_of(clips.write_header_only(tmp_path / "header.mp4"))
    assert "no pictures" in error_of(clips.write_header_only(tmp_path / "header.mkv"))
    assert "No such file" in error_of(tmp_path / "missing.mp4")


def test_pipes_folders_and_links(tmp_path: Path, base: dict[str, Path]) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "a pipe, socket or device" in error_of(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    assert "a folder" in error_of(tmp_path / "folder.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    assert "symbolic links" in error_of(tmp_path / "loop.mp4")
    (tmp_path / "good.mp4").symlink_to(base["mp4"])
    assert len(read(tmp_path / "good.mp4")[0]) == FRAMES


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.ts"])
@pytest.mark.parametrize(
    "header",
    ["#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{}'\n"],
)
def test_playlists_open_nothing(tmp_path: Path, base: dict[str, Path], name: str, header: str) -> None:
    (tmp_path / name).write_text(header.format(base["ts"]))
    assert "a playlist that names other files" in error_of(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["with space", "quote'\"", "new\nline", "concat:x", "http:", "%03d", "ünïcode", b"caf\xe9"]
)
def test_strange_names(
    tmp_path: Path, base: dict[str, Path], name: str | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), os.fsencode(name) + b".mp4")))
    clip.write_bytes(base["mp4"].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(read(Path(clip.name))[0]) == FRAMES


def test_huge_pictures_are_refused_before_one_is_decoded(tmp_path: Path, base: dict[str, Path]) -> None:
    report = DecodeReport()
    with pytest.raises(VideoError, match="320x192"):
        list(read_frames(plain_camera("c", base["mp4"]), VideoConfig(max_pixels=320 * 192 - 1), report))
    assert report.packets_demuxed == 0
    # Also where they come later in the file: those packets are bad, the rest is read.
    large = clips.write_clip(tmp_path / "large.ts", 10, width=640, height=384)
    both = clips.concatenate([base["ts"], large], tmp_path / "both.ts")
    ids, _, report = read(plain_camera("c", both), VideoConfig(max_pixels=100_000))
    assert ids[:FRAMES] == list(range(FRAMES))
    assert len(ids) == FRAMES
    assert report.status == STATUS_WITH_GAPS


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="threads"):
        VideoConfig(threads=0)
    with pytest.raises(ConfigError, match="max_pixels"):
        VideoConfig(max_pixels=0)


# --- probe ---------------------------------------------------------------------------------------------------------


def test_probe(base: dict[str, Path], tmp_path: Path) -> None:
    for container, path in base.items():
        info = probe(plain_camera("c", path))
        assert (info.width, info.height, info.codec, info.pixel_format) == (320, 192, "h264", "yuv420p")
        assert info.rate_hz == pytest.approx(25)
        assert info.duration_s == pytest.approx(FRAMES * STEP_S, abs=0.05), container
    with pytest.raises(VideoError, match="empty"):
        (tmp_path / "e.mp4").touch()
        probe(plain_camera("c", tmp_path / "e.mp4"))


# --- memory --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    clip = clips.write_clip(tmp_path / "long.ts", 200, width=160, height=96)
    long = clips.concatenate([clip] * 60, tmp_path / "longer.ts")  # 12,000 pictures, 59 clock resets
    process, sizes = psutil.Process(), []
    for frame in read_frames(plain_camera("c", long), VideoConfig(), report := DecodeReport()):
        _ = frame.image
        if frame.index % 1000 == 500:
            sizes.append(process.memory_info().rss)
    assert report.frames_decoded == 12_000
    assert max(sizes[3:]) - min(sizes[3:]) < 2 << 20

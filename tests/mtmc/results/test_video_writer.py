"""Videos for people: whole or absent, playable anywhere, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtmc.cameras import plain_camera
from mtmc.errors import InputError, OutputError, VideoError
from mtmc.results import video_writer
from mtmc.results.video_writer import writing_video
from mtmc.video import DecodeReport, VideoConfig, probe, read_frames
from tests import clips

TIMES_S = [0.0, 0.1, 0.15, 0.4, 2.0, 2.04]


def write(path: Path, width: int = 320, height: int = 192) -> Path:
    with writing_video(path, (width, height)) as writer:
        for index, time_s in enumerate(TIMES_S):
            writer.write(clips.draw(index, width, height), time_s)
    return path


@pytest.mark.parametrize(("width", "height"), [(320, 192), (321, 193)])
def test_pictures_and_times_come_back(tmp_path: Path, width: int, height: int) -> None:
    path = write(tmp_path / "v.mp4", width, height)
    frames = list(read_frames(plain_camera("c", path), VideoConfig(), DecodeReport()))
    assert [frame.time_s for frame in frames] == pytest.approx(TIMES_S, abs=1e-4)
    assert [clips.read_index(frame.image) for frame in frames] == list(range(len(TIMES_S)))
    assert frames[0].image.shape == (height + height % 2, width + width % 2, 3)
    for index, frame in enumerate(frames):
        assert np.abs(frame.image[:height, :width].astype(int) - clips.draw(index, width, height)).mean() < 5


def test_a_browser_can_play_it_before_it_has_all(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4")
    info, data = probe(plain_camera("c", path)), path.read_bytes()
    assert (info.codec, info.pixel_format, info.container) == ("h264", "yuv420p", "MP4")
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    assert len({write(tmp_path / f"{i}.mp4").read_bytes() for i in range(3)}) == 1


def test_nothing_is_left_of_a_video_that_was_not_finished(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"the one before")
    error = VideoError("x.mp4", "a video")
    with pytest.raises(VideoError) as caught, writing_video(tmp_path / "v.mp4", (320, 192)) as writer:
        writer.write(clips.draw(0), 0.0)
        raise error
    assert caught.value is error
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]
    assert (tmp_path / "v.mp4").read_bytes() == b"the one before"


def test_a_folder_that_is_a_file_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can be written"):
        write(tmp_path / "file" / "v.mp4")


def test_another_size_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="320x192, found 64x48"),
        writing_video(tmp_path / "v.mp4", (320, 192)) as writer,
    ):
        writer.write(clips.draw(0, 64, 48), 0.0)
    assert not list(tmp_path.iterdir())


def test_times_too_close_are_pushed_apart(tmp_path: Path) -> None:
    with writing_video(tmp_path / "v.mp4", (320, 192)) as writer:
        for index, time_s in enumerate([0.0, 0.0, 0.0, 0.5]):
            writer.write(clips.draw(index), time_s)
    frames = list(read_frames(plain_camera("c", tmp_path / "v.mp4"), VideoConfig(), DecodeReport()))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0, 0, 0.5], abs=1e-3)


def test_without_x264_it_is_mpeg4_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(video_writer, "has_encoder", lambda name: name == "mpeg4")
    assert probe(plain_camera("c", write(tmp_path / "v.mp4"))).codec == "mpeg4"
    assert "no libx264" in caplog.text
    monkeypatch.setattr(video_writer, "has_encoder", lambda name: False)
    with pytest.raises(OutputError, match="libx264 or mpeg4"):
        write(tmp_path / "w.mp4")

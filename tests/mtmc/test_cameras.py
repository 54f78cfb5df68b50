"""Finding cameras: folders, single files, the CityFlow layout, and whatever else lies about."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtmc.cameras import discover_cameras, plain_camera, printable_name, unique_names
from mtmc.cityflow import read_homography
from mtmc.errors import ConfigError, InputError, VideoError
from mtmc.video import DecodeReport, VideoConfig, probe, read_frames
from tests import clips


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.write_clip(tmp_path_factory.mktemp("clip") / "clip.avi", 10, rate=10, width=64, height=48)


def names(videos: Path) -> list[str]:
    return [camera.camera_id for camera in discover_cameras(videos)[0]]


# --- a folder --------------------------------------------------------------------------------------------------------


def test_a_folder_of_videos(tmp_path: Path) -> None:
    for name in (
        "b.mp4",
        "A.MKV",
        "c.Mov",
        "d.avi",
        "e.ts",
        ".hidden.mp4",
        "notes.txt",
        "cameras.json",
        "x.webm",
        "song.mp3",
    ):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    cameras, rules, skipped = discover_cameras(tmp_path)
    assert [camera.camera_id for camera in cameras] == ["A", "b", "c", "d", "e"]
    assert {(c.start_s, c.clock_rate, c.roi.shape, c.frame_rate_hz) for c in cameras} == {(0.0, 1.0, (0, 0), 0.0)}
    assert (rules.transitions, rules.only_listed) == ((), False)
    assert {(s.path.name, s.reason) for s in skipped} == {
        ("x.webm", "not a video by its ending"),
        ("song.mp3", "not a video by its ending"),
        ("sub", "a folder"),
    }


def test_equal_stems_keep_their_endings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.mp4", "a.avi", "b.mp4"):
        (tmp_path / name).touch()
    assert names(tmp_path) == ["a.avi", "a.mp4", "b"]
    assert caplog.text.count("several videos are called a") == 2


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ([], []),
        ([("a", "a.1")], ["a"]),
        ([("a", "x"), ("a", "x"), ("a", "x")], ["x", "x_2", "x_3"]),
        ([("a", "b"), ("a", "c"), ("b", "d")], ["b", "c", "b_2"]),
    ],
)
def test_unique_names(wanted: list[tuple[str, str]], given: list[str]) -> None:
    assert unique_names(wanted) == given


def test_strange_names_become_camera_names(tmp_path: Path) -> None:
    for name in (b"north gate", b"it's", b'quo"te', b"new\nline", b"caf\xe9", b"=1+1", "größe".encode()):
        (tmp_path / os.fsdecode(name + b".mp4")).touch()
    assert set(names(tmp_path)) == {"north gate", "it's", 'quo"te', "new_line", "caf_", "=1+1", "größe"}
    assert printable_name("a/b\\c\x00\u202e") == "a_b_c__"


def test_broken_entries_stop_no_other(tmp_path: Path, clip: Path) -> None:
    shutil.copy(clip, tmp_path / "good.avi")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "nothing.mp4").symlink_to("not there")
    (tmp_path / "empty.mp4").touch()
    results = {}
    for camera in discover_cameras(tmp_path)[0]:
        try:
            results[camera.camera_id] = len(list(read_frames(camera, VideoConfig(), DecodeReport())))
        except VideoError as error:
            results[camera.camera_id] = str(camera.video) in str(error)
    assert results == {"good": 10, "pipe": True, "folder": True, "loop": True, "nothing": True, "empty": True}


def test_nothing_to_read_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        discover_cameras(tmp_path)
    (tmp_path / "a.mp3").touch()
    with pytest.raises(InputError, match=r"1 other such as a\.mp3"):
        discover_cameras(tmp_path)
    with pytest.raises(InputError, match="found none"):
        discover_cameras(tmp_path / "a.mp3")
    with pytest.raises(InputError, match="No such file"):
        discover_cameras(tmp_path / "missing")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="symbolic links"):
        discover_cameras(tmp_path / "loop")


def test_a_single_file(clip: Path) -> None:
    cameras, _, skipped = discover_cameras(clip)
    assert [(camera.camera_id, camera.video) for camera in cameras] == [("clip", clip)]
    assert skipped == ()


# --- CityFlow --------------------------------------------------------------------------------------------------------

CALIBRATION = (
    "Homography matrix: 1.5 -2e-3 3;4 5 6.25;-7 .8 9\nIntrinsic parameter matrix: 1 0 0\nReprojection error: 8.5\n"
)


def city_camera(folder: Path, clip: Path, roi: np.ndarray | None = None, calibration: str = "") -> Path:
    folder.mkdir(parents=True)
    shutil.copy(clip, folder / "vdo.avi")
    if roi is not None:
        cv2.imwrite(str(folder / "roi.jpg"), roi)
    if calibration:
        (folder / "calibration.txt").write_text(calibration)
    for side in ("gt", "det", "mtsc"):
        (folder / side).mkdir()
    return folder


@pytest.fixture
def city(tmp_path: Path, clip: Path) -> Path:
    """train/S01/{c001,c002}, train/S03/{c010,c015}, cam_timestamp beside train."""
    half = np.zeros((48, 64), np.uint8)
    half[:, 32:] = 255
    city_camera(tmp_path / "train/S01/c001", clip, half, CALIBRATION)
    city_camera(tmp_path / "train/S01/c002", clip)
    city_camera(tmp_path / "train/S03/c010", clip)
    city_camera(tmp_path / "train/S03/c015", clip)
    (tmp_path / "cam_timestamp").mkdir()
    (tmp_path / "cam_timestamp/S01.txt").write_text("c001 0\nc002 1.640\n")
    (tmp_path / "cam_timestamp/S03.txt").write_text("c010 8.715\n\nc015\t8.492\n")
    return tmp_path


def test_a_scenario(city: Path) -> None:
    first, second = discover_cameras(city / "train/S01")[0]
    assert [(c.camera_id, c.start_s, c.frame_rate_hz) for c in (first, second)] == [("c001", 0, 0), ("c002", 1.64, 0)]
    assert first.roi.shape == (48, 64)
    assert first.roi[:, 36:].all()
    assert not first.roi[:, :28].any()
    assert second.roi.shape == (0, 0)
    assert first.homography == pytest.approx(np.array([[1.5, -2e-3, 3], [4, 5, 6.25], [-7, 0.8, 9]]))
    assert not second.homography.any()


def test_the_one_camera_at_eight_hertz(city: Path) -> None:
    camera = discover_cameras(city / "train/S03")[0][1]
    assert (camera.camera_id, camera.start_s) == ("c015", 8.492)
    times = [frame.time_s for frame in read_frames(camera, VideoConfig(), DecodeReport())]
    assert probe(plain_camera("c", camera.video)).rate_hz == 10
    assert times == pytest.approx(8.492 + np.arange(10) / 8)


def test_levels_above_and_below_a_scenario(city: Path, clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert names(city / "train") == names(city) == ["c001", "c002", "c010", "c015"]
    assert "their clocks start apart" in caplog.text
    assert names(city / "train/S01/c002") == ["c002"]
    assert discover_cameras(city / "train/S01/c002")[0][0].start_s == 1.64
    assert names(city / "train/S01/c001/vdo.avi") == ["c001"]
    assert names(city / "train/S01/c002/vdo.avi") == ["vdo"]  # nothing beside it says that this is CityFlow
    city_camera(city / "train/S05/c010", clip)  # as S05 shares cameras with S03
    assert names(city) == ["S03_c010", "S05_c010", "c001", "c002", "c015"]


def test_links_are_followed_under_their_own_names_and_circles_end(city: Path) -> None:
    (city / "view").mkdir()
    (city / "view/left").symlink_to(city / "train/S01/c001")
    (city / "view/circle").symlink_to(city / "view")
    assert names(city / "view") == ["left"]


def test_faulty_side_files_are_named(city: Path) -> None:
    (city / "cam_timestamp/S01.txt").write_text("c001 0\nc002 soon\n")
    with pytest.raises(InputError, match=r"S01.txt, line 2: expected a camera and its start"):
        discover_cameras(city / "train/S01")
    (city / "train/S03/c010/calibration.txt").write_text("Homography matrix: 1 2 3;4 5\n")
    with pytest.raises(InputError, match=r"calibration\.txt"):
        discover_cameras(city / "train/S03")
    (city / "train/S03/c010/calibration.txt").unlink()
    (city / "train/S03/c010/roi.jpg").write_text("no picture")
    with pytest.raises(ConfigError, match=r"roi\.jpg"):
        discover_cameras(city / "train/S03")


def test_older_calibrations_without_the_word(tmp_path: Path) -> None:
    path = tmp_path / "calibration.txt"
    path.write_text("1 2 3;4 5 6;7 8 9\n")
    assert (read_homography(path) == np.arange(1, 10).reshape(3, 3)).all()


def test_a_camera_without_a_start_is_told(city: Path, caplog: pytest.LogCaptureFixture) -> None:
    (city / "cam_timestamp/S01.txt").write_text("c001 2.5\n")
    assert [c.start_s for c in discover_cameras(city / "train/S01")[0]] == [2.5, 0.0]
    assert "c002 has no line" in caplog.text

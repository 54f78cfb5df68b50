"""Recorded boxes: where their files are looked for, what a line means, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.recorded import RecordedDetector, digest_of, file_of_camera, find_files, read_det
from detectors.registry import DetectorConfig, build_detector, resolve_detector
from mtmc.errors import InputError

IMAGE = np.zeros((100, 200, 3), np.uint8)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_boxes_come_in_their_frames_and_are_cut_to_the_picture(tmp_path: Path) -> None:
    lines = ["2,-1,10,20,30,40,0.5,-1,-1,-1", "1,-1,180,90,40,20,0.9", "2,-1,1,1,9,9,-1", "2,-1,3,3,0,5,1"]
    write(tmp_path / "c1.txt", "\n".join(lines))
    resolved = resolve_detector("recorded", tmp_path, tmp_path)
    detector = build_detector(resolved, DetectorConfig()).for_camera("c1")
    first, second, third = detector.detect([IMAGE] * 3, [0, 1, 2], [0.0, 0.1, 0.2])
    assert first.boxes_xyxy.tolist() == [[180, 90, 200, 100]]
    assert second.boxes_xyxy.tolist() == [[10, 20, 40, 60], [1, 1, 10, 10]]
    assert second.scores.tolist() == [0.5, 1.0]
    assert second.class_ids.tolist() == [0, 0]
    assert len(third) == 0


def test_min_score_holds_for_recorded_boxes(tmp_path: Path) -> None:
    write(tmp_path / "c.txt", "1,-1,1,1,9,9,0.3\n1,-1,2,2,9,9,0.7\n")
    detector = RecordedDetector(tmp_path, "", DetectorConfig(min_score=0.5)).for_camera("c")
    assert len(detector.detect([IMAGE], [0], [0.0])[0]) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff\n"])
def test_an_empty_file_is_no_detections(tmp_path: Path, text: str) -> None:
    write(tmp_path / "c.txt", text)
    detector = RecordedDetector(tmp_path, "", DetectorConfig()).for_camera("c")
    assert [len(d) for d in detector.detect([IMAGE], [0], [0.0])] == [0]


@pytest.mark.parametrize("place", ["c001.txt", "c001/det.txt", "c001/det/det_yolo3.txt", "S01/c001/det/det_x.txt",
                                   "train/S01/c001/det/det_ssd512.txt", "MOT17/c001/det/det.txt"])
def test_layouts(tmp_path: Path, place: str) -> None:
    path = write(tmp_path / place, "1,-1,1,1,9,9,0.3\n")
    write(tmp_path / place.replace("c001", "c002"), "")
    assert file_of_camera(tmp_path, "c001") == path


def test_of_several_files_the_preferred_or_the_named_one(tmp_path: Path) -> None:
    for name in ("det_ssd512.txt", "det_mask_rcnn.txt", "det_own.txt"):
        write(tmp_path / "S01" / "c001" / "det" / name, "")
    assert file_of_camera(tmp_path, "c001").name == "det_mask_rcnn.txt"
    assert file_of_camera(tmp_path, "c001", "det_own.txt").name == "det_own.txt"


def test_scenarios_that_share_a_camera_name_are_told_apart(tmp_path: Path) -> None:
    for scenario in ("S01", "S02"):
        write(tmp_path / scenario / "c001" / "det" / "det.txt", "")
    assert file_of_camera(tmp_path, "S02_c001").parts[-4] == "S02"
    with pytest.raises(InputError, match=r"S01.*S02"):
        file_of_camera(tmp_path, "c001")


def test_a_camera_without_a_file_is_told_which(tmp_path: Path) -> None:
    write(tmp_path / "north.txt", "")
    with pytest.raises(InputError, match=r"nort.*nort\.txt.*Did you mean north"):
        RecordedDetector(tmp_path, "", DetectorConfig()).for_camera("nort")


@pytest.mark.parametrize(("line", "words"), [
    ("nan,-1,1,1,9,9,1", "frame number from 1"),
    ("0,-1,1,1,9,9,1", "frame number from 1"),
    ("1.5,-1,1,1,9,9,1", "frame number from 1"),
    ("1,-1,nan,1,9,9,1", "a finite box"),
    ("1,-1,1,inf,9,9,1", "a finite box"),
    ("1,-1,1,1,-9,9,1", "no negative width or height"),
    ("1,0.5,1,1,9,9,1", "whole number as id"),
    ("1,-1,1,1,9,9,nan", "a score from 0 to 1"),
    ("1,-1,1,1,9,9,55", "a score from 0 to 1"),
    ("1,-1,1,1,9", "5 columns"),
    ("1,-1,1,1,car,9,1", "numbers only"),
    ("frame,id,x,y,w,h,score", "numbers only"),
    ("1,-1,1,,9,9,1", "numbers only"),
])  # fmt: skip
def test_what_is_no_box_is_refused_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    path = write(tmp_path / "c.txt", f"1,-1,1,1,9,9,0.5\n\n{line}\n2,-1,1,1,9,9,0.5\n")
    with pytest.raises(InputError, match=words) as caught:
        read_det(path)
    assert f"{path}:3" in str(caught.value)


def test_corners_in_place_of_sizes_are_noticed_at_the_first_picture(tmp_path: Path) -> None:
    write(tmp_path / "c.txt", "1,-1,150,60,190,90,0.9\n2,-1,120,60,180,95,0.9\n3,-1,5,5,20,20,0.9\n")
    detector = RecordedDetector(tmp_path, "", DetectorConfig()).for_camera("c")
    with pytest.raises(InputError, match=r"c\.txt.*200x100.*left, top, width, height"):
        detector.detect([IMAGE], [0], [0.0])


def test_the_digest_changes_with_any_box_and_with_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "1,-1,1,1,9,9,0.5\n")
    write(tmp_path / "b" / "det" / "det.txt", "")
    before = digest_of(tmp_path)
    write(tmp_path / "notes" / "read.me", "not boxes")
    assert digest_of(tmp_path) == before
    write(tmp_path / "b" / "det" / "det.txt", "1,-1,1,1,9,9,0.5\n")
    assert digest_of(tmp_path) != before


def test_a_folder_without_boxes_and_one_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of them"):
        find_files(tmp_path)
    with pytest.raises(InputError, match="nothing there"):
        find_files(tmp_path / "no")


def test_reading_as_a_plain_loop(shared_data: Path) -> None:
    path = shared_data / "worlds" / "two-view-dev" / "det" / "c002.txt"
    detector = RecordedDetector(path.parent, "", DetectorConfig(min_score=0)).for_camera("c002")
    image = np.zeros((540, 960, 3), np.uint8)
    rows = [[float(v) for v in line.split(",")] for line in path.read_text().split()]
    for index in (0, 99, 100, 500):
        plain = [row[2:7] for row in rows if row[0] == index + 1]
        found = detector.detect([image], [index], [0.0])[0]
        assert len(found) == len(plain)
        for box, score, (x, y, w, h, s) in zip(found.boxes_xyxy, found.scores, plain, strict=True):
            expected = [max(x, 0), max(y, 0), min(x + w, 960), min(y + h, 540)]
            np.testing.assert_allclose(box, expected, atol=1e-3)
            assert score == pytest.approx(s)

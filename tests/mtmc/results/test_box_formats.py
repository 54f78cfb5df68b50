"""MOT, AI City and CVAT: written and read again, other people's variants, refusals."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import InputError
from mtmc.results import aicity
from mtmc.results.aicity import aicity_text, camera_numbers, read_aicity, write_aicity
from mtmc.results.cvat import read_cvat, write_cvat, write_cvat_folder
from mtmc.results.mot import find_mot_files, read_mot, read_mot_files, write_mot_folder
from mtmc.results.read_boxes import kind_of_text, read_boxes
from mtmc.results.track_boxes import TrackBoxes


def rows_of(boxes: TrackBoxes, scores: bool = False) -> list[tuple]:
    columns = [boxes.camera_rows, boxes.ids, boxes.frames, *boxes.boxes_xywh.T.round(2)]
    return sorted(zip([boxes.camera_ids[r] for r in boxes.camera_rows], *columns[1:],
                      *([boxes.scores] if scores else []), strict=True))


@pytest.mark.parametrize("n", [0, 1, 200])
def test_mot_comes_back(tmp_path: Path, boxes_of: Callable, n: int) -> None:
    boxes = boxes_of(n, n)
    names = write_mot_folder(tmp_path, boxes)
    assert names == ["c001.txt", "c002.txt", "c010.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    found = read_mot_files(find_mot_files(tmp_path, is_truth=False))
    assert rows_of(found, scores=True) == rows_of(boxes, scores=True)


@pytest.mark.parametrize("n", [0, 1, 200])
def test_aicity_comes_back(tmp_path: Path, boxes_of: Callable, n: int) -> None:
    boxes = boxes_of(n, n, whole=True)
    write_aicity(tmp_path / "cityflow.txt", boxes)
    found = read_aicity(tmp_path / "cityflow.txt")
    named = {c: str(number) for c, number in camera_numbers(boxes.camera_ids).items()}
    assert rows_of(found) == rows_of(boxes.with_camera_names(named))
    for line in (tmp_path / "cityflow.txt").read_text().splitlines():
        assert len(line.split(" ")) == 9
        assert all(field.lstrip("-").isdigit() for field in line.split(" "))


def test_whole_pixels_keep_the_place_of_a_box(boxes_of: Callable) -> None:
    boxes = boxes_of(4, 300)
    text = aicity_text(boxes, camera_numbers(boxes.camera_ids))
    whole = np.array([line.split()[3:7] for line in text.splitlines()], dtype=float)
    order = np.lexsort((boxes.ids, boxes.frames, boxes.camera_rows))
    exact = boxes.boxes_xywh[order]
    assert (whole[:, 2:] >= 1).all()
    assert np.abs(whole[:, :2] - exact[:, :2]).max() <= 0.5
    assert np.abs(whole[:, :2] + whole[:, 2:] - exact[:, :2] - exact[:, 2:]).max() <= 1


@pytest.mark.parametrize(("cameras", "numbers"), [
    (("c001", "c002", "c041"), [1, 2, 41]),
    (("east", "north", "west"), [1, 2, 3]),
    (("a1", "b1"), [1, 2]),
    (("c005", "lobby"), [1, 2]),
    (("gate7", "7"), [1, 2]),
    (("cam 10", "cam 9"), [10, 9]),
])
def test_camera_numbers(cameras: tuple[str, ...], numbers: list[int]) -> None:
    found = camera_numbers(cameras)
    assert [found[camera] for camera in sorted(cameras)] == numbers


@pytest.mark.parametrize("text", [
    "1 7 3 10 20 30 40 -1 -1\n2 7 4 11 21 31 41 -1 -1\n",
    "1\t7\t3\t10\t20\t30\t40\t-1\t-1\n2\t7\t4\t11\t21\t31\t41\t-1\t-1",
    "1,7,3,10,20,30,40,-1,-1\r\n2, 7, 4, 11, 21, 31, 41, -1, -1\r\n",
    "\ufeff1 7 3 10 20 30 40 -1 -1\n\n2 7 4 11 21 31 41 -1 -1\n",
    "c001 7 3 10 20 30 40 -1 -1\nc002 7 4 11 21 31 41 -1 -1\n",
    "1 7 3 10 20 30 40\n2 7 4 11 21 31 41\n",
])
def test_separators_and_small_liberties(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.txt"
    path.write_text(text, newline="")
    found = read_boxes(path).boxes
    assert rows_of(found) == [("1", 7, 3, 10, 20, 30, 40), ("2", 7, 4, 11, 21, 31, 41)]


def test_frames_counted_from_zero_must_be_announced(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_text("1 7 0 10 20 30 40 -1 -1\n")
    with pytest.raises(InputError, match=r"s\.txt:1"):
        read_aicity(path)
    assert read_aicity(path, first_frame=0).frames.tolist() == [1]


@pytest.mark.parametrize("line", ["1 7 3 10 20 30", "1 7 3 10 20 30 x -1 -1", "1 7 3.5 10 20 30 40 -1 -1",
                                  "1 7 3 10 20 -30 40 -1 -1", "1 7 3 nan 20 30 40 -1 -1", "1 7 inf 1 20 30 40 -1 -1"])
def test_a_broken_row_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "s.txt"
    path.write_text(f"1 7 1 10 20 30 40 -1 -1\n\n{line}\n")
    with pytest.raises(InputError, match=r"s\.txt:3"):
        read_aicity(path)


def test_binary_rubbish_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(InputError):
        read_boxes(tmp_path / "s.txt")


def make_tar(path: Path, members: list[tuple[str, bytes, bytes]]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))


def test_archives_with_one_member_are_read_and_nothing_is_unpacked(tmp_path: Path, boxes_of: Callable) -> None:
    boxes = boxes_of(1, 50, whole=True)
    content = aicity_text(boxes, camera_numbers(boxes.camera_ids)).encode()
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.txt", content)
    make_tar(tmp_path / "s.tar.gz", [("../evil.txt", tarfile.REGTYPE, content)])
    (tmp_path / "s.txt").write_bytes(content)
    expected = rows_of(read_aicity(tmp_path / "s.txt"))
    assert rows_of(read_boxes(tmp_path / "s.zip").boxes) == rows_of(read_boxes(tmp_path / "s.tar.gz").boxes) == expected
    assert len(list(tmp_path.iterdir())) == 3
    assert not (tmp_path.parent / "evil.txt").exists()


def test_other_archives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = b"1 7 1 10 20 30 40 -1 -1\n"
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.txt", row)
        archive.writestr("b.txt", row)
    with zipfile.ZipFile(tmp_path / "none.zip", "w"):
        pass
    make_tar(tmp_path / "two.tar.gz", [("a", tarfile.REGTYPE, row), ("b", tarfile.REGTYPE, row)])
    make_tar(tmp_path / "link.tar.gz", [("a", tarfile.SYMTYPE, b"")])
    make_tar(tmp_path / "none.tar.gz", [])
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("a.txt", row)
    one = bytearray((tmp_path / "one.zip").read_bytes())
    one[-3] = 1  # the directory 16 MB further than it is: its only file then starts before the archive
    (tmp_path / "one.zip").write_bytes(one)
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 no archive")
    (tmp_path / "broken.tar.gz").write_bytes(b"\x1f\x8b no archive")
    (tmp_path / "cut.tgz").write_bytes((tmp_path / "two.tar.gz").read_bytes()[:40])
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(InputError):
            read_aicity(path)
    bombs = [tmp_path / "bomb.zip", tmp_path / "bomb.tar.gz"]
    with zipfile.ZipFile(bombs[0], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", row * 1000)
    make_tar(bombs[1], [("a", tarfile.REGTYPE, row * 1000)])
    monkeypatch.setattr(aicity, "_LARGEST_TEXT_BYTES", 10_000)
    for path in bombs:
        with pytest.raises(InputError, match="MiB"):
            read_aicity(path)


@pytest.mark.parametrize(("row", "kind"), [
    ("1,7,10,20,30,40", "mot"),
    ("1,7,10,20,30,40,0.5", "mot"),
    ("1,7,10,20,30,40,1,1,0.7", "mot"),
    ("1,7,10,20,30,40,57.5,-1,-1,-1", "mot"),
    ("1 7 10 20 30 40 1 -1 -1 -1", "mot"),
    ("1 7 3 10 20 30 40 -1 -1", "aicity"),
    ("1,7,3,10,20,30,40,-1,-1", "aicity"),
    ("1 7 3 10 20 30 40", "aicity"),
])
def test_the_format_is_told_from_the_columns(tmp_path: Path, row: str, kind: str) -> None:
    path = tmp_path / "boxes.txt"
    path.write_text(row + "\n")
    assert kind_of_text(path) == kind


def test_an_empty_file_holds_no_box(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    assert len(read_boxes(tmp_path / "empty.txt").boxes) == 0


def test_mot_marks_and_unconfirmed_tracks(tmp_path: Path) -> None:
    path = tmp_path / "cam.txt"
    path.write_text("1,1,0,0,9,9,1,-1,-1,-1\n1,2,0,0,9,9,0,-1,-1,-1\n1,-1,0,0,9,9,1,-1,-1,-1\n")
    assert read_mot(path, "cam").ids.tolist() == [1, 2]
    assert read_mot(path, "cam", is_truth=True).ids.tolist() == [1]
    path.write_text("1,-1,0,0,9,9,0.5,-1,-1,-1\n")
    with pytest.raises(InputError, match="detections"):
        read_mot(path, "cam")


def test_mot_folders_in_three_layouts(tmp_path: Path) -> None:
    for name in ("S01/c001/gt/gt.txt", "plain/c1/gt.txt", "plain/c1/ours.txt", "two/c1/a.txt", "two/c1/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1,1,0,0,9,9,1,-1,-1,-1\n")
    assert list(find_mot_files(tmp_path / "S01", is_truth=True)) == ["c001"]
    assert find_mot_files(tmp_path / "plain", is_truth=True)["c1"].name == "gt.txt"
    assert find_mot_files(tmp_path / "plain", is_truth=False)["c1"].name == "ours.txt"
    with pytest.raises(InputError, match="several"):
        find_mot_files(tmp_path / "two", is_truth=False)
    with pytest.raises(InputError, match="none"):
        find_mot_files(tmp_path / "S01", is_truth=False)


def test_the_public_sample_is_read(shared_data: Path) -> None:
    boxes = read_boxes(shared_data / "mot-tud" / "iotest" / "motchallenge.txt").boxes
    assert boxes.frames.tolist() == [1, 1, 2, 2, 2]
    assert boxes.boxes_xywh[0].tolist() == [399, 182, 121, 229]


@pytest.mark.parametrize("n", [0, 1, 200])
def test_cvat_comes_back(tmp_path: Path, boxes_of: Callable, n: int) -> None:
    boxes = boxes_of(n, n, cameras=("say <\"x\">&",))
    write_cvat(tmp_path / "c.xml", boxes, "say <\"x\">&", (640, 480))
    assert rows_of(read_cvat(tmp_path / "c.xml", boxes.camera_ids[0])) == rows_of(boxes)


def test_cvat_closes_a_track_at_every_gap(tmp_path: Path) -> None:
    place = np.tile([1.0, 2.0, 3.0, 4.0], (3, 1))
    boxes = TrackBoxes.build(["c"], np.zeros(3), np.full(3, 9), [1, 2, 5], place, class_ids=[7, 7, 7])
    assert write_cvat_folder(tmp_path, boxes) == ["c.xml"]
    text = (tmp_path / "c.xml").read_text()
    boxes_written = re.findall(r'<box frame="(\d+)" outside="(\d)"', text)
    assert boxes_written == [("0", "0"), ("1", "0"), ("2", "1"), ("4", "0"), ("5", "1")]
    assert 'label="truck"' in text
    assert read_cvat(tmp_path / "c.xml", "c").class_ids.tolist() == [7, 7, 7]


@pytest.mark.parametrize("content", [
    "", "<annotations>", "<other/>", '<annotations><track id="0"/></annotations>',
    '<annotations><track id="0" label="car"><box frame="x"/></track></annotations>',
    '<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>'])
def test_other_xml_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.xml").write_text(content)
    with pytest.raises(InputError):
        read_cvat(tmp_path / "c.xml", "c")

"""Recorded boxes that are wrong, few, many or absent: one good video under many names, as cameras of one run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mtmc.verification import verify_run
from tests.faults import footage
from tests.faults.background import run_here
from tests.faults.footage import BOX_XYWH, SETTINGS
from tests.running import run_command

N = 50
X, Y, W, H = BOX_XYWH
GOOD = f"{X},{Y},{W},{H},0.9"


def lines(box: str = GOOD, frames: range = range(1, N + 1)) -> str:
    return "".join(f"{frame},-1,{box},-1,-1,-1\n" for frame in frames)


READ = {  # text → detections, tracklets
    "good": (lines(), N, 1),
    "nothing": ("", 0, 0),
    "one_box": (lines(frames=range(20, 21)), 1, 0),
    "one_frame_of_2000": (lines(frames=range(1, 2)) * 2000, 2000, None),
    "any_order": ("".join(reversed(lines().splitlines(keepends=True))), N, 1),
    "spaces_and_crlf": (lines().replace(",", " , ").replace("\n", "\r\n"), N, 1),
    "beyond_the_end": (lines(frames=range(1, 500)), N, 1),
    "zero_area": (lines(f"{X},{Y},0,{H},0.9"), 0, 0),
    "outside": (lines(f"-900,{Y},{W},{H},0.9"), 0, 0),
    "half_outside": (lines(f"-40,{Y},{W},{H},0.9"), N, 1),
    "gap": (lines(frames=range(1, 20)) + lines(frames=range(30, N + 1)), 40, 1),
}
REFUSED = {  # text → what the sentence must hold
    "not_a_number": (lines() + "51,-1,nan,64,96,64,0.9\n", ":51: expected a finite box"),
    "infinite": (lines("1e999,64,96,64,0.9"), ":1: expected a finite box"),
    "negative_size": (lines(f"{X},{Y},-96,{H},0.9"), ":1: expected no negative width or height"),
    "corners": (lines("100,60,400,180,0.9"), "boxes inside the picture of 320x192 px"),
    "words": ("frame,id,left,top,width,height,score\n" + lines(), ":1: expected numbers only"),
    "few_columns": (lines(f"{X},{Y},{W}").replace(",-1,-1,-1\n", "\n"), ":1: expected frame, id, left, top"),
    "score": (lines(f"{X},{Y},{W},{H},90"), ":1: expected a score from 0 to 1"),
    "frame_zero": (lines(frames=range(0, N)), ":1: expected a frame number from 1"),
    "frame_huge": (f"1e300,-1,{GOOD}\n", ":1: expected a frame number from 1"),
    "binary": (b"\x00\xff\xfe\x80" * 50, "a text file in UTF-8"),
    "utf16": (lines().encode("utf-16"), "a text file in UTF-8"),
    "absent": (None, "no such file"),
}


class Run(NamedTuple):
    code: int
    stderr: str
    out: Path
    json: dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("boxes")
    video, cams, det, out = folder / "video.mp4", folder / "cams", folder / "det", folder / "out"
    footage.clip(video, N)
    cams.mkdir()
    det.mkdir()
    for name, (content, *_) in {**READ, **REFUSED}.items():
        os.link(video, cams / f"{name}.mp4")
        if content is not None:
            (det / f"{name}.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run_command("--videos", cams, "--detections", det, "--out", out, *SETTINGS)
    return Run(done.returncode, done.stderr, out, json.loads((out / "run.json").read_text()))


def test_a_run_without_any_vehicle(tmp_path: Path) -> None:
    """Tables of headers alone, and a run that is complete: there was nothing to be found."""
    footage.clip(tmp_path / "cams" / "empty.mp4", N)
    footage.boxes(tmp_path / "det" / "empty.txt", 0)
    inputs = ("--videos", tmp_path / "cams", "--detections", tmp_path / "det")
    done = run_here(*inputs, "--out", tmp_path / "out", *SETTINGS)
    assert done.returncode == 0, done.stderr
    for name in ("tracklets.csv", "matches.csv", "candidates.csv", "global_tracks.csv"):
        assert len((tmp_path / "out" / name).read_text().splitlines()) == 1, name
    assert (tmp_path / "out" / "cityflow.txt").read_text() == ""
    assert verify_run(tmp_path / "out")[-1] == "0 tracklets, 0 links, 0 boxes"


def test_the_run_is_partial_and_whole(run: Run) -> None:
    assert run.code == 3
    assert "Traceback" not in run.stderr
    assert set(run.json["cameras"]) == set(READ)
    assert set(run.json["failures"]) == set(REFUSED)
    verify_run(run.out)


@pytest.mark.parametrize("camera", READ)
def test_boxes_are_taken_and_counted(run: Run, camera: str) -> None:
    _, detections, tracklets = READ[camera]
    facts = run.json["cameras"][camera]
    assert facts["frames"] == N
    assert facts["cutting"]["detections"] == detections
    assert tracklets is None or facts["tracklets"] == tracklets


@pytest.mark.parametrize("camera", REFUSED)
def test_boxes_that_cannot_be_used_get_a_sentence(run: Run, camera: str) -> None:
    (sentence,) = (line for line in run.stderr.splitlines() if line.startswith(f"failed: {camera}: "))
    assert REFUSED[camera][1] in sentence
    assert f"{camera}.txt" in sentence

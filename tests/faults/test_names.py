"""Names that would break a shell, a terminal, a spreadsheet, a web page or a folder (matrix F8, G6, G7, E8)."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mtmc.cameras import discover_cameras
from mtmc.results.tracklets_csv import read_tracklets_csv
from mtmc.verification import verify_run
from tests.faults import footage
from tests.faults.background import command_line
from tests.faults.footage import SETTINGS

NAMES = (
    b"plain.mp4", b"two words.mp4", b"it's \"quoted\".mp4", b"new\nline\tand\x1b[31m.mp4", b"caf\xe9.mp4",
    b"=1+1.mp4", b"+2.mp4", b"-3.mp4", b"@SUM(1).mp4", b"=cmd|' !A0.mp4", b"<img src=x onerror=alert(1)>.mp4",
    b"{{7*7}}.mp4", b"dots...mp4", b"%2e%2e%2fup.mp4", b"twice.mp4", b"twice.mkv", b"A.mp4", b"%41.mp4",
    "東".encode() * 80 + b".mp4", b'"' * 200 + b".mp4", b"a,b;c.mp4", b"$(touch pwned).mp4", b"~.mp4", b"#.mp4",
)  # fmt: skip


class Run(NamedTuple):
    done: subprocess.CompletedProcess[str]
    folder: Path
    cameras: tuple[str, ...]
    json: dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("names")
    video = footage.clip(folder / "video.mp4", 50)
    (folder / "cams").mkdir()
    for name in NAMES:
        os.link(video, os.fsencode(folder / "cams") + b"/" + name)
    cameras = tuple(camera.camera_id for camera in discover_cameras(folder / "cams")[0])
    for camera in cameras:
        footage.boxes(folder / "det" / f"{camera}.txt", 50)
    command = command_line("--videos", "cams", "--detections", "det", "--out", "out", "--cvat", *SETTINGS)
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"})  # fmt: skip
    return Run(done, folder, cameras, json.loads((folder / "out" / "run.json").read_text()))


def test_all_of_them_are_cameras(run: Run) -> None:
    assert run.done.returncode == 0, run.done.stderr
    assert "Traceback" not in run.done.stderr
    assert len(set(run.cameras)) == len(NAMES)
    assert set(run.json["cameras"]) == set(run.cameras)
    assert all(facts["tracklets"] == 1 for facts in run.json["cameras"].values())
    verify_run(run.folder / "out")


def test_nothing_was_written_elsewhere(run: Run) -> None:
    assert sorted(path.name for path in run.folder.iterdir()) == ["cams", "det", "out", "video.mp4"]
    assert len(list((run.folder / "out" / "cameras").iterdir())) == len(NAMES)


def test_a_terminal_sees_no_control_character(run: Run) -> None:
    assert run.done.stdout.isascii()
    assert all(character.isprintable() or character == "\n" for character in run.done.stdout)


def test_no_cell_starts_a_formula_and_names_come_back(run: Run) -> None:
    for name in ("tracklets.csv", "matches.csv", "candidates.csv", "global_tracks.csv"):
        with (run.folder / "out" / name).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for column in row:
                    if column in ("camera_id", "camera_a", "camera_b", "route"):
                        assert not row[column].startswith(("=", "+", "-", "@", "\t", "\r", "\n")), row
    table = read_tracklets_csv(run.folder / "out" / "tracklets.csv").table
    assert set(table.camera_ids) == set(run.cameras)


def test_the_report_shows_names_as_text(run: Run) -> None:
    page = (run.folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "{{7*7}}" in page  # neither run as a template
    xml = "".join(path.read_text(encoding="utf-8") for path in (run.folder / "out" / "cvat").iterdir())
    assert "<img src=x" not in xml

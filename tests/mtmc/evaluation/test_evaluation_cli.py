"""`tools/evaluate_mtmc.py`: what a person types and sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtmc.evaluation.cli import main
from mtmc.results.aicity import read_aicity, write_aicity

ROOT = Path(__file__).resolve().parents[3]


def run(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def world(shared_data: Path) -> Path:
    return shared_data / "worlds" / "two-view-dev"


def test_the_tool_prints_a_table_and_writes_json(world: Path, tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "tools" / "evaluate_mtmc.py", "--truth", world / "ground_truth.txt",
               "--prediction", world / "ground_truth_all.txt", "--json", tmp_path / "score.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "cross-camera IDF1 1.00"
    assert "HOTA" in done.stdout
    found = json.loads((tmp_path / "score.json").read_text())
    assert (found["idf1"], found["mode"], sorted(found["cameras"])) == (1.0, "aicity", ["1", "2", "3", "4"])
    assert found["left_out"]["single_camera"] == 215


@pytest.mark.parametrize(("options", "expected"), [
    (["--mode", "sequences"], 62.43), ([], 52.28), (["--keep-single-camera"], 52.21)])
def test_the_public_figures_from_the_command_line(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture,
                                                  options: list[str], expected: float) -> None:
    folder = shared_data / "mot-tud"
    code, _, _ = run(capsys, "--truth", folder, "--prediction", folder, "--json", tmp_path / "s.json", *options)
    assert code == 0
    assert round(100 * json.loads((tmp_path / "s.json").read_text())["idf1"], 2) == expected


def test_two_files_are_one_camera(shared_data: Path, capsys: pytest.CaptureFixture) -> None:
    folder = shared_data / "mot-tud" / "TUD-Campus"
    code, out, _ = run(capsys, "--truth", folder / "gt.txt", "--prediction", folder / "test.txt")
    assert code == 0
    assert out.splitlines()[-1] == "IDF1 0.56"
    assert "one camera" in out


def test_frames_counted_from_zero(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    lines = [line.split() for line in (world / "ground_truth.txt").read_text().splitlines()]
    zero = tmp_path / "zero.txt"
    zero.write_text("".join(" ".join([*f[:2], str(int(f[2]) - 1), *f[3:]]) + "\n" for f in lines))
    truth = world / "ground_truth.txt"
    code, out, _ = run(capsys, "--truth", truth, "--prediction", zero, "--prediction-first-frame", 0)
    assert (code, out.splitlines()[-1]) == (0, "cross-camera IDF1 1.00")
    code, out, _ = run(capsys, "--truth", zero, "--prediction", zero, "--first-frame", 0)
    assert (code, out.splitlines()[-1]) == (0, "cross-camera IDF1 1.00")
    code, out, _ = run(capsys, "--truth", truth, "--prediction", zero)
    assert code == 0
    assert "IDF1 1.0000" not in out


def test_regions(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rois = tmp_path / "rois"
    for number, inside in ((1, 255), (2, 255), (3, 255), (4, 0)):
        (rois / f"c{number:03d}").mkdir(parents=True)
        cv2.imwrite(str(rois / f"c{number:03d}" / "roi.jpg"), np.full((3000, 5000), inside, dtype=np.uint8))
    truth = world / "ground_truth.txt"
    boxes = read_aicity(truth)
    code, _, _ = run(capsys, "--truth", truth, "--prediction", truth, "--rois", rois, "--json", tmp_path / "s.json")
    assert code == 0
    left_out = json.loads((tmp_path / "s.json").read_text())["left_out"]["outside_region"]
    assert left_out == (boxes.camera_rows == 3).sum()
    (rois / "c002" / "roi.jpg").unlink()
    code, _, err = run(capsys, "--truth", truth, "--prediction", truth, "--rois", rois)
    assert code == 2
    assert "camera 2" in err


def test_rates_turn_frames_into_times(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    boxes = read_aicity(world / "ground_truth.txt")
    write_aicity(tmp_path / "alone.txt", boxes.with_ids(boxes.ids + 1000 * boxes.camera_rows))
    arguments = ["--truth", world / "ground_truth.txt", "--prediction", tmp_path / "alone.txt"]
    _, out, _ = run(capsys, *arguments, "--worst", 3)
    assert out.count("  missed link") == 3
    assert " frames " in out
    _, out, _ = run(capsys, *arguments, "--frame-rate", 10, "--frame-rate", "3=8", "--frame-rate", "4=12.5")
    assert " frames " not in out
    code, _, err = run(capsys, *arguments, "--frame-rate", "fast")
    assert code == 2
    assert "fast" in err


@pytest.mark.parametrize("arguments", [["--truth", "absent.txt"], ["--truth", "empty.txt"], ["--truth", "broken.txt"],
                                       ["--truth", "det.txt", "--truth-format", "mot"]])
def test_unusable_input_is_one_line_and_code_2(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                               capsys: pytest.CaptureFixture, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "broken.txt").write_text("camera id frame x y w h\n")
    (tmp_path / "det.txt").write_bytes((world / "det" / "c001.txt").read_bytes())
    code, out, err = run(capsys, *arguments, "--prediction", world / "ground_truth.txt")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


def test_unknown_options_are_answered_with_the_nearest(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--truth", "a", "--prediction", "b", "--jsn", "c"])
    assert stopped.value.code == 2
    assert "did you mean --json" in capsys.readouterr().err


def test_help_needs_no_heavy_import() -> None:
    code = "import sys; from mtmc.evaluation.cli import build_parser; build_parser().format_help(); " \
           "print([m for m in ('numpy', 'scipy', 'cv2', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"

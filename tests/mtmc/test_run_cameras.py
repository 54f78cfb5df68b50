"""The whole road, through the real command, on a small rendered world."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtmc.verification import verify_run
from tests.running import ROOT, files_below, run_command


def test_everything_that_was_promised_is_there(small_run: Path, small_world: Path) -> None:
    for name in ("run.json", "matches.csv", "candidates.csv", "connections.csv", "tracklets.csv", "global_tracks.csv",
                 "cityflow.txt", "report.html", "mot/c001.txt", "cameras/c001/boxes.parquet",
                 "cameras/c001/features.npy"):  # fmt: skip
        assert (small_run / name).stat().st_size > 0, name
    with (small_run / "matches.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert list(rows[0]) == [
        "global_id", "camera_a", "track_a", "start_a_s", "end_a_s", "camera_b", "track_b", "start_b_s", "end_b_s",
        "travel_s", "tracklet_distance", "image_distance_ab", "image_distance_ba", "rank_ab", "rank_ba", "probability",
    ]  # fmt: skip
    for row in rows:
        assert float(row["start_a_s"]) <= float(row["start_b_s"])
        assert float(row["travel_s"]) == pytest.approx(float(row["start_b_s"]) - float(row["end_a_s"]), abs=0.0015)
    run = json.loads((small_run / "run.json").read_text())
    assert run["state"] == "complete"
    assert run["score"]["idf1"] > 0.5
    assert verify_run(small_run)[-1].endswith("boxes")


def test_the_same_command_again_does_nothing(small_run: Path, small_world: Path) -> None:
    kept = [p for p in small_run.rglob("*") if p.is_file() and p.suffix != ".json" and p.name != ".lock"]
    before = {p: p.stat().st_mtime_ns for p in kept}
    start = time.monotonic()
    done = run_command("--videos", small_world / "cams", "--detections", small_world / "det", "--out", small_run,
                       "--truth", small_world / "ground_truth.txt", "--embedder", "colour-texture")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cross-camera IDF1" in done.stdout
    after = {p: p.stat().st_mtime_ns for p in before}
    assert {p for p in before if after[p] != before[p]} == set()
    assert time.monotonic() - start < 30


def test_a_changed_setting_redoes_only_what_depends_on_it(small_run: Path, small_world: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(small_run, out)
    before = {p: p.stat().st_mtime_ns for p in (out / "cameras").rglob("*.parquet")}
    done = run_command("--videos", small_world / "cams", "--detections", small_world / "det", "--out", out,
                       "--embedder", "colour-texture", "--min-probability", "0.99")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {p: p.stat().st_mtime_ns for p in (out / "cameras").rglob("*.parquet")} == before
    done = run_command("--videos", small_world / "cams", "--detections", small_world / "det", "--out", out,
                       "--embedder", "colour-texture", "--set", "tracking.lost_s=0.5")  # fmt: skip
    assert done.returncode == 0, done.stderr
    changed = {p.name for p in before if p.stat().st_mtime_ns != before[p]}
    assert changed == {"pieces.parquet", "boxes.parquet", "tracklets.parquet"}


@pytest.mark.parametrize("workers", ["1", "3"])
def test_results_do_not_depend_on_the_number_of_workers(
    small_run: Path, small_world: Path, tmp_path: Path, workers: str
) -> None:
    done = run_command("--videos", small_world / "cams", "--detections", small_world / "det", "--out", tmp_path / "r",
                       "--embedder", "colour-texture", "--workers", workers)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path / "r") == files_below(small_run)


def test_a_killed_run_goes_on_to_the_same_bytes(small_run: Path, small_world: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, str(ROOT / "tools" / "run_cameras.py"), "--videos", str(small_world / "cams"),
               "--detections", str(small_world / "det"), "--out", str(out), "--embedder", "colour-texture",
               "--set", "process.commit_s=0.0"]  # fmt: skip
    for pause_s in (2.5, 3.5):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(pause_s)
            os.kill(process.pid, signal.SIGKILL)
    done = run_command(*command[2:])
    assert done.returncode == 0, done.stderr
    assert files_below(out) == files_below(small_run)
    verify_run(out)


def test_one_broken_camera_never_stops_the_others(small_world: Path, tmp_path: Path) -> None:
    cams = tmp_path / "cams"
    shutil.copytree(small_world / "cams", cams)
    (cams / "c002.mp4").write_bytes(b"not a video at all")
    done = run_command("--videos", cams, "--detections", small_world / "det", "--out", tmp_path / "run",
                       "--embedder", "colour-texture")  # fmt: skip
    assert done.returncode == 3
    assert "failed: c002" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "matches.csv").exists()
    assert set(json.loads((tmp_path / "run" / "run.json").read_text())["cameras"]) == {"c001", "c003"}


def test_dry_run_writes_nothing(small_world: Path, tmp_path: Path) -> None:
    done = run_command("--videos", small_world / "cams", "--detector", "motion", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("detect, track, embed") == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "words"), [
    (["--videos", "nowhere"], "nowhere"),
    (["--videos", ".", "--detectr", "motion"], "did you mean --detector?"),
    (["--videos", ".", "--set", "tracking.lots_s=1"], "Did you mean lost_s"),
    (["--videos", "."], "at least one video"),
    (["--videos", ".", "--min-probability", "2"], "0 to 1"),
])  # fmt: skip
def test_mistakes_get_a_sentence(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = run_command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_help_answers_at_once() -> None:
    start = time.monotonic()
    done = run_command("--help")
    assert done.returncode == 0
    assert "--videos" in done.stdout
    # Under a second on an idle machine; the bound leaves room for a busy one. What must not be imported is exact:
    assert time.monotonic() - start < 5
    program = (
        "import sys, mtmc.cli\ntry:\n mtmc.cli.main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'torch', 'cv2', 'av', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip().endswith("[]")


def test_no_torch_without_a_network(small_world: Path, tmp_path: Path) -> None:
    """Recorded boxes and the weight-free embedder never import torch (checked in the parent and, through it, by
    running the jobs in this very process)."""
    program = f"""
import sys
from mtmc.executors import local
real = local.run_jobs
local.run_jobs = lambda factory, setup, jobs, n, *rest, **named: real(factory, setup, jobs, 0, *rest, **named)
from mtmc.cli import main
code = main(["--videos", {str(small_world / "cams")!r}, "--detections", {str(small_world / "det")!r},
             "--out", {str(tmp_path / "run")!r}, "--embedder", "colour-texture"])
assert code == 0, code
assert "torch" not in sys.modules and "ultralytics" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr

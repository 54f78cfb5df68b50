"""What a run leaves when it is killed, and what it does when something changed in between (matrix D1, D12 to D15, E7).

Whatever happened before, the same command ends with the same bytes as a run that was never disturbed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from mtmc.verification import verify_run
from tests.faults import footage
from tests.faults.background import ahead_on_path, committed, run_here, started
from tests.faults.conftest import World
from tests.running import files_below

DYING = Path(__file__).parent / "dying"
COMMITS = ("--set", "process.commit_s=0.05")


def finish(world: World, out: Path, *more: str) -> None:
    """Run the command to its end and hold the result to the undisturbed one."""
    done = run_here(*world.arguments(out, *more))
    assert done.returncode == 0, done.stderr
    assert files_below(out) == world.files
    verify_run(out)


def killed_at_random(world: World, out: Path, kills: int, seed: int) -> None:
    """Start the command again and again and `kill -9` it with all its workers, at moments over the whole of its run;
    now and then only the command or only one worker."""
    chance, whole_s = random.Random(seed), 4.0
    for _ in range(kills):
        begun = time.monotonic()
        with started(*world.arguments(out, *COMMITS)) as command:
            until = begun + chance.uniform(0.2, whole_s)
            while time.monotonic() < until and command.process.poll() is None:
                time.sleep(0.005)
            if command.process.poll() is not None:
                whole_s = max(1.0, time.monotonic() - begun)  # it was faster than the kill: aim earlier
                shutil.rmtree(out)
                continue
            victim = chance.choice(["all", "all", "command", "worker"])
            workers = command.workers()
            if victim == "all" or (victim == "worker" and not workers):
                command.kill_all()
            elif victim == "command":
                os.kill(command.process.pid, signal.SIGKILL)
            else:
                chance.choice(workers).kill()
                command.finish()


def test_killed_at_any_moment_it_ends_with_the_same_bytes(long: World, tmp_path: Path) -> None:
    killed_at_random(long, tmp_path / "run", kills=4, seed=1)
    finish(long, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_thirty_times(long: World, tmp_path: Path, seed: int) -> None:
    killed_at_random(long, tmp_path / "run", kills=3, seed=100 + seed)
    finish(long, tmp_path / "run")


@pytest.mark.slow
def test_killed_with_a_network_it_ends_with_the_same_bytes(long: World, tmp_path: Path) -> None:
    """E13: crops go through a network in batches of one size, whatever was embedded before the kill."""
    from tests.faults.test_models import weights_file

    network = ("--weights", str(weights_file(tmp_path / "w.safetensors")), "--embedder", "multilevel")
    assert run_here(*long.arguments(tmp_path / "whole", *network)).returncode == 0
    for wanted in (1, 3):
        with started(*long.arguments(tmp_path / "run", *COMMITS, *network)) as command:
            command.wait_for(lambda wanted=wanted: committed(tmp_path / "run", "a", "detections") >= wanted)
            command.kill_all()
    assert run_here(*long.arguments(tmp_path / "run", *network)).returncode == 0
    assert files_below(tmp_path / "run") == files_below(tmp_path / "whole")


def dies_at(world: World, out: Path, step: int, role: str) -> int:
    """The exit code of a run whose process of `role` kills itself at a step of its commits. All hundred frames go
    through in two batches with a commit behind each, so that steps do not depend on time and the last commit falls
    just before the close."""
    environment = {**ahead_on_path(DYING), "MTMC_TEST_DIE_AT": str(step), "MTMC_TEST_DIE_AS": role,
                   "MTMC_TEST_DIE_BELOW": str(out)}  # fmt: skip
    steady = ("--set", "process.commit_s=0", "--set", "detector.batch_size=50")
    if role == "worker":
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)  # what is started from here inherits it
            code, stderr = (done := run_here(*world.arguments(out, *steady))).returncode, done.stderr
    else:
        with started(*world.arguments(out, *steady), environment=environment) as command:
            code, _, stderr = command.finish()
    assert "Traceback" not in stderr
    if code == 3:
        assert "the process died of SIGKILL" in stderr
    return code


@pytest.mark.parametrize(("role", "step"), [
    ("worker", 8),  # all frames are committed, and nothing is left to be written when the resumed run closes
    ("worker", 12),  # the chunks are merged, but the manifest still names them
    ("worker", 43),  # in the middle of the crops
    ("parent", 16),  # tables without a report
])  # fmt: skip
def test_killed_between_two_steps_of_a_commit(single: World, tmp_path: Path, role: str, step: int) -> None:
    assert dies_at(single, tmp_path / "run", step, role) == (3 if role == "worker" else -signal.SIGKILL)
    finish(single, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("role", ["worker", "parent"])
def test_killed_at_every_step_of_a_commit(single: World, tmp_path: Path, role: str) -> None:
    step = 1
    while dies_at(single, tmp_path / f"run{step}", step, role) != 0:
        finish(single, tmp_path / f"run{step}")
        shutil.rmtree(tmp_path / f"run{step}")
        step += 1
    assert step > 15


@pytest.fixture
def copy(small: World, tmp_path: Path) -> World:
    """The finished run over three cameras, with inputs of its own, to be changed."""
    for name in ("cams", "det", "out"):
        shutil.copytree(getattr(small, name), tmp_path / name)
    return World(tmp_path / "cams", tmp_path / "det", tmp_path / "out", small.files)


def changed_stages(world: World, *more: str | Path, environment: dict[str, str] | None = None) -> set[str]:
    """`camera/file` of all that the command wrote anew."""

    def stamps() -> dict[str, int]:
        paths = (path for path in (world.out / "cameras").rglob("*") if path.suffix in (".parquet", ".npy"))
        return {str(path.relative_to(world.out / "cameras")): path.stat().st_mtime_ns for path in paths}

    before = stamps()
    if environment:
        with started(*world.arguments(world.out, *more), environment=environment) as command:
            found, _, stderr = command.finish()
    else:
        found, stderr = (done := run_here(*world.arguments(world.out, *more))).returncode, done.stderr
    assert found == 0, stderr
    return {name for name, stamp in stamps().items() if before.get(name) != stamp}


_TRACKLETS = {"boxes.parquet", "tracklets.parquet", "features.npy", "image_features.npy"}
_PIECES = {"pieces.parquet", "frame_times.npy", *_TRACKLETS}
_ALL = {"detections.parquet", *_PIECES}


def of(cameras: str, names: set[str]) -> set[str]:
    return {f"{camera}/{name}" for camera in cameras for name in names}


def test_nothing_changed_nothing_done(copy: World) -> None:
    for path in (*copy.cams.iterdir(), *copy.det.iterdir()):
        os.utime(path)  # a touch or a copy is no change
    assert changed_stages(copy) == set()


def test_changed_inputs_redo_what_depends_on_them(copy: World) -> None:
    """One byte in the middle of one video; the boxes of another camera; a third camera's clock; one camera more."""
    video = copy.cams / "a.mp4"
    data = bytearray(video.read_bytes())
    data[len(data) // 2] ^= 1
    video.write_bytes(data)
    footage.boxes(copy.det / "b.txt", 90)
    rules = copy.cams.parent / "cameras.yaml"
    rules.write_text("cameras: {c: {start_s: 5.0}}\n")
    shutil.copy(copy.cams / "c.mp4", copy.cams / "d.mp4")
    shutil.copy(copy.det / "c.txt", copy.det / "d.txt")
    assert changed_stages(copy, "--cameras", rules) == of("abd", _ALL) | of("c", _PIECES)
    assert verify_run(copy.out)
    fresh = copy.cams.parent / "fresh"
    assert run_here(*copy.arguments(fresh, "--cameras", rules)).returncode == 0
    assert files_below(copy.out) == files_below(fresh)


def test_changed_settings_redo_what_depends_on_them(copy: World) -> None:
    assert changed_stages(copy, "--set", "matching.min_probability=0.9") == set()
    assert changed_stages(copy, "--set", "gates.min_s=0.3") == of("abc", _TRACKLETS)
    assert changed_stages(copy, "--set", "tracking.lost_s=1.25") == of("abc", _PIECES)
    assert changed_stages(copy, "--set", "detector.min_score=0.5") == of("abc", _ALL)
    finish(copy, copy.out)


def test_another_version_of_a_library_redoes_everything(copy: World, tmp_path: Path) -> None:
    newer = tmp_path / "newer" / "trackers-99.0.dist-info"
    newer.mkdir(parents=True)
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: trackers\nVersion: 99.0\n")
    assert changed_stages(copy, environment=ahead_on_path(newer.parent)) == of("abc", _ALL)


def test_bit_rot_leftovers_and_lost_files_are_mended(copy: World) -> None:
    """One bit in a table of one camera, a lost file of another, a broken manifest of the third; stray files."""
    camera = copy.out / "cameras"
    table = camera / "a" / "pieces.parquet"
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(data)
    (camera / "b" / "features.npy").unlink()
    (camera / "c" / "manifest.json").write_text('{"format": 1, "stages": []}')
    for stray in ("a/.partial-1.npy", "a/detections-000007.parquet", "b/crops/999999_0.jpg", "b/crops/.partial-2.jpg"):
        (camera / stray).write_bytes(b"left over")
    (copy.out / ".partial-run.json").write_bytes(b"left over")
    (copy.out / "matches.csv").write_text("camera_a\n")
    (copy.out / "mot" / "a.txt").unlink()
    redone = changed_stages(copy)
    assert redone == of("a", _PIECES) | of("b", _TRACKLETS) | of("c", _ALL)
    assert files_below(copy.out) == copy.files
    verify_run(copy.out)


def test_a_tampered_manifest_deletes_nothing_outside(copy: World) -> None:
    precious = copy.out.parent / "precious.txt"
    precious.write_text("keep me")
    path = copy.out / "cameras" / "a" / "manifest.json"
    manifest = json.loads(path.read_text())
    for stage in manifest["stages"].values():
        stage["key"] = "another"
        stage["files"].append({"name": "../../../precious.txt", "bytes": 7, "sha256": "0" * 64})
    path.write_text(json.dumps(manifest))
    finish(copy, copy.out)
    assert precious.read_text() == "keep me"


def test_one_cameras_results_deleted(copy: World) -> None:
    shutil.rmtree(copy.out / "cameras" / "b")
    assert changed_stages(copy) == of("b", _ALL)
    assert files_below(copy.out) == copy.files

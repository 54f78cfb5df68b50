"""The real command on a Ray cluster of this machine: the same bytes as without it, also when workers are killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from mtmc.demo_world import write_world
from tests.faults.background import Background, committed, gone, started
from tests.running import files_below, run_command

pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: the cluster is not tested (pip install '.[ray]')")
pytestmark = pytest.mark.slow

CAMERAS = ("c001", "c002", "c003")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cameras; one of them cannot be read."""
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, "small", seed=3, workers=os.cpu_count() or 1)
    (folder / "cams" / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42 but no more")
    (folder / "det" / "broken.txt").write_text("1,-1,10,10,50,50,0.9,-1,-1,-1\n")
    return folder


def arguments(world: Path, out: Path, *more: str) -> list[str | Path]:
    return ["--videos", world / "cams", "--detections", world / "det", "--out", out, "--embedder", "colour-texture",
            "--set", "process.commit_s=0.05", *more]  # fmt: skip


@pytest.fixture(scope="module")
def local_files(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("local") / "run"
    assert run_command(*arguments(world, out)).returncode == 3
    return files_below(out)


def test_the_same_files_as_on_this_machine_alone(
    world: Path, local_files: dict[str, bytes], tmp_path: Path
) -> None:
    """Relative paths, two workers, a video that fails: the other machine has another current folder."""
    os.symlink(world, tmp_path / "w")
    options = ["--executor", "ray", "--workers", "2"]
    done = run_command(*arguments(Path("w"), Path("run"), *options), cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "failed: broken:" in done.stderr
    assert files_below(tmp_path / "run") == local_files
    assert not list((tmp_path / "run").glob(".partial*"))


def until_at_work(command: Background, out: Path) -> None:
    """Return once a camera has committed something. Ray starts half a dozen processes first: minutes if it is busy."""
    deadline = time.monotonic() + 300
    while not any(committed(out, camera, "detections") > 1 for camera in CAMERAS):
        assert command.process.poll() is None, f"the command ended too early: {command.process.communicate()[1]}"
        assert time.monotonic() < deadline, "it never got there"
        time.sleep(0.01)


def end_of(command: Background) -> tuple[int, str]:
    """(exit code, stderr) once it has ended."""
    stderr = command.process.communicate(timeout=600)[1]
    return command.process.returncode, stderr


def ray_processes(parent: psutil.Process) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """(Ray's task processes, our camera processes in them) that are alive below a command."""
    tasks, cameras = [], []
    for process in parent.children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "spawn_main" in line:
            cameras.append(process)
        elif line.startswith("ray::mtmc"):
            tasks.append(process)
    return tasks, cameras


@pytest.mark.parametrize("victim", ["task", "camera process"])
def test_killed_workers_cost_nothing_but_time(
    victim: str, local_files: dict[str, bytes], world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with started(*arguments(world, out, "--executor", "ray", "--workers", "2")) as command:
        until_at_work(command, out)
        tasks, cameras = ray_processes(psutil.Process(command.process.pid))
        (tasks if victim == "task" else cameras)[0].kill()
        code, stderr = end_of(command)
    assert "try 2 of 3" in stderr
    assert code == 3
    assert "1 of 4 cameras failed" in stderr
    assert files_below(out) == local_files


def test_a_signal_ends_the_run_and_its_cluster(world: Path, local_files: dict[str, bytes], tmp_path: Path) -> None:
    """What was committed is kept, also for a run without Ray."""
    out = tmp_path / "run"
    with started(*arguments(world, out, "--executor", "ray", "--workers", "2")) as command:
        until_at_work(command, out)
        processes = psutil.Process(command.process.pid).children(recursive=True)
        command.process.send_signal(signal.SIGTERM)
        code, stderr = end_of(command)
    assert code == 143, stderr
    assert stderr.strip() == "terminated: what was finished is kept; the same command continues"
    assert gone(processes, within_s=10)
    assert run_command(*arguments(world, out)).returncode == 3
    assert files_below(out) == local_files

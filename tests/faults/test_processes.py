"""What can happen to the processes of a run: signals, crashes, hangs, no memory, two runs at once (matrix D)."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from mtmc.verification import verify_run
from tests.faults.background import committed, gone, run_here, started
from tests.faults.conftest import World
from tests.running import files_below, run_command

COMMIT_OFTEN = ("--set", "process.commit_s=0.1", "--workers", "2")


def state(out: Path) -> str:
    return str(json.loads((out / "run.json").read_text())["state"])


@pytest.mark.parametrize(("number", "code", "word"), [
    (signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"),
])  # fmt: skip
def test_a_signal_keeps_what_is_committed_and_leaves_no_process(
    long: World, tmp_path: Path, number: int, code: int, word: str
) -> None:
    out = tmp_path / "run"
    with started(*long.arguments(out, *COMMIT_OFTEN)) as command:
        command.wait_for(lambda: committed(out, "a", "detections") > 1 and committed(out, "b", "detections") > 1)
        workers = command.workers()
        assert len(workers) == 2
        if number == signal.SIGINT:
            os.killpg(command.process.pid, number)  # Ctrl-C reaches the whole group
        else:
            command.process.send_signal(number)
        sent = time.monotonic()
        found, _, stderr = command.finish()
        assert time.monotonic() - sent < 15
        assert gone(workers, within_s=5)
    assert found == code
    assert stderr.strip() == f"{word}: what was finished is kept; the same command continues"
    assert state(out) == "interrupted"
    assert committed(out, "a", "detections") > 1
    again = run_here(*long.arguments(out))
    assert again.returncode == 0, again.stderr
    assert files_below(out) == long.files
    verify_run(out)


def test_ctrl_c_while_workers_still_start(long: World, tmp_path: Path) -> None:
    with started(*long.arguments(tmp_path / "run", *COMMIT_OFTEN)) as command:
        command.wait_for(lambda: bool(command.workers()))
        os.killpg(command.process.pid, signal.SIGINT)
        code, _, stderr = command.finish()
    assert code == 130
    assert stderr.strip() == "interrupted: what was finished is kept; the same command continues"


def test_workers_leave_with_their_parent(long: World, tmp_path: Path) -> None:
    """The parent alone is killed, and one of its workers hangs at that moment."""
    out = tmp_path / "run"
    with started(*long.arguments(out, *COMMIT_OFTEN)) as command:
        command.wait_for(lambda: committed(out, "a", "detections") > 0 and committed(out, "b", "detections") > 0)
        workers = command.workers()
        os.kill(command.process.pid, signal.SIGKILL)
        assert gone(workers, within_s=10)
        command.finish()
    assert run_here(*long.arguments(out)).returncode == 0
    assert files_below(out) == long.files


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_worker_that_dies_costs_its_camera(long: World, tmp_path: Path, number: int) -> None:
    out = tmp_path / "run"
    with started(*long.arguments(out, "--set", "process.commit_s=0.1", "--workers", "1")) as command:
        command.wait_for(lambda: committed(out, "a", "detections") > 0)
        (worker,) = command.workers()
        worker.send_signal(number)
        code, _, stderr = command.finish()
    assert code == 3
    assert f"failed: a: the process died of {signal.Signals(number).name}" in stderr
    assert "Traceback" not in stderr
    run = json.loads((out / "run.json").read_text())
    assert run["state"] == "partial"
    assert list(run["cameras"]) == ["b"]
    verify_run(out)
    assert {n: d for n, d in files_below(out).items() if n.startswith("cameras/b/")} == \
        {n: d for n, d in long.files.items() if n.startswith("cameras/b/")}  # fmt: skip
    assert run_here(*long.arguments(out)).returncode == 0
    assert files_below(out) == long.files


def test_a_worker_that_hangs_is_stopped_by_the_watchdog(long: World, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with started(*long.arguments(out, *COMMIT_OFTEN, "--set", "process.hang_s=6")) as command:
        command.wait_for(lambda: committed(out, "a", "detections") > 0 and committed(out, "b", "detections") > 0)
        hung = command.workers()[0]
        hung.suspend()
        code, _, stderr = command.finish()
        assert gone([hung], within_s=1)
    assert code == 3
    assert "no sign of life for 6 s; the process was stopped" in stderr
    assert len(json.loads((out / "run.json").read_text())["cameras"]) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit, to take memory from another process")
def test_a_worker_without_memory_costs_its_camera(long: World, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with started(*long.arguments(out, "--set", "process.commit_s=0.1", "--workers", "1")) as command:
        command.wait_for(lambda: committed(out, "a", "detections") > 0)
        (worker,) = command.workers()
        resource.prlimit(worker.pid, resource.RLIMIT_AS, (worker.memory_info().vms,) * 2)
        code, _, stderr = command.finish()
    assert code == 3
    # Not "cannot be shown as RGB", not a damaged packet: the file is good. A library's own code, which runs in threads
    # beside Python, may also crash where it is given no memory; that is told as what it is.
    # Such code may also say something of its own before.
    (told,) = (line for line in stderr.splitlines() if line.startswith("failed: "))
    assert re.fullmatch(r"failed: a: (out of memory|the process died of SIG(SEGV|ABRT|BUS) \(out of memory.*)", told)
    assert list(json.loads((out / "run.json").read_text())["cameras"]) == ["b"]  # by a worker that has memory
    verify_run(out)


def test_a_second_run_into_the_folder_is_refused(long: World, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with started(*long.arguments(out, *COMMIT_OFTEN)) as command:
        command.wait_for(lambda: committed(out, "a", "detections") > 0)
        second = run_command(*long.arguments(out))
        assert second.returncode == 4
        assert f"found process {command.process.pid} on" in second.stderr
        assert second.stderr.count("\n") == 1
        assert command.finish()[0] == 0
    assert files_below(out) == long.files
    assert not psutil.pid_exists(command.process.pid)

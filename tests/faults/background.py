"""The real command in the background, so that a test can do something to it while it works; and in this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from tests.running import ROOT

_PATIENCE_S = 60.0  # on a machine that is busy with other things


def command_line(*arguments: str | Path) -> list[str]:
    """What a user would type."""
    return [sys.executable, str(ROOT / "tools" / "run_cameras.py"), *map(str, arguments)]


def run_here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command as `tests.running.run_command`, but in this process, where its imports are paid for once; its camera
    processes are real. For what follows a fault; what a fault must hit is started as users start it."""
    from mtmc.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*map(str, arguments), "--quiet"])
    return subprocess.CompletedProcess(list(map(str, arguments)), code, out.getvalue(), err.getvalue())


class Background:
    """A started command. Its processes are its own group, like those of a shell's job."""

    def __init__(self, *arguments: str | Path, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command_line(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip

    def workers(self) -> list[psutil.Process]:
        """Its camera processes that are alive (not multiprocessing's own helper)."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children(recursive=True)
            return [child for child in children if "spawn_main" in " ".join(_command_line(child))]
        return []

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Return once `ready()`; fail where the command ends before."""
        deadline = time.monotonic() + _PATIENCE_S
        while not ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the command ended too early: {self.process.communicate()[1]}")
            assert time.monotonic() < deadline, "it never got there"
            time.sleep(0.005)

    def kill_all(self) -> None:
        """`kill -9` for the command and all its workers at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.finish()

    def finish(self) -> tuple[int, str, str]:
        """(exit code, stdout, stderr) once it has ended."""
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err


@contextlib.contextmanager
def started(*arguments: str | Path, environment: dict[str, str] | None = None) -> Iterator[Background]:
    """A `Background` that leaves nothing behind, however the test ends."""
    command = Background(*arguments, environment=environment)
    try:
        yield command
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(command.process.pid, signal.SIGKILL)
        if command.process.poll() is None:
            command.process.communicate()


def committed(out: Path, camera: str, stage: str = "pieces") -> int:
    """How many files of a stage a camera has committed so far."""
    try:
        stages = json.loads((out / "cameras" / camera / "manifest.json").read_text())["stages"]
    except (OSError, ValueError, KeyError):
        return 0
    return len(stages.get(stage, {}).get("files", []))


def ahead_on_path(folder: Path) -> dict[str, str]:
    """The environment in which Python looks into `folder` first."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))}


def gone(processes: list[psutil.Process], within_s: float) -> bool:
    """Whether none of the processes is alive any more, at the latest after some seconds."""
    return not psutil.wait_procs(processes, timeout=within_s)[1]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []

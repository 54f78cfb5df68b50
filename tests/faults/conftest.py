"""Footage shared by the fault tests, made once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults import footage
from tests.faults.footage import SETTINGS
from tests.running import files_below, run_command


@dataclass(frozen=True)
class World:
    """`cams` and `det` of a few cameras, and a finished run over them, kept unchanged."""

    cams: Path
    det: Path
    out: Path
    files: dict[str, bytes]
    workers: int = 1

    def arguments(self, out: Path, *more: str | Path) -> list[str | Path]:
        """The command that made `self.out`, into another folder."""
        inputs = ["--videos", self.cams, "--detections", self.det, "--out", out]
        return [*inputs, *SETTINGS, "--workers", str(self.workers), *more]


def _world(folder: Path, seconds: dict[str, float], workers: int = 1) -> World:
    (folder / "cams").mkdir()
    for name, length_s in seconds.items():
        footage.long_clip(folder / "cams" / f"{name}.mp4", length_s)
        footage.boxes(folder / "det" / f"{name}.txt", round(length_s * footage.RATE_HZ))
    world = World(folder / "cams", folder / "det", folder / "out", {}, workers)
    done = run_command(*world.arguments(world.out))
    assert done.returncode == 0, done.stderr
    return replace(world, files=files_below(world.out))


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One camera of 4 s: where more would show no more."""
    return _world(tmp_path_factory.mktemp("single"), {"a": 4})


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three cameras of 4 s."""
    return _world(tmp_path_factory.mktemp("small"), {"a": 4, "b": 4, "c": 4})


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two cameras of 80 s: long enough to do something to a run while it works."""
    return _world(tmp_path_factory.mktemp("long"), {"a": 80, "b": 80}, workers=2)

"""A small rendered world and a run on it, shared by the tests of the whole road."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mtmc.demo_world import write_world
from tests.running import run_command


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cameras, ten vehicles, 25 s each: `cams/`, `det/`, `ground_truth.txt`."""
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, "small", seed=3, workers=os.cpu_count() or 1)
    return folder


@pytest.fixture(scope="session")
def small_run(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run on the small world's recorded boxes; to be left as it is."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    done = run_command("--videos", small_world / "cams", "--detections", small_world / "det", "--out", out,
                       "--truth", small_world / "ground_truth.txt", "--embedder", "colour-texture")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cross-camera IDF1" in done.stdout
    return out

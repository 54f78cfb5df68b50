"""A run's work as executors get it, with nothing behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.registry import ResolvedDetector
from mtmc.camera_job import CameraJob, WorkerSetup
from mtmc.cameras import plain_camera
from mtmc.executors.executor import CameraWork
from mtmc.run_config import ProcessConfig, RunConfig
from mtmc.run_store import RunStore


@pytest.fixture
def work(tmp_path: Path) -> CameraWork:
    """Three cameras, three tries each, two at a time."""
    store = RunStore(tmp_path / "run")
    store.create()
    setup = WorkerSetup(ResolvedDetector("motion", "", "motion-1", ""), RunConfig(), 1, True)
    jobs = []
    for name in ("a", "b", "c"):
        video = tmp_path / f"{name}.mp4"
        video.write_bytes(b"a video")
        jobs.append(CameraJob(plain_camera(name, video), store.camera_folder(name), {}))
    return CameraWork(setup, tuple(jobs), 2, ProcessConfig(workers=2, attempts=3, executor="ray"), store)

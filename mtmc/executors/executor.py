"""What an executor is: it takes a run's camera jobs and answers each with an `Outcome`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mtmc.camera_job import CameraJob, WorkerSetup
from mtmc.machine import Network
from mtmc.run_config import ProcessConfig
from mtmc.run_store import RunStore
from mtmc.workers import Outcome
from reid_models.registry import weights_of

OnProgress = Callable[[int, dict[str, Any]], None]
OnOutcome = Callable[[Outcome], None]


@dataclass(frozen=True)
class CameraWork:
    """The C jobs of a run and how they may be spread. workers: camera processes at a time that suit this machine."""

    setup: WorkerSetup
    jobs: tuple[CameraJob, ...]
    workers: int
    process: ProcessConfig
    store: RunStore


def network_in_worker(setup: WorkerSetup) -> Network:
    """What runs networks in a camera process, which decides how much memory it needs."""
    embedder = setup.config.embedder
    embeds = weights_of(embedder) is not None
    if setup.detector.kind in ("ultralytics", "torchvision") or (embeds and embedder.backend in ("auto", "torch")):
        return "torch"
    return "runtime" if embeds or setup.detector.kind == "onnx" else "none"


class Executor(Protocol):
    """Carries out camera jobs. Whichever it is, a camera's folder ends with the same bytes."""

    def run(self, work: CameraWork, on_progress: OnProgress, on_outcome: OnOutcome) -> None:
        """Answer every job once, by its number, in any order. The work is done in other processes; the two functions
        are called in this one. `on_outcome` may raise to end the run."""
        ...

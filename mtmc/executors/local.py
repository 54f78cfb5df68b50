"""A pool of long-lived processes on this machine."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from mtmc.camera_job import CameraWorker
from mtmc.executors.executor import CameraWork, OnOutcome, OnProgress
from mtmc.machine import usable_cores
from mtmc.model_service.models import RunModels
from mtmc.model_service.starting import running_service, worth_sharing
from mtmc.overlap import SpareCores
from mtmc.workers import Outcome, run_jobs


class LocalExecutor:
    """`workers` processes, each with its own models (or the shared ones), one camera at a time in each."""

    def run(self, work: CameraWork, on_progress: OnProgress, on_outcome: OnOutcome) -> None:
        """See `Executor.run`."""
        models, setup = RunModels(work.setup.detector, work.setup.config), work.setup
        with contextlib.ExitStack() as leaving:
            if worth_sharing(models, work.process.shared_models):
                service = leaving.enter_context(running_service(models, models.detects, models.embeds))
                setup = replace(setup, service=service)
            elif not worth_sharing(models, "auto"):  # networks, if any, run on the cores
                setup = replace(setup, spare=(spare := SpareCores()))
                on_outcome = _telling(spare, work, on_outcome)
            # Networks have their own setting; NumPy's products are small, and their last bits follow the number of
            # threads.
            run_jobs(
                CameraWorker, setup, work.jobs, work.workers, on_progress, on_outcome, work.process.hang_s, threads=1
            )


def _telling(spare: SpareCores, work: CameraWork, on_outcome: OnOutcome) -> OnOutcome:
    """`on_outcome`, and the workers learn whether fewer cameras are left than cores."""
    cores, left = usable_cores(), len(work.jobs)
    spare.tell(min(work.workers, left) < cores)

    def noted(outcome: Outcome) -> None:
        nonlocal left
        left -= 1
        spare.tell(min(work.workers, left) < cores)
        on_outcome(outcome)

    return noted

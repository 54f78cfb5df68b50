"""A pool of long-lived processes on this machine."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from mtmc.camera_job import CameraWorker
from mtmc.executors.executor import CameraWork, OnOutcome, OnProgress
from mtmc.model_service.models import RunModels
from mtmc.model_service.starting import running_service, worth_sharing
from mtmc.workers import run_jobs


class LocalExecutor:
    """`workers` processes, each with its own models (or the shared ones), one camera at a time in each."""

    def run(self, work: CameraWork, on_progress: OnProgress, on_outcome: OnOutcome) -> None:
        """See `Executor.run`."""
        models, setup = RunModels(work.setup.detector, work.setup.config), work.setup
        with contextlib.ExitStack() as leaving:
            if worth_sharing(models, work.process.shared_models):
                service = leaving.enter_context(running_service(models, models.detects, models.embeds))
                setup = replace(setup, service=service)
            # Networks have their own setting; NumPy's products are small, and their last bits follow the number of
            # threads.
            run_jobs(
                CameraWorker, setup, work.jobs, work.workers, on_progress, on_outcome, work.process.hang_s, threads=1
            )

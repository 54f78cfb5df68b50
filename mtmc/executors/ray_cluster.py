"""Each camera's job as a task of a Ray cluster, against a file system that all its machines share.

A task is a thin shell: on whatever machine Ray starts it, it runs the job in a process of its own exactly as the local
pool does (same environment, same watchdog), so a camera's folder ends with the same bytes. The only thing that comes
back is the outcome; results are files. Where a process or a machine dies, the camera is tried again, and goes on from
what it had committed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtmc.camera_job import CameraJob, CameraWorker, WorkerSetup
from mtmc.errors import EXIT_PARTIAL, ConfigError, MtmcError
from mtmc.executors.executor import CameraWork, OnOutcome, OnProgress, network_in_worker
from mtmc.executors.shared_folder import Meeting, OtherMachineError, meeting, with_absolute_paths
from mtmc.machine import MIB, memory_of_worker_mib
from mtmc.run_store import LOCK_NAME, lock_file
from mtmc.workers import Outcome, environment, run_jobs, undisturbed

_STORE_MIB = 100  # of a cluster started here: only jobs and outcomes go through Ray's store
# A machine that vanished keeps its locks on a network file system until its lease ends; NFS 4 gives 90 s.
_LEASE_S = 150.0
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
_MOST_STARTS = 3
_log = logging.getLogger(__name__)


class RayExecutor:
    """Tasks on the cluster of `process.ray_address`, else the one RAY_ADDRESS or `ray start` names, else one that is
    started on this machine for this run. Raises `ConfigError` where Ray is not installed or the cluster not there."""

    def __init__(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a run sends nothing to anybody
        try:
            import ray
        except ImportError as error:
            raise ConfigError("--executor ray", "Ray", "not installed", "pip install '.[ray]'") from error
        self._ray: Any = ray

    def run(self, work: CameraWork, on_progress: OnProgress, on_outcome: OnOutcome) -> None:
        """See `Executor.run`. News of progress stay on the machines; only outcomes come back."""
        if work.setup.vault.sealed:
            raise ConfigError("--executor ray", "no --encrypt beside it", "--encrypt",
                              "The key would travel through Ray's store: run encrypted on one machine.")  # fmt: skip
        with _cluster(self._ray, work) as started_here, meeting(work.store) as note:
            options = _needs_of(work, started_here)
            if not started_here:
                _warn_where_nothing_fits(self._ray, options)
            _Tasks(self._ray, work, note, options, on_outcome).run()


class _Tasks:
    """The tasks of one run: started, waited for, started again where their process died."""

    def __init__(
        self, ray: Any, work: CameraWork, note: Meeting, options: dict[str, Any], on_outcome: OnOutcome
    ) -> None:
        self._ray, self._work, self._note, self._on_outcome = ray, work, note, on_outcome
        # Tries are counted here, so that a video that kills every process ends, and says so, like any other failure.
        self._task = ray.remote(max_retries=0, **options)(_carry_out)
        self._waiting = [(number, 1) for number in range(len(work.jobs))][::-1]
        self._running: dict[Any, tuple[int, int]] = {}

    def run(self) -> None:
        most = self._work.process.workers or len(self._waiting)
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < most:
                    self._start(*self._waiting.pop())
                with undisturbed():  # what a signal raises inside Ray's own code would come out as another error
                    ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=0.5)
                for reference in ready:
                    number, attempt = self._running.pop(reference)
                    self._note_outcome(self._outcome(reference, number), attempt)
        finally:
            for reference in self._running:
                with contextlib.suppress(Exception):  # the cluster may be gone, which is why we are here
                    self._ray.cancel(reference, force=True)

    def _start(self, number: int, attempt: int) -> None:
        setup, job = with_absolute_paths(self._work.setup, self._work.jobs[number])
        task = self._task.options(name=f"mtmc {job.camera.camera_id}")  # shown by `ps` and by Ray's own tools
        reference = task.remote(setup, job, self._note, self._work.process.hang_s, attempt)
        self._running[reference] = (number, attempt)

    def _outcome(self, reference: Any, number: int) -> Outcome:
        exceptions = self._ray.exceptions
        try:
            answer: Outcome = self._ray.get(reference)
        except exceptions.RayTaskError as error:  # our own code failed outside the job, or is not there
            return Outcome(number, None, _first_line(error.cause), EXIT_PARTIAL, str(error))
        except (exceptions.RuntimeEnvSetupError, exceptions.TaskUnschedulableError) as error:
            return Outcome(number, None, _first_line(error), EXIT_PARTIAL, "", of_setup=True)
        except exceptions.RayError as error:  # the process, its machine or its memory
            return Outcome(number, None, _first_line(error), EXIT_PARTIAL, "", died=True)
        return Outcome(number, answer.value, answer.error, answer.exit_code, answer.trace, answer.of_setup, answer.died)

    def _note_outcome(self, outcome: Outcome, attempt: int) -> None:
        name, attempts = self._work.jobs[outcome.job_number].camera.camera_id, self._work.process.attempts
        if outcome.died and attempt < attempts:
            _log.warning("camera %s: %s; try %d of %d", name, outcome.error, attempt + 1, attempts)
            self._waiting.append((outcome.job_number, attempt + 1))
        else:
            self._on_outcome(outcome)


def _carry_out(setup: WorkerSetup, job: CameraJob, note: Meeting, hang_s: float, attempt: int) -> Outcome:
    """The task, on some machine of the cluster."""
    try:
        note.check()
        if not job.camera.video.exists():
            raise OtherMachineError(
                f"{job.camera.video} on {socket.gethostname()}", "the camera's video", "nothing there",
                "Keep videos on a file system that all machines share.",
            )  # fmt: skip
    except OtherMachineError as error:
        return Outcome(0, None, str(error), error.exit_code, "", of_setup=True)
    if attempt > 1:
        with contextlib.suppress(MtmcError), lock_file(job.folder / LOCK_NAME, wait_s=_LEASE_S):
            pass  # whoever died has let go; if not, the job itself says so
    outcomes: list[Outcome] = []
    run_jobs(CameraWorker, setup, [job], 1, lambda number, what: None, outcomes.append, hang_s, threads=1)
    return outcomes[0]


def _needs_of(work: CameraWork, started_here: bool) -> dict[str, Any]:
    """What a task asks of its machine, and where it finds our code if that is not installed there."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    options: dict[str, Any] = {"num_cpus": work.setup.threads, "runtime_env": {"env_vars": {"PYTHONPATH": path}}}
    if work.process.ray_gpus:
        options["num_gpus"] = work.process.ray_gpus
    if not started_here:  # the size of a cluster of our own follows from cores and memory already
        options["memory"] = memory_of_worker_mib(network_in_worker(work.setup)) * MIB
    return options


@contextlib.contextmanager
def _cluster(ray: Any, work: CameraWork) -> Iterator[bool]:
    """Be connected to a cluster; yields whether it was started for this run. A connection that was there stays."""
    if ray.is_initialized():
        yield False
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with contextlib.ExitStack() as leaving:
        leaving.callback(_set_signals, handlers)
        started_here = not _joined(ray, work)
        if started_here:
            _start(ray, work, leaving)
        else:
            leaving.callback(ray.shutdown)
        _set_signals(handlers)  # Ray puts in one of its own for SIGTERM; a run answers signals as it does without Ray
        yield started_here


def _joined(ray: Any, work: CameraWork) -> bool:
    """Connect to the cluster that the settings, RAY_ADDRESS or `ray start` name; False where none is named."""
    address = work.process.ray_address or os.environ.get("RAY_ADDRESS", "")
    try:
        ray.init(address=address or "auto", **_QUIET)
        return True
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        if address:
            raise ConfigError("process.ray_address", "a Ray cluster", f"none at {address}: {_first_line(error)}",
                              "Start one with: ray start --head") from error  # fmt: skip
        return False


def _start(ray: Any, work: CameraWork, leaving: contextlib.ExitStack) -> None:
    """A cluster of this machine for this run, with a token and a folder of its own, which go with it."""
    folder = Path(tempfile.mkdtemp(prefix="mtmc-ray-", dir="/tmp"))  # Ray's sockets: their paths must be short
    leaving.callback(shutil.rmtree, folder, ignore_errors=True)
    # Ray puts its workers behind everything else on a machine (nice 15); a run's own machine is there for the run.
    own = {"RAY_worker_niceness": "0", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    leaving.enter_context(environment({name: os.environ.get(name, value) for name, value in own.items()}))
    leaving.callback(ray.shutdown)
    for start in range(1, _MOST_STARTS + 1):
        try:
            ray.init(
                address="local", num_cpus=work.workers * work.setup.threads, include_dashboard=False,
                object_store_memory=_STORE_MIB * MIB, _temp_dir=str(folder), **_QUIET,
            )  # fmt: skip
            return
        except Exception as error:  # a plain one: Ray waits 30 s for its processes, too little where it is busy
            ray.shutdown()
            if start == _MOST_STARTS:
                raise OtherMachineError("Ray", "a cluster that starts on this machine", _first_line(error),
                                        "Wait until the machine is less busy, or use --executor local.") from error
            _log.warning("Ray did not start (%s); start %d of %d", _first_line(error), start + 1, _MOST_STARTS)


def _set_signals(handlers: dict[signal.Signals, Any]) -> None:
    with contextlib.suppress(ValueError):  # not in the main thread, which alone has handlers
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _warn_where_nothing_fits(ray: Any, options: dict[str, Any]) -> None:
    """A cluster that grows on demand may have no fitting machine yet, so this is no error."""
    wanted = {"CPU": options["num_cpus"], "memory": options["memory"], "GPU": options.get("num_gpus", 0)}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes):
        _log.warning("no machine of the Ray cluster has %s now; waiting for one", wanted)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

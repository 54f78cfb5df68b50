"""Long-lived worker processes: one job at a time in each; a crash or a hang costs the job in hand only.

Spawned, not forked (torch and PyAV both dislike fork). A job reports its progress through the same pipe that
brings its answer, so silence is a hang: there is no extra thread that could go on beating for a stuck job.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from mtmc.errors import EXIT_COMPLETE, EXIT_PARTIAL, MtmcError

Progress = Callable[[dict[str, Any]], None]
Job = Callable[[Any, Progress], Any]
OUT_OF_MEMORY = "out of memory"
# The kernel kills who takes the machine's last memory. Within a limit, Rust (polars) aborts where it is refused memory,
# and a stack that cannot grow is a segmentation fault; either may also be a fault of a library.
_DEATHS = {"SIGKILL": " (out of memory?)"} | dict.fromkeys(
    ("SIGABRT", "SIGSEGV", "SIGBUS"), " (out of memory, or a fault in a library?)")  # fmt: skip
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# A worker writes small tables for days: what is freed goes back at once, and few threads have heaps of their own.
# Pictures, of a megabyte and more, come from memory that was used before: fetched from the kernel anew and cleared each
# time, they cost 2 to 3 of 100 processor seconds. `give_back_memory` is called now and then.
MEMORY_VARIABLES = {
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0,narenas:1",  # polars' allocator
    "POLARS_MAX_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",  # glibc's
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the most that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}
JobFactory = Callable[[Any], Job]


@dataclass(frozen=True)
class Outcome:
    """How one job ended. error: "" where it succeeded, else one sentence. exit_code: of the error's kind.

    trace: a traceback, only for what looks like a bug of ours. of_setup: it was the setup that failed, as it would
    for every other job. died: no answer came: the process was killed, hung or had no memory left; another go may do.
    """

    job_number: int
    value: Any
    error: str
    exit_code: int
    trace: str
    of_setup: bool = False
    died: bool = False


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    job_number: int
    heard_at: float


def run_jobs(
    factory: JobFactory,
    setup: Any,
    arguments: Sequence[Any],
    workers: int,
    on_progress: Callable[[int, dict[str, Any]], None],
    on_outcome: Callable[[Outcome], None],
    hang_s: float,
    threads: int = 0,
) -> None:
    """Run `job(argument, progress)` for every argument in up to `workers` processes, where each process makes
    its own `job = factory(setup)` once, when its first argument comes (imports and models are loaded once).

    `factory` must be importable by name, `setup` and the arguments picklable. `on_progress(job_number, what)` and
    `on_outcome` are called in this process as news arrives. A worker that is silent for `hang_s` is killed.
    workers = 0 runs the jobs here, one after the other, with the same outcomes (for debugging and
    for callers that are workers themselves).
    threads: of the linear algebra libraries in each worker (0 leaves them alone); several workers whose libraries
    each take every core spin against each other (measured: 190 ms instead of 3 for one small product).
    """
    if workers == 0:
        here = _LazyJob(factory, setup)
        for number, argument in enumerate(arguments):
            on_outcome(_guarded(here, argument, number, functools.partial(on_progress, number)))
        return
    waiting = list(range(len(arguments)))[::-1]
    busy: list[_Worker] = []
    idle: list[_Worker] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = idle.pop() if idle else _start(factory, setup, threads)
                worker.job_number, worker.heard_at = waiting.pop(), time.monotonic()
                busy.append(worker)
                with contextlib.suppress(OSError):  # it is dead already, which listening will find out
                    worker.pipe.send((worker.job_number, arguments[worker.job_number]))
            _listen(busy, idle, on_progress, on_outcome, hang_s)
    finally:
        for worker in [*busy, *idle]:
            _stop(worker)


class _SetupError(Exception):
    """`factory(setup)` failed with the `MtmcError` that is its cause."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


class _LazyJob:
    """`factory(setup)`, made when first called, so that its errors are answers and not a dead process."""

    def __init__(self, factory: JobFactory, setup: Any) -> None:
        self._factory, self._setup = factory, setup
        self._job: Job | None = None

    def __call__(self, argument: Any, progress: Progress) -> Any:
        if self._job is None:
            try:
                self._job = self._factory(self._setup)
            except MtmcError as error:
                raise _SetupError(error.exit_code) from error
        return self._job(argument, progress)


def _start(factory: JobFactory, setup: Any, threads: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, factory, setup), daemon=True)
    variables = {name: os.environ.get(name, value) for name, value in MEMORY_VARIABLES.items()}
    if threads:
        variables |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    with environment(variables), undisturbed():
        process.start()
    theirs.close()
    return _Worker(process, ours, -1, time.monotonic())


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the length of the block: libraries read them when they are first imported."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A process started here is spared Ctrl-C from its first moment, not only once it has imported everything. A signal
    that comes meanwhile counts at the end of the block: half started, a worker would end in a trace of its own."""
    came: list[int] = []
    resource_tracker.ensure_running()  # started along with the first process, it would take the mask away again
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by what is started
    handlers = {}
    with contextlib.suppress(ValueError):  # not in the main thread, which alone is interrupted by signals
        for number in (signal.SIGINT, signal.SIGTERM):
            handlers[number] = signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for late in came:
            signal.raise_signal(late)


def _stop(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.terminate()
    worker.process.join(5)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()


def _listen(
    busy: list[_Worker],
    idle: list[_Worker],
    on_progress: Callable[[int, dict[str, Any]], None],
    on_outcome: Callable[[Outcome], None],
    hang_s: float,
) -> None:
    ready = wait([w.pipe for w in busy], timeout=1.0)
    for worker in list(busy):
        if worker.pipe in ready:
            try:
                kind, content = worker.pipe.recv()
            except (EOFError, OSError):
                _bury(worker, busy, on_outcome, _death(worker))
                continue
            worker.heard_at = time.monotonic()
            if kind == "progress":
                on_progress(worker.job_number, content)
            else:
                busy.remove(worker)
                if content.error == OUT_OF_MEMORY:  # what is left in it is not to be built upon
                    _stop(worker)
                else:
                    idle.append(worker)
                on_outcome(content)
        elif time.monotonic() - worker.heard_at > hang_s:
            _bury(worker, busy, on_outcome, f"no sign of life for {hang_s:.0f} s; the process was stopped")


def _death(worker: _Worker) -> str:
    worker.process.join(5)
    code = worker.process.exitcode
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals._value2member_map_ else str(-code)
        return f"the process died of {name}{_DEATHS.get(name, '')}"
    return f"the process ended unexpectedly with status {code}"


def _bury(worker: _Worker, busy: list[_Worker], on_outcome: Callable[[Outcome], None], error: str) -> None:
    busy.remove(worker)
    if worker.process.is_alive():
        worker.process.kill()
    _stop(worker)
    on_outcome(Outcome(worker.job_number, None, error, EXIT_PARTIAL, "", died=True))


def _serve(pipe: Connection, factory: JobFactory, setup: Any) -> None:
    """The worker's life: jobs come through the pipe until it closes. Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    job = _LazyJob(factory, setup)
    with contextlib.suppress(EOFError, OSError):
        while True:
            number, argument = pipe.recv()
            pipe.send(("outcome", _guarded(job, argument, number, lambda what: pipe.send(("progress", what)))))
    os._exit(0)  # the parent is gone or done: leave at once, whatever threads libraries have started


def _leave_with_parent() -> None:
    """A job that hangs or computes for long notices by no pipe that nobody waits for it any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _guarded(job: Job, argument: Any, number: int, progress: Progress) -> Outcome:
    try:
        return Outcome(number, job(argument, progress), "", EXIT_COMPLETE, "")
    except _SetupError as error:
        return Outcome(number, None, str(error.__cause__), error.exit_code, "", of_setup=True)
    except MtmcError as error:
        return Outcome(number, None, str(error), error.exit_code, "")
    except (BrokenPipeError, ConnectionError):
        raise
    except Exception as error:
        if _is_out_of_memory(error):
            return Outcome(number, None, OUT_OF_MEMORY, EXIT_PARTIAL, "", died=True)
        return Outcome(number, None, f"{type(error).__name__}: {error}", EXIT_PARTIAL, traceback.format_exc())


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Python's own error, or that of torch ("can't allocate memory", "out of memory") or OpenCV ("Insufficient
    memory"), which have none of their own on a CPU; also behind another: OpenCV's functions may end in a `SystemError`
    whose cause it is."""
    words = ("can't allocate memory", "cannot allocate memory", "out of memory", "insufficient memory")
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError) or any(word in text for word in words):
            return True
        error = error.__cause__ or error.__context__
    return False

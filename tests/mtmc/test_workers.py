"""Worker processes: answers, errors, deaths and hangs, each costing one job only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mtmc.errors import InputError
from mtmc.workers import Outcome, Progress, run_jobs
from tests.running import ROOT


class Trouble:
    """A job that does what its argument says."""

    def __init__(self, setup: str) -> None:
        self.setup = setup
        if setup == "broken":
            raise InputError("the model", "a file", "nothing")

    def __call__(self, what: Any, progress: Progress) -> Any:
        progress({"doing": what})
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "exit":
            os._exit(7)
        if what == "hang":
            time.sleep(60)
        if what == "expected":
            raise InputError("x.csv", "numbers", "words")
        if what == "bug":
            raise ValueError("an oversight")
        if what == "memory":
            raise MemoryError
        if what == "memory behind":  # as OpenCV's functions tell it
            raise SystemError("<built-in function resize> returned a result with an exception set") from MemoryError()
        return f"{self.setup} {what} {os.getpid()}"


def run(setup: str, arguments: list[Any], workers: int, hang_s: float = 20.0) -> tuple[list[Outcome], list[Any]]:
    outcomes: dict[int, Outcome] = {}
    news = []

    def keep(outcome: Outcome) -> None:
        outcomes[outcome.job_number] = outcome

    run_jobs(Trouble, setup, arguments, workers, lambda n, what: news.append((n, what["doing"])), keep, hang_s)
    return [outcomes[n] for n in range(len(arguments))], news


def test_every_job_is_answered_and_workers_are_reused() -> None:
    outcomes, news = run("ok", ["a", "b", "c", "d"], workers=2)
    assert [o.value.split()[:2] for o in outcomes] == [["ok", x] for x in "abcd"]
    assert len({o.value.split()[2] for o in outcomes}) <= 2
    assert sorted(news) == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]


@pytest.mark.parametrize(("what", "sentence"), [
    ("die", "SIGKILL"), ("exit", "status 7"), ("expected", "x.csv: expected numbers, found words"),
    ("bug", "ValueError: an oversight"),
])  # fmt: skip
def test_one_bad_job_leaves_the_others(what: str, sentence: str) -> None:
    outcomes, _ = run("ok", ["a", what, "b", "c"], workers=1)
    assert sentence in outcomes[1].error
    assert [o.error for i, o in enumerate(outcomes) if i != 1] == ["", "", ""]
    assert bool(outcomes[1].trace) == (what == "bug")
    assert outcomes[1].died == (what in ("die", "exit"))


@pytest.mark.parametrize("what", ["memory", "memory behind"])
def test_a_worker_without_memory_is_replaced(what: str) -> None:
    outcomes, _ = run("ok", ["a", what, "b"], workers=1)
    assert (outcomes[1].error, outcomes[1].trace, outcomes[1].died) == ("out of memory", "", True)
    assert outcomes[0].value.split()[2] != outcomes[2].value.split()[2]


def test_a_silent_worker_is_stopped() -> None:
    start = time.monotonic()
    outcomes, _ = run("ok", ["hang", "a"], workers=1, hang_s=3.0)
    assert "no sign of life for 3 s" in outcomes[0].error
    assert outcomes[1].error == ""
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("workers", [0, 1])
def test_a_setup_that_fails_is_every_jobs_answer(workers: int) -> None:
    outcomes, _ = run("broken", ["a", "b"], workers)
    assert [o.error for o in outcomes] == ["the model: expected a file, found nothing"] * 2


def test_no_jobs() -> None:
    assert run("ok", [], workers=2) == ([], [])


_FIRST_PROCESS = """
import multiprocessing, signal
from mtmc.workers import undisturbed
if __name__ == "__main__":
    with undisturbed():
        process = multiprocessing.get_context("spawn").Process(target=print)
        process.start()
        with open(f"/proc/{process.pid}/status") as file:
            (mask,) = [int(line.split()[1], 16) for line in file if line.startswith("SigBlk")]
    process.join()
    print("spared" if mask >> (signal.SIGINT - 1) & 1 else "not spared")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="NOT TRIED: no /proc to read the mask from")
def test_the_first_process_of_all_is_spared_ctrl_c(tmp_path: Path) -> None:
    """Python's own helper process, which is started along with it, must not take the mask away."""
    script = tmp_path / "first.py"
    script.write_text(_FIRST_PROCESS)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.stdout.split("\n")[-2:] == ["spared", ""], done.stdout + done.stderr

"""How tasks are started, waited for and tried again, with a fake in the place of Ray."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mtmc.errors import EXIT_PARTIAL, ConfigError, InputError
from mtmc.executors.executor import CameraWork
from mtmc.executors.ray_cluster import _start, _Tasks
from mtmc.executors.registry import EXECUTORS, executor_named
from mtmc.executors.shared_folder import Meeting, OtherMachineError, meeting
from mtmc.workers import Outcome

DEAD = Outcome(0, None, "the process died of SIGKILL (out of memory?)", EXIT_PARTIAL, "", died=True)


class RayError(Exception):
    pass


class RayTaskError(RayError):
    cause = ModuleNotFoundError("No module named 'mtmc'")


class UnschedulableError(RayError):
    pass


class FakeRay:
    """Carries out tasks at once; `answers` holds, by camera, what each try ends with."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError,
                                 RuntimeEnvSetupError=UnschedulableError, TaskUnschedulableError=UnschedulableError)

    def __init__(self, answers: dict[str, list[Any]]) -> None:
        self.answers, self.tries, self.at_a_time, self.cancelled = answers, list[tuple[str, int]](), 0, list[Any]()

    def remote(self, **options: Any) -> Callable[[Any], Any]:
        return lambda function: SimpleNamespace(options=lambda name: SimpleNamespace(remote=self._start))

    def _start(self, setup: Any, job: Any, note: Meeting, hang_s: float, attempt: int) -> tuple[str, int]:
        self.tries.append((job.camera.camera_id, attempt))
        return self.tries[-1]

    def wait(self, references: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        self.at_a_time = max(self.at_a_time, len(references))
        return references[-1:], references[:-1]

    def get(self, reference: tuple[str, int]) -> Outcome:
        answer = self.answers.get(reference[0], [])[reference[1] - 1 : reference[1]]
        if answer and isinstance(answer[0], Exception):
            raise answer[0]
        return answer[0] if answer else Outcome(0, reference, "", 0, "")

    def cancel(self, reference: Any, force: bool) -> None:
        self.cancelled.append(reference)


def outcomes_of(work: CameraWork, ray: FakeRay) -> dict[int, Outcome]:
    found: dict[int, Outcome] = {}

    def keep(outcome: Outcome) -> None:
        assert outcome.job_number not in found
        found[outcome.job_number] = outcome

    with meeting(work.store) as note:
        _Tasks(ray, work, note, {}, keep).run()
    return found


def test_every_camera_is_answered_by_its_number(work: CameraWork) -> None:
    ray = FakeRay({})
    found = outcomes_of(work, ray)
    assert {number: outcome.value for number, outcome in found.items()} == {0: ("a", 1), 1: ("b", 1), 2: ("c", 1)}
    assert ray.at_a_time == 2


def test_deaths_are_tried_again_and_errors_are_not(work: CameraWork) -> None:
    """A process that died, then a machine that died, then success; a camera that kills every process; a bad file."""
    bad = Outcome(0, None, "c.mp4: expected a video, found nothing", EXIT_PARTIAL, "")
    ray = FakeRay({"a": [DEAD, RayError("the node died\nmore")], "b": [DEAD] * 9, "c": [bad]})
    found = outcomes_of(work, ray)
    assert found[0].value == ("a", 3)
    assert (found[1].error, found[1].died) == (DEAD.error, True)
    assert found[2].error == bad.error
    assert sorted(ray.tries) == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3), ("c", 1)]


def test_a_machine_without_our_code_says_so(work: CameraWork) -> None:
    found = outcomes_of(work, FakeRay({"a": [RayTaskError("a long trace")]}))
    assert found[0].error == "No module named 'mtmc'"
    assert found[0].trace == "a long trace"


def test_what_still_runs_is_cancelled_when_the_run_ends_early(work: CameraWork) -> None:
    def stop(outcome: Outcome) -> None:
        raise InputError("the model", "a file", "nothing")

    ray = FakeRay({})
    with meeting(work.store) as note, pytest.raises(InputError):
        _Tasks(ray, work, note, {}, stop).run()
    assert ray.cancelled == [("a", 1)]


@pytest.mark.parametrize("failures", [0, 2, 3])
def test_ray_may_need_another_start(work: CameraWork, failures: int) -> None:
    """Its own limit is short for a busy machine. What was set up for the cluster goes in any case."""
    starts: list[Path] = []

    def init(**options: Any) -> None:
        starts.append(Path(options["_temp_dir"]))
        assert starts[-1].is_dir()
        if len(starts) <= failures:
            raise Exception("The current node timed out during startup.\nMore")

    ray = SimpleNamespace(init=init, shutdown=lambda: None)
    with contextlib.ExitStack() as leaving:
        if failures < 3:
            _start(ray, work, leaving)
        else:
            with pytest.raises(OtherMachineError, match=r"found The current node timed out during startup\. Wait"):
                _start(ray, work, leaving)
    assert len(starts) == min(failures + 1, 3)
    assert not starts[0].exists()


def test_executors_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(EXECUTORS) == {"local", "ray"}
    assert type(executor_named("local")).__name__ == "LocalExecutor"
    with pytest.raises(ConfigError, match="Did you mean ray"):
        executor_named("rai")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"found not installed. pip install '\.\[ray\]'"):
        executor_named("ray")

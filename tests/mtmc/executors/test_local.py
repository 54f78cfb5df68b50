"""The local pool tells its workers when cores have nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mtmc.executors import local
from mtmc.executors.executor import CameraWork
from mtmc.workers import Outcome


@pytest.mark.parametrize(
    ("cores", "workers", "spare_after"),
    # Three cameras, before the first ends and after each; two workers at a time leave a core of three idle throughout.
    [(2, 2, [False, False, True, True]), (1, 2, [False, False, False, True]), (3, 2, [True] * 4),
     (3, 3, [False, True, True, True]), (8, 3, [True] * 4)],
)  # fmt: skip
def test_workers_hear_of_spare_cores(
    work: CameraWork, monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, spare_after: list[bool]
) -> None:
    heard, outcomes = list[bool](), list[int]()

    def jobs_one_by_one(
        factory: object, setup: Any, jobs: object, count: int, progress: object, note: Callable[[Outcome], None],
        hang_s: float, threads: int,
    ) -> None:  # fmt: skip
        heard.append(setup.spare())
        for number in range(3):
            note(Outcome(number, None, "", 0, ""))
            heard.append(setup.spare())

    monkeypatch.setattr(local, "usable_cores", lambda: cores)
    monkeypatch.setattr(local, "run_jobs", jobs_one_by_one)
    local.LocalExecutor().run(
        replace(work, workers=workers), lambda number, what: None, lambda outcome: outcomes.append(outcome.job_number))
    assert heard == spare_after
    assert outcomes == [0, 1, 2]

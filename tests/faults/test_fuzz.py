"""A small, fixed share of `make soak`: files changed at random end in a clean result or a clean error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.fuzz import OTHERS, ReadCase, make_cases, read_cases, run_with_changed_files
from tests.faults.fuzz_readers import READERS
from tests.faults.fuzz_sources import CONTAINERS, write_sources


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write_sources(folder)
    return folder


@pytest.mark.parametrize("kind", [*CONTAINERS, *OTHERS])
def test_the_files_are_good_before_they_are_changed(sources: Path, kind: str) -> None:
    READERS[kind](sources / kind)


def test_changed_files_end_cleanly(sources: Path) -> None:
    result = read_cases(sources, make_cases(containers=120, others=140, seed=0))
    assert result.faults == []
    assert len(result.resident) == 260
    endings = {ended for _, ended in result.counts}
    assert {"read", "VideoError", "ConfigError", "InputError", "WeightsError", "IntegrityError"} <= endings


def test_a_run_over_changed_files_ends_cleanly(sources: Path) -> None:
    assert run_with_changed_files(sources, seed=1, cameras=12) == (3, "")


def test_a_fault_would_be_found(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise KeyError("an oversight")

    monkeypatch.setitem(READERS, "det.txt", broken)
    with pytest.raises(KeyError):
        ReadCase(sources)(("det.txt", 1), lambda what: None)

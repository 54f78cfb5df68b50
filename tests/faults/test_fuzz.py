"""A small, fixed share of `make soak`: files changed at random end in a clean result or a clean error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.faults.fuzz import (
    OTHERS,
    ReadCase,
    growth_per_1000_files,
    make_cases,
    read_cases,
    resident_bytes,
    run_with_changed_files,
)
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
    assert sum(result.counts.values()) == 260
    assert len(result.readings) == 13
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


@pytest.mark.parametrize("leak_kib", [0.0, 2.0, 10.0])
def test_a_leak_is_told_from_warming_up_and_from_steps(leak_kib: float) -> None:
    """4,000 files, a reading every 20; caches fill at first, now and then something large stays for a while, and a
    worker that died has left readings of its own."""
    rng = np.random.default_rng(0)
    files = np.arange(20, 4001, 20)
    size = 800 + 60 * (1 - np.exp(-files / 150)) + leak_kib * files / 1024 + rng.normal(0, 0.3, len(files))
    size[rng.random(len(files)) < 0.15] += 43
    readings = [(7, int(read), int(mib * 2**20)) for read, mib in zip(files, size, strict=True)]
    slope, upper = growth_per_1000_files([(6, 20 * i, 1 << 30) for i in range(9)] + readings)
    assert slope == pytest.approx(leak_kib * 1000 / 1024, abs=0.2)
    assert slope <= upper < slope + 0.4


def test_memory_that_the_allocator_only_keeps_does_not_count() -> None:
    """Freed pieces below one that stays: the system does not get them back by themselves."""
    before = resident_bytes()
    pieces = [bytearray(100_000) for _ in range(600)]
    stays = bytes(100_000)
    assert resident_bytes() - before > 50 << 20
    del pieces
    assert resident_bytes() - before < 10 << 20
    assert len(stays) == 100_000

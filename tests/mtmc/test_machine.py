"""Cores and memory under control groups of both versions, made up in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mtmc.machine import MIB, WorkerNeeds, fitting_workers, usable_cores, usable_memory_mib

CORES = len(os.sched_getaffinity(0))


def write(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal: 9000000 kB\nMemAvailable: 8388608 kB\nHugePages_Total: 0\n")
    return path


def test_without_limits(tmp_path: Path, meminfo: Path) -> None:
    nothing = tmp_path / "nothing"
    assert usable_cores(nothing, nothing) == CORES
    assert usable_memory_mib(nothing, nothing, meminfo) == 8192


def test_version_2_takes_the_tightest_limit_above(tmp_path: Path, meminfo: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("0::/pod/box\n")
    write(root, cpu__max="max 100000\n")
    write(root / "pod", cpu__max="100000 100000\n", memory__max=f"{1000 * MIB}\n", memory__current=f"{700 * MIB}\n",
          memory__stat=f"anon 5\ninactive_file {200 * MIB}\n")  # fmt: skip
    write(root / "pod" / "box", cpu__max="max 100000\n", memory__max="max\n", memory__current=f"{600 * MIB}\n")
    assert usable_cores(root, own) == 1
    assert usable_memory_mib(root, own, meminfo) == 500


def test_half_a_core_is_one_worker(tmp_path: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("0::/\n")
    write(root, cpu__max="50000 100000\n")
    assert usable_cores(root, own) == 1


def test_version_1_with_the_path_of_outside(tmp_path: Path, meminfo: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n")
    write(root / "memory", memory__limit_in_bytes=f"{600 * MIB}\n", memory__usage_in_bytes=f"{100 * MIB}\n",
          memory__stat=f"total_inactive_file {10 * MIB}\n")  # fmt: skip
    write(root / "cpu,cpuacct", cpu__cfs_quota_us="150000\n", cpu__cfs_period_us="100000\n")
    assert usable_memory_mib(root, own, meminfo) == 510
    assert usable_cores(root, own) == 1


def test_version_1_unlimited(tmp_path: Path, meminfo: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("4:memory:/\n3:cpu:/\n")
    write(root / "memory", memory__limit_in_bytes="9223372036854771712\n", memory__usage_in_bytes="5\n")
    write(root / "cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert usable_memory_mib(root, own, meminfo) == 8192
    assert usable_cores(root, own) == CORES


def test_this_machine_has_some() -> None:
    assert 1 <= usable_cores() <= CORES
    assert 0 < usable_memory_mib() < 1 << 30


def test_workers_fit_cameras_cores_and_memory() -> None:
    needs = WorkerNeeds(worker=100, runtime=200, torch=900, parent=200, camera=10)
    assert fitting_workers(3, 8, 1 << 20, "torch", needs) == 3
    assert fitting_workers(30, 8, 1 << 20, "torch", needs) == 8
    assert fitting_workers(30, 8, 200 + 300 + 2999, "torch", needs) == 2
    assert fitting_workers(30, 8, 200 + 300 + 2999, "runtime", needs) == 8
    assert fitting_workers(30, 8, 200 + 300 + 899, "runtime", needs) == 2
    assert fitting_workers(30, 8, 200 + 300 + 299, "none", needs) == 2
    assert fitting_workers(30, 8, 0, "none", needs) == 1
    assert fitting_workers(0, 8, 1 << 20, "torch", needs) == 1

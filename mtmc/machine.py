"""What this process may use of its machine: cores and memory, as the kernel's control groups (containers, batch
systems) allow, not as the hardware has them. Both versions of control groups; every limit above this process counts.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MIB = 1 << 20
Network = Literal["none", "runtime", "torch"]  # the heaviest library that runs networks in a camera process
_UNLIMITED = 1 << 60  # version 1 writes "no limit" as a number near 2**63


@dataclass(frozen=True)
class WorkerNeeds:
    """Memory of a run by its parts, in MiB, to divide what there is.

    worker: a camera process. runtime, torch: besides, where a network runs in it on ONNX Runtime or its like, or on
    torch. parent: the command itself. camera: what each camera adds to the parent (its tracklets and features while all
    are matched). The figures are peaks that benchmarks/memory.py and benchmarks/many_cameras.py measured, rounded up.
    """

    worker: int = 400
    runtime: int = 400
    torch: int = 900
    parent: int = 400
    camera: int = 40


def give_back_memory() -> None:
    """Free what waits for Python's collector, and give what glibc keeps of freed memory back to the kernel: in a
    process that works for days, a little more is kept every hour otherwise. Some 35 ms."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def usable_cores(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Cores this process may run on: those of its affinity, at most the quota of its control groups; at least 1."""
    cores = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    for folder in _folders(root, own, "cpu"):
        words = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")
        ]  # fmt: skip
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
            cores = min(cores, int(words[0]) / int(words[1]))
    return max(1, math.floor(cores))


def usable_memory_mib(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup"), meminfo: Path = Path("/proc/meminfo")
) -> int:
    """Memory that is free for this process in MiB: the machine's available memory, at most what is left under every
    limit of its control groups. Files that the kernel only keeps in case (page cache) count as free."""
    free = min([_UNLIMITED, *(int(words[1]) * 1024 for words in _lines(meminfo) if words[0] == "MemAvailable:")])
    for folder in _folders(root, own, "memory"):
        for limit_name, usage_name, cache_name in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, usage = _number(folder / limit_name), _number(folder / usage_name)
            if limit is not None and limit < _UNLIMITED:
                cache = sum(int(words[1]) for words in _lines(folder / "memory.stat") if words[0] == cache_name)
                free = min(free, max(0, limit - (usage or 0) + cache))
    return free // MIB


def fitting_workers(
    cameras: int, cores: int, memory_mib: int, network: Network, needs: WorkerNeeds | None = None
) -> int:
    """Camera processes that cores and memory are enough for: one a core, at most one a camera, at least one (a run that
    may not fit is better tried than refused)."""
    needs = needs or WorkerNeeds()
    left = memory_mib - needs.parent - cameras * needs.camera
    return max(1, min(cameras, cores, left // memory_of_worker_mib(network, needs)))


def memory_of_worker_mib(network: Network, needs: WorkerNeeds | None = None) -> int:
    """Peak of one camera process."""
    needs = needs or WorkerNeeds()
    return needs.worker + {"none": 0, "runtime": needs.runtime, "torch": needs.torch}[network]


def _folders(root: Path, own: Path, controller: str) -> Iterator[Path]:
    """This process's control group and all above it, as far as they can be seen (in a container the path is often that
    outside it; then only the root is)."""
    for line in _text(own).splitlines():
        number, names, path = [*line.split(":", 2), "", "", ""][:3]
        if number == "0" and not names:
            tops = [root, root / "unified"]
        elif controller in names.split(","):
            tops = [root / controller, root / names]
        else:
            continue
        for top in tops:
            parts = Path(path.lstrip("/")).parts
            for depth in range(len(parts), -1, -1):
                folder = top.joinpath(*parts[:depth])
                if ".." not in parts and folder.is_dir():
                    yield folder


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _lines(path: Path) -> list[list[str]]:
    return [words for words in map(str.split, _text(path).splitlines()) if len(words) > 1 and words[1].isdecimal()]


def _number(path: Path) -> int | None:
    words = _words(path)
    return int(words[0]) if words and words[0].isdecimal() else None

"""Thousands of files changed at random, through every reader: a clean result or a clean error, or it is a fault.

    python -m tests.faults.fuzz                 2,000 containers, 2,000 other files, 50 through the whole command
    python -m tests.faults.fuzz --only mkv:17   one case again, with its trace

Readers run in a worker with 2 GiB of address space. A case may take 10 s of the processor's time; one that is silent
for a minute is stopped. Every 20 files the worker gives back to the system what its allocator only keeps, and reads its
resident memory: a network of 43 MiB that was let go of stays resident for as long as a small object lies above it, and
that is no growth. What is left must not grow by 1 MiB per 1,000 files.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import gc
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mtmc.errors import MtmcError
from mtmc.workers import Outcome, Progress, run_jobs
from tests.faults import footage
from tests.faults.fuzz_readers import READERS
from tests.faults.fuzz_sources import BINARIES, CONTAINERS, TEXTS, write_sources
from tests.faults.mutations import mutate_bytes, mutate_text
from tests.running import run_command

HANG_S, MAX_CPU_S = 60.0, 10.0
MAX_GROWTH_MIB = 1.0  # per 1,000 files
_FILES_A_READING = 20
_MORE_BYTES = 2 << 30  # than a worker has mapped when it starts
OTHERS = TEXTS + BINARIES
Case = tuple[str, int]  # the kind of file and the seed of its change
Reading = tuple[int, int, int]  # process, files that it has read, its resident bytes


def changed_file(sources: Path, case: Case) -> bytes:
    """The file of a case."""
    kind, seed = case
    data = (sources / kind).read_bytes()
    return mutate_text(data, seed) if kind in TEXTS else mutate_bytes(data, seed)


def damaged_run(sources: Path, case: Case, target: Path) -> None:
    """The finished run at `target`, one of its files changed."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(sources / "run", target)
    files = sorted(path for path in target.rglob("*") if path.is_file() and path.stat().st_size)
    victim = files[case[1] % len(files)]
    victim.write_bytes(mutate_bytes(victim.read_bytes(), case[1]))


class ReadCase:
    """A job of `mtmc.workers`: read one changed file. Its value: how that ended, and every 20 files this process, the
    number of files that it has read and its resident bytes."""

    def __init__(self, sources: Path) -> None:
        self._sources = Path(sources)
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=self._sources))
        (self._folder / "mp4").symlink_to(self._sources / "mp4")
        self._limited, self._read = False, 0

    def __call__(self, case: Case, progress: Progress) -> tuple[str, Reading | None]:
        kind = case[0]
        path = self._folder / f"case.{kind}"
        if kind == "run":
            damaged_run(self._sources, case, path)
        else:
            path.write_bytes(changed_file(self._sources, case))
        self._limit_memory(kind)
        begun_s, ended = time.process_time(), "read"
        try:
            READERS[kind](path)
        except MtmcError as error:
            ended = type(error).__name__
            if not str(error) or "\n" in str(error):
                raise AssertionError(f"no sentence: {error!r}") from error
        spent_s = time.process_time() - begun_s
        assert spent_s < MAX_CPU_S, f"{spent_s:.0f} s"
        self._read += 1
        due = self._read % _FILES_A_READING == 0
        return ended, (os.getpid(), self._read, resident_bytes()) if due else None

    def _limit_memory(self, kind: str) -> None:
        """Once, and again after torch was imported where it is needed: it maps gigabytes that it does not use."""
        if kind == "weights.safetensors" and "torch" not in sys.modules:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self._limited = False
            import torch  # noqa: F401
        if not self._limited:
            mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (mapped + _MORE_BYTES, resource.RLIM_INFINITY))
            self._limited = True


def resident_bytes() -> int:
    """Of this process, without what only its allocator keeps."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc has nothing like it
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def growth_per_1000_files(readings: Sequence[Reading]) -> tuple[float, float]:
    """MiB, and the upper end of its 95 % interval: the median of the slopes between any two readings (Theil and Sen;
    one step moves it little) of the process that read most files, without its first quarter, which fills caches."""
    from scipy.stats import theilslopes

    oldest = collections.Counter(process for process, _, _ in readings).most_common(1)[0][0]
    files, resident = np.array([(read, size) for process, read, size in readings if process == oldest], np.float64).T
    kept = slice(len(files) // 4, None)
    found = theilslopes(resident[kept] / 2**20, files[kept] / 1000, alpha=0.95)
    return float(found.slope), float(found.high_slope)


@dataclass
class Result:
    """counts: (kind, how it ended) → number. faults: the case and what was wrong. readings: of resident memory."""

    counts: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    faults: list[tuple[Case, str]] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)


def read_cases(sources: Path, cases: Sequence[Case], workers: int = 1) -> Result:
    """Send every case through its reader."""
    result = Result()

    def note(outcome: Outcome) -> None:
        case = cases[outcome.job_number]
        if outcome.error:
            result.faults.append((case, outcome.trace or outcome.error))
            result.counts[case[0], "FAULT"] += 1
        else:
            ended, reading = outcome.value
            result.counts[case[0], ended] += 1
            if reading is not None:
                result.readings.append(reading)

    run_jobs(ReadCase, sources, cases, workers, lambda number, what: None, note, HANG_S, threads=1)
    return result


# --- the whole command -----------------------------------------------------------------------------------------------


def run_with_changed_files(sources: Path, seed: int, cameras: int) -> tuple[int, str]:
    """One command over `cameras` changed videos with changed boxes, and for some seeds changed settings and rules.
    Its exit code, and "" where it ended as it should, else what was wrong."""
    with tempfile.TemporaryDirectory(prefix="fuzz-run-") as name:
        folder = Path(name)
        try:
            done = run_command(*_arguments(sources, folder, random.Random(seed), cameras))
        except subprocess.TimeoutExpired:
            return -1, "a hang"
        if done.returncode not in (0, 2, 3) or "Traceback" in done.stderr:
            return done.returncode, f"exit code {done.returncode}\n{done.stderr}"
        if done.returncode == 2:
            return 2, "" if done.stderr.startswith("error: ") else f"no sentence: {done.stderr}"
        from mtmc.verification import verify_run

        try:
            verify_run(folder / "out")
        except MtmcError as error:
            return done.returncode, f"exit code {done.returncode}, but: {error}"
    return done.returncode, ""


def _arguments(sources: Path, folder: Path, chance: random.Random, cameras: int) -> list[str | Path]:
    """Of a command over changed files, which are written into `folder`."""
    (folder / "cams").mkdir()
    (folder / "det").mkdir()
    good = (sources / "det.txt").read_bytes()
    for number in range(cameras):
        kind = chance.choice(CONTAINERS)
        video = changed_file(sources, (kind, chance.randrange(1 << 30)))
        (folder / "cams" / f"c{number:02}.{kind.split('.')[-1]}").write_bytes(video)
        boxes = ("det.txt", chance.randrange(1 << 30))
        (folder / "det" / f"c{number:02}.txt").write_bytes(changed_file(sources, boxes) if number % 2 else good)
    arguments: list[str | Path] = ["--videos", folder / "cams", "--detections", folder / "det", "--out",
                                   folder / "out", *footage.SETTINGS]  # fmt: skip
    for option, kind in (("--config", "settings.yaml"), ("--cameras", "cameras.yaml"), ("--truth", "truth.txt")):
        if chance.random() < 0.25:
            (folder / kind).write_bytes(changed_file(sources, (kind, chance.randrange(1 << 30))))
            arguments += [option, folder / kind]
    return arguments


def make_cases(containers: int, others: int, seed: int) -> list[Case]:
    """So many changed videos and so many other files, the kinds in turn; in a random order, so that memory early and
    late in a worker's life can be compared."""
    cases = [(CONTAINERS[i % len(CONTAINERS)], seed + i) for i in range(containers)]
    cases += [(OTHERS[i % len(OTHERS)], seed + i) for i in range(others)]
    random.Random(seed).shuffle(cases)
    return cases


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--containers", type=int, default=2000)
    parser.add_argument("--others", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="KIND:SEED")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        sources = Path(name)
        write_sources(sources)
        if arguments.only:
            kind, seed = arguments.only.rsplit(":", 1)
            print(ReadCase(sources)((kind, int(seed)), lambda what: None))
            return 0
        result = read_cases(sources, make_cases(arguments.containers, arguments.others, arguments.seed))
        grows = _show(result)
        codes: collections.Counter[int] = collections.Counter()
        broken = 0
        for number in range(arguments.runs):
            code, fault = run_with_changed_files(sources, arguments.seed + number, cameras=4)
            codes[code] += 1
            broken += bool(fault)
            if fault:
                print(f"run {arguments.seed + number}: {fault}")
        ends = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
        print(f"{arguments.runs} runs of the whole command: exit codes {ends}; {broken} of them wrong")
        return int(bool(result.faults or broken or grows))


def _show(result: Result) -> bool:
    """Print it; whether memory grew too much."""
    for (kind, ended), count in sorted(result.counts.items()):
        print(f"{kind:22} {ended:16} {count}")
    for (kind, seed), trace in result.faults:
        print(f"FAULT {kind}:{seed}\n{trace}")
    growth, most = growth_per_1000_files(result.readings)
    print(f"{sum(result.counts.values())} files read; resident memory after the first quarter: {growth:+.2f} MiB per "
          f"1,000 files (95 % interval up to {most:+.2f})")  # fmt: skip
    return growth > MAX_GROWTH_MIB


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())

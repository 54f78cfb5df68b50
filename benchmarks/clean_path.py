"""What a run pays for losing nothing: its wall time over that of the same run that could lose everything.

    python benchmarks/clean_path.py -- --videos $MTMC_DATA/worlds/two-view-dev/cams \\
        --detections $MTMC_DATA/worlds/two-view-dev/det --embedder colour-texture

Behind `--` stand options of `run_cameras.py`. The same command runs twice a pair, each run in turns of half a second
while the other stands still, into a new folder each time, with all earlier writes on the disk before. One run is as
users get it. The other leaves out what only faults need: manifests, commits on the way and the merging of their
chunks, checksums of results and fingerprints of inputs, the look at a file's structure before it is opened, fsync,
temporary names, locks. Both leave the same tables, which is checked. What both do: count packets, frames and
detections, and refuse vectors that are not finite, for those are part of the results. Recorded boxes and the
weight-free embedder are the hard case: with networks the same commits stand beside several times the work.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
_SWITCH = "MTMC_CLEAN_PATH"
_CONFIDENCE = 0.9
TABLES = ("tracklets.csv", "matches.csv", "candidates.csv", "global_tracks.csv", "cityflow.txt")


def leave_out() -> None:
    """Take from this process what only faults need."""
    from mtmc import camera_job, commit_logs, files, plan, run_store
    from mtmc.manifest import Manifest

    changes: list[tuple[Any, str, Any]] = [
        (files, "atomic_path", _in_place), (files, "remove_leftovers", _nothing), (files, "sha256_of", _no_digest),
        (plan, "sha256_of", _no_digest), (plan, "fingerprint_of", _no_digest), (plan, "examine", _nothing),
        (run_store, "lock_file", _unlocked), (camera_job, "lock_file", _unlocked),
        (Manifest, "load", classmethod(lambda cls, folder, stages: cls(folder, stages))),
        (Manifest, "save", _nothing), (Manifest, "_problem", _no_digest), (Manifest, "remove_unnamed", _nothing),
        (commit_logs._ChunkLog, "write_waiting", _nothing), (commit_logs._ChunkLog, "_merge", _rename),
    ]  # fmt: skip
    for owner, name, substitute in changes:
        getattr(owner, name)  # a name that is gone must not be measured as left out
        setattr(owner, name, substitute)


@contextlib.contextmanager
def _in_place(path: Path, sync_folder: bool = True) -> Iterator[Path]:
    Path(path).parent.mkdir(exist_ok=True)
    yield Path(path)


@contextlib.contextmanager
def _unlocked(path: Path, wait_s: float) -> Iterator[None]:
    yield


def _nothing(*arguments: object) -> None:
    return None


def _no_digest(*arguments: object) -> str:
    return ""


def _rename(log: Any, facts: dict[str, Any], others: Sequence[str] = ()) -> None:
    """In place of merging: without commits on the way there is one chunk."""
    log._write()
    (chunk,), final = log._manifest.files(log.stage), f"{log.stage}.parquet"
    os.replace(log._manifest.folder / chunk, log._manifest.folder / final)
    log._manifest.replace(log.stage, [final, *others], facts)


def upper_bound(ratios: Sequence[float], confidence: float = _CONFIDENCE) -> float:
    """The smallest ratio that the median is not above with at least `confidence`, whatever the distribution: of nine,
    the seventh. Infinite where so few cannot tell."""
    count, below = len(ratios), 0.0
    for place in range(count):  # P(place or fewer of the ratios lie below the median)
        below += math.comb(count, place) / 2**count
        if below >= confidence:
            return sorted(ratios)[place]
    return math.inf


def measured_run(options: Sequence[str], out: Path, kind: str) -> tuple[float, float]:
    """(wall seconds, processor seconds) of one command, its start and its workers included."""
    (seconds,) = measured_in_turns({kind: [*options, "--out", str(out)]}, turn_s=60).values()
    return seconds


def measured_in_turns(commands: Mapping[str, Sequence[str]], turn_s: float) -> dict[str, tuple[float, float]]:
    """{kind: (wall, processor) seconds} of commands that have the machine in turns, the others standing still.

    A command's wall time is the sum of its turns: whatever the machine does for longer than a turn hits all alike.
    """
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(_Run(kind, options)) for kind, options in commands.items()]
        while going := [run for run in runs if run.seconds is None]:
            for run in going:
                run.take_turn(turn_s)
        return {run.kind: run.seconds for run in runs if run.seconds is not None}


class _Run:
    """A command in a process group of its own, standing still but in its turns."""

    def __init__(self, kind: str, options: Sequence[str]) -> None:
        self.kind = kind
        self.seconds: tuple[float, float] | None = None
        self._wall_s, self._said = 0.0, tempfile.TemporaryFile("w+")  # noqa: SIM115  closed by __exit__
        self._command = [sys.executable, __file__, "--once", "--", *options, "--quiet"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process_id(self) -> int | None:
        """Of the command, once it had a turn."""
        return self._process and self._process.pid

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._said.close()
        if self._process and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def take_turn(self, turn_s: float) -> None:
        """Let it work for `turn_s`, or until it ends: then `seconds` is known. Raises `SystemExit` where it failed."""
        begun = time.perf_counter()
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, env={**os.environ, _SWITCH: self.kind}, stdout=subprocess.DEVNULL, stderr=self._said,
                start_new_session=True,
            )  # fmt: skip
            self._ended = os.pidfd_open(self._process.pid)
        else:
            os.killpg(self._process.pid, signal.SIGCONT)
        ended, _, _ = select.select([self._ended], [], [], turn_s)
        self._wall_s += time.perf_counter() - begun
        if not ended:
            os.killpg(self._process.pid, signal.SIGSTOP)
            return
        os.close(self._ended)
        _, status, used = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            self._said.seek(0)
            raise SystemExit(f"the run {self.kind} ended with {self._process.returncode}:\n{self._said.read()}")
        self.seconds = self._wall_s, used.ru_utime + used.ru_stime


def measured_pair(
    options: Sequence[str], number: int, turn_s: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """((wall, processor) of the run with everything, of the one without); the order changes with `number`."""
    kinds = ("with", "without") if number % 2 == 0 else ("without", "with")
    with tempfile.TemporaryDirectory(prefix="clean-path-") as name:
        os.sync()
        seconds = measured_in_turns({kind: [*options, "--out", str(Path(name) / kind)] for kind in kinds}, turn_s)
        tables = [[(Path(name) / kind / table).read_bytes() for table in TABLES] for kind in kinds]
        if tables[0] != tables[1] or list((Path(name) / "without").rglob("manifest.json")):
            raise SystemExit("the two runs did not do the same work")
    return seconds["with"], seconds["without"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument(
        "--turn-s",
        type=float,
        default=0.5,
        metavar="SECONDS",
        help="the two runs of a pair have the machine in turns this long, the other one standing "
        "still: what the machine does for longer hits both alike (default %(default)s)",
    )
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("options", nargs="+", help="of run_cameras.py, behind --")
    arguments = parser.parse_args()
    if arguments.once:
        from mtmc.cli import main as run_cameras

        return run_cameras(arguments.options)
    ratios: dict[str, list[float]] = {"wall": [], "processor": []}
    with tempfile.TemporaryDirectory(prefix="clean-path-") as name:
        measured_run(arguments.options, Path(name) / "warm-up", "with")  # fills caches, not counted
    for number in range(arguments.pairs):
        costly, bare = measured_pair(arguments.options, number, arguments.turn_s)
        for place, clock in enumerate(ratios):
            ratios[clock].append(costly[place] / bare[place])
        said = (f"{clock} {costly[place]:.2f} s with, {bare[place]:.2f} s without, ratio {found[-1]:.3f}"
                for place, (clock, found) in enumerate(ratios.items()))  # fmt: skip
        print(f"pair {number + 1}: {'; '.join(said)}", flush=True)
    for clock, found in ratios.items():
        print(f"{clock}: median ratio {statistics.median(found):.3f}, "
              f"upper {_CONFIDENCE:.0%} bound {upper_bound(found):.3f} of {len(found)} pairs")  # fmt: skip
    return 0


if os.environ.get(_SWITCH) == "without":  # also in the workers, which import this file before anything else
    leave_out()
if __name__ == "__main__":
    sys.exit(main())

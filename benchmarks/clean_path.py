"""What a run pays for losing nothing: its wall time over that of the same run that could lose everything.

    python benchmarks/clean_path.py -- --videos $MTMC_DATA/worlds/two-view-dev/cams \\
        --detections $MTMC_DATA/worlds/two-view-dev/det --embedder colour-texture

Behind `--` stand options of `run_cameras.py`. The same command runs twice a pair, the order changing from pair to
pair, into a new folder each time, with all earlier writes on the disk before. One run is as users get it. The other
leaves out what only faults need: manifests, commits on the way and the merging of their chunks, checksums of results
and fingerprints of inputs, the look at a file's structure before it is opened, fsync, temporary names, locks. Both
leave the same tables, which is checked. What both do: count packets, frames and detections, and refuse vectors that are
not finite, for those are part of the results. Recorded boxes and the weight-free embedder are the hard case: with
networks the same commits stand beside several times the work.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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


def timed_run(options: Sequence[str], out: Path, kind: str, cores: Iterable[int] = ()) -> tuple[float, float]:
    """(wall seconds, processor seconds) of one command, its start and its workers included. cores: of it alone."""
    begun = time.perf_counter()
    command = [sys.executable, __file__, "--once", "--", *options, "--out", str(out), "--quiet"]
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(
        command, env={**os.environ, _SWITCH: kind}, stdout=subprocess.DEVNULL, stderr=said,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    ) as process:  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"the run {kind} ended with {process.returncode}:\n{said.read()}")
    return wall_s, used.ru_utime + used.ru_stime


def measured_pair(
    options: Sequence[str], number: int, side_by_side: bool = False
) -> tuple[tuple[float, float], tuple[float, float]]:
    """((wall, processor) of the run with everything, of the one without)."""
    kinds = ("with", "without") if number % 2 == 0 else ("without", "with")
    with tempfile.TemporaryDirectory(prefix="clean-path-") as name:
        os.sync()
        if side_by_side:
            cores = sorted(os.sched_getaffinity(0))
            with ThreadPoolExecutor(2) as pool:
                runs = [pool.submit(timed_run, options, Path(name) / kind, kind, [core])
                        for kind, core in zip(kinds, cores, strict=False)]  # fmt: skip
                seconds = {kind: run.result() for kind, run in zip(kinds, runs, strict=True)}
        else:
            seconds = {}
            for kind in kinds:
                seconds[kind] = timed_run(options, Path(name) / kind, kind)
                os.sync()
        tables = [[(Path(name) / kind / table).read_bytes() for table in TABLES] for kind in kinds]
        if tables[0] != tables[1] or list((Path(name) / "without").rglob("manifest.json")):
            raise SystemExit("the two runs did not do the same work")
    return seconds["with"], seconds["without"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--side-by-side", action="store_true",
                        help="both runs of a pair at the same time, each on a core of its own, changed from pair to "
                             "pair: what the machine does at the time hits both alike")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("options", nargs="+", help="of run_cameras.py, behind --")
    arguments = parser.parse_args()
    if arguments.once:
        from mtmc.cli import main as run_cameras

        return run_cameras(arguments.options)
    ratios: dict[str, list[float]] = {"wall": [], "processor": []}
    with tempfile.TemporaryDirectory(prefix="clean-path-") as name:
        timed_run(arguments.options, Path(name) / "warm-up", "with")  # fills caches, not counted
    for number in range(arguments.pairs):
        costly, bare = measured_pair(arguments.options, number, arguments.side_by_side)
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

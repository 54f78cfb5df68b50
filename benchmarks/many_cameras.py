"""Does memory hold with many cameras? Peak of all processes of a run over 46 cameras against one over as many
cameras as there are workers; and how the run's time falls with workers.

    python benchmarks/many_cameras.py --cameras 46 --workers 2 --embedder colour-texture
    python benchmarks/many_cameras.py --cameras 8 --compare-workers 1 2

Memory is the sum of the proportional shares (PSS) of the command and its workers, looked at ten times a second, so that
pages which they share count once. The bar: at most the small run's peak plus 40 MiB a camera. The videos are rendered,
small pictures of plain fields; boxes are the rendered truth with gaps, unless a detector is named.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mtmc.demo_world import write_world  # noqa: E402
from mtmc.machine import usable_cores, usable_memory_mib  # noqa: E402
from mtmc.worlds.rendering import RenderSettings  # noqa: E402

BAR_MIB_PER_CAMERA = 40


@dataclass(frozen=True)
class Measured:
    """One run. processor_s: of all its processes. Peaks in MiB: of all processes together, of the command itself, of
    its largest worker."""

    cameras: int
    workers: int
    wall_s: float
    processor_s: float
    peak_mib: float
    command_mib: float
    worker_mib: float
    tracklets: int


def measure(world: Path, names: list[str], workers: int, options: list[str]) -> Measured:
    """Run the real command on some cameras of the world."""
    with tempfile.TemporaryDirectory(prefix="mtmc-many-") as temporary:
        folder = Path(temporary)
        (folder / "cams").mkdir()
        for name in names:
            (folder / "cams" / f"{name}.mp4").symlink_to(world / "cams" / f"{name}.mp4")
        command = [sys.executable, str(ROOT / "tools" / "run_cameras.py"), "--videos", str(folder / "cams"), "--out",
                   str(folder / "run"), "--workers", str(workers), *options]  # fmt: skip
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        peak = command_peak = worker_peak = 0.0
        while process.poll() is None:
            shares = {pid: share_mib(pid) for pid in [process.pid, *below(process.pid)]}
            peak = max(peak, sum(shares.values()))
            command_peak = max(command_peak, shares.pop(process.pid))
            worker_peak = max([worker_peak, *shares.values()])
            time.sleep(0.1)
        wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode:
            raise SystemExit(f"the run ended with {process.returncode}")
        counts = json.loads((folder / "run" / "run.json").read_text())["counts"]
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(len(names), workers, wall_s, processor_s, peak, command_peak, worker_peak, counts["tracklets"])


def below(pid: int) -> list[int]:
    """All processes that descend from one."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:
        return []
    return children + [grandchild for child in children for grandchild in below(child)]


def share_mib(pid: int) -> float:
    """Proportional share of memory of a process in MiB; 0 where it has gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=46)
    parser.add_argument("--vehicles", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--compare-workers", type=int, nargs="+", default=[], help="time the same cameras with these")
    parser.add_argument("--rounds", type=int, default=1, help="of the comparison; the best of each is shown")
    parser.add_argument("--embedder", default="auto")
    parser.add_argument("--detector", help="instead of the recorded boxes")
    parser.add_argument("--executor", default="local")
    parser.add_argument("--world", type=Path, help="where the rendered world is kept, and taken from if it is there")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    world = arguments.world or Path(tempfile.mkdtemp(prefix="mtmc-world-"))
    try:
        if not (world / "cams").is_dir():
            write_world(world, "chain", 1, RenderSettings(plain=True, size_wh=(320, 180)), workers=usable_cores(),
                        cameras=arguments.cameras, vehicles=arguments.vehicles, duration_s=arguments.seconds)
        options = ["--embedder", arguments.embedder, "--executor", arguments.executor]
        options += ["--detector", arguments.detector] if arguments.detector else ["--detections", str(world / "det")]
        report(arguments, world, options)
    finally:
        if arguments.world is None:
            shutil.rmtree(world)


def report(arguments: argparse.Namespace, world: Path, options: list[str]) -> None:
    """Measure and print; write JSON where asked."""
    names = sorted(path.stem for path in (world / "cams").iterdir())[: arguments.cameras]
    print(f"{usable_cores()} cores, {usable_memory_mib()} MiB free, load before {os.getloadavg()[0]:.1f}")
    print("cameras workers  wall s  processor s  all MiB  command MiB  worker MiB  tracklets")
    record: dict[str, object] = {"cores": usable_cores(), "options": options[:4]}
    if arguments.compare_workers:
        runs = [min((show(measure(world, names, workers, options)) for _ in range(arguments.rounds)),
                    key=lambda run: run.wall_s) for workers in arguments.compare_workers]  # fmt: skip
        record["runs"] = [asdict(run) for run in runs]
        for run in runs[1:]:
            print(f"{runs[0].workers} to {run.workers} workers: {runs[0].wall_s / run.wall_s:.2f} times as fast, "
                  f"{run.processor_s / runs[0].processor_s:.2f} times the processor seconds")  # fmt: skip
    else:
        few = show(measure(world, names[: arguments.workers], arguments.workers, options))
        many = show(measure(world, names, arguments.workers, options))
        bar = few.peak_mib + BAR_MIB_PER_CAMERA * many.cameras
        print(f"bar {bar:.0f} MiB ({few.peak_mib:.0f} + {BAR_MIB_PER_CAMERA} x {many.cameras}): found "
              f"{many.peak_mib:.0f}, {(many.peak_mib - few.peak_mib) / (many.cameras - few.cameras):.1f} a camera more")
        record.update(few=asdict(few), many=asdict(many), bar_mib=bar, held=many.peak_mib <= bar)
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


def show(run: Measured) -> Measured:
    """The run as a line of the table."""
    print(f"{run.cameras:7} {run.workers:7} {run.wall_s:7.1f} {run.processor_s:12.1f} {run.peak_mib:8.0f} "
          f"{run.command_mib:12.0f} {run.worker_mib:11.0f} {run.tracklets:10}", flush=True)  # fmt: skip
    return run


if __name__ == "__main__":
    main()

"""What each stage costs alone, and the whole run against it, on the same files in one go.

    python benchmarks/stages.py --videos $MTMC_DATA/worlds/two-view-dev/cams --detector motion
    python benchmarks/stages.py --generate 4 --vehicles 20 --duration 60 --size 960x540

The floor of a run on a CPU is the processor seconds of all stages divided by the cores, and the ratio is the run's wall
time over it. On a GPU the run is held against its slowest stage, and nvidia-smi says how busy the GPU was. Stages are
timed one after the other in this process, on all frames, without start-up and without loading models, with one and with
two threads of which the better counts; the run includes start-up and loading. The ratio of processor seconds says what
a run adds to its stages (start-up, models, threads, files); other work on the machine disturbs it less than the wall
time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.gpu_watch import GpuWatch
from benchmarks.repeated_footage import repeat_video
from detectors.registry import build_detector, for_camera
from mtmc.camera_job import limit_threads
from mtmc.cutting import TrackletCutter
from mtmc.demo_world import write_world
from mtmc.embedding import embedded
from mtmc.matching.matcher import match
from mtmc.pipeline import load_tracklets
from mtmc.plan import RunPlan, RunRequest, library_versions, make_plan
from mtmc.results.run_tables import write_run_tables
from mtmc.run_config import load_run_config
from mtmc.run_store import RunStore
from mtmc.tracking import CameraTracker
from mtmc.video import DecodeReport, read_frames
from mtmc.worlds.rendering import RenderSettings
from reid_models.registry import build_embedder

ROOT = Path(__file__).resolve().parent.parent


class Costs:
    """Wall and processor seconds by stage."""

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = {}
        self.processor_s: dict[str, float] = {}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.wall_s[stage] = self.wall_s.get(stage, 0.0) + time.perf_counter() - wall
        self.processor_s[stage] = self.processor_s.get(stage, 0.0) + time.process_time() - processor

    def move(self, source: str, target: str, seconds: float) -> None:
        """Count seconds of one stage towards another."""
        for kind in (self.wall_s, self.processor_s):
            kind[source] -= seconds
            kind[target] = kind.get(target, 0.0) + seconds


def best_of(tries: list[Costs]) -> Costs:
    """For each stage the try that took the fewest processor seconds."""
    best = Costs()
    for stage in tries[0].processor_s:
        one = min(tries, key=lambda costs: costs.processor_s[stage])
        best.processor_s[stage], best.wall_s[stage] = one.processor_s[stage], one.wall_s[stage]
    return best


def stages_alone(plan: RunPlan, threads: int) -> Costs:
    """Decode, detect, track and embed every camera, batch by batch, the networks with so many threads; only one stage
    works at any time."""
    costs, config = Costs(), plan.setup.config
    config = replace(config, detector=replace(config.detector, threads=threads),
                     embedder=replace(config.embedder, threads=threads))  # fmt: skip
    limit_threads(threads)
    detector = build_detector(plan.setup.detector, config.detector)
    embedder = build_embedder(config.embedder, compared=True)
    for job in plan.jobs:
        finder = for_camera(
            detector, plan.setup.detector, config.detector, job.camera.camera_id, job.camera.roi)
        tracker = CameraTracker(config.tracking)
        cutter = TimedCutter(
            job.camera.camera_id, config.cutting, config.crops, embedder.input_hw, job.camera.roi
        )
        frames, closed = read_frames(job.camera, config.video, DecodeReport()), []
        while True:
            with costs.of("decode"):
                batch = list(itertools.islice(frames, finder.batch_size))
            if not batch:
                break
            with costs.of("convert"):
                images = [frame.image for frame in batch]
            with costs.of("detect"):
                found = finder.detect(images, [f.index for f in batch], [f.time_s for f in batch])
            with costs.of("track"):
                for frame, detections in zip(batch, found, strict=True):
                    closed += cutter.add(frame, detections, tracker.update(detections, frame.time_s))
        with costs.of("track"):
            closed += cutter.finish()
        with costs.of("embed"):
            vectors = embedder.embed([crop for cut in closed for crop in cut.crops_rgb])
        with costs.of("crop"):
            embedded(closed, vectors, (0, 0), keep_crops=True)  # their JPEG files
        costs.move("track", "crop", cutter.crop_s)
    return costs


class TimedCutter(TrackletCutter):
    """Tells how much of its time went into crops."""

    crop_s = 0.0

    def _collect_crops(self, *arguments: Any) -> None:
        start = time.process_time()
        super()._collect_crops(*arguments)
        self.crop_s += time.process_time() - start


def whole(arguments: argparse.Namespace, out: Path) -> tuple[float, float]:
    """Wall and processor seconds of the real command into a new folder."""
    command = [sys.executable, str(ROOT / "tools" / "run_cameras.py"), "--videos", str(arguments.videos), "--out",
               str(out), *detector_options(arguments), *(f"--set={item}" for item in arguments.sets)]  # fmt: skip
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def detector_options(arguments: argparse.Namespace) -> list[str]:
    if arguments.detections:
        return ["--detections", str(arguments.detections)]
    return ["--detector", arguments.detector]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One round of everything."""
    folder = Path(tempfile.mkdtemp(prefix="mtmc-bench-"))
    try:
        with GpuWatch() as gpu:
            wall, processor = whole(arguments, folder / "run")
        request = RunRequest(
            arguments.videos, folder / "run", detector="recorded" if arguments.detections else arguments.detector,
            detections=arguments.detections, config=load_run_config(None, arguments.sets), quiet=True,
        )  # fmt: skip
        plan = make_plan(request)
        costs = best_of([stages_alone(plan, threads) for threads in arguments.threads])
        facts = RunStore(folder / "run").read_run_json()["cameras"]
        run = load_tracklets(plan, facts)
        with costs.of("match"):
            matches = match(run.gallery, plan.rules, plan.setup.config.matching)
        with costs.of("write"):
            write_run_tables(folder / "again", run, matches, plan.camera_numbers, cvat=False)
    finally:
        shutil.rmtree(folder)
    cores = len(os.sched_getaffinity(0))
    floor = sum(costs.processor_s.values()) / cores
    slowest = max(costs.wall_s.values())
    return {"gpu_busy": gpu.busy(), "slowest_ratio": wall / slowest,
            "processor_s": costs.processor_s, "wall_s": costs.wall_s, "run_wall_s": wall, "run_processor_s": processor,
            "floor_s": floor, "ratio": wall / floor, "processor_ratio": processor / sum(costs.processor_s.values()),
            "cores": cores, "frames": sum(fact["frames"] for fact in facts.values()),
            "peak_child_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}  # fmt: skip


def generated(arguments: argparse.Namespace, folder: Path) -> Path:
    """The videos of a rendered world."""
    width, height = map(int, arguments.size.split("x"))
    write_world(folder, "demo", arguments.generate, RenderSettings(plain=True, size_wh=(width, height)),
                workers=os.cpu_count() or 1, duration_s=arguments.duration, vehicles=arguments.vehicles)  # fmt: skip
    return folder / "cams"


def repeated(videos: Path, folder: Path, times: int) -> Path:
    """A folder with every video of `videos` so often in a row."""
    folder.mkdir()
    for source in sorted(videos.glob("*.mp4")):
        repeat_video(source, folder / source.name, times)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--generate", type=int, metavar="SEED", help="render a world of four cameras instead")
    parser.add_argument("--vehicles", type=int, default=20, help="of the generated world")
    parser.add_argument("--duration", type=float, default=60.0, metavar="SECONDS", help="of the generated world")
    parser.add_argument("--size", default="960x540", metavar="WxH", help="of its pictures")
    parser.add_argument("--repeat", type=int, default=1, metavar="N",
                        help="of every video, so often in a row: what a run pays once counts less in longer recordings")
    parser.add_argument("--detector", default="motion")
    parser.add_argument("--detections", type=Path)
    parser.add_argument("--rounds", type=int, default=1, help="medians are taken over these")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N",
                        help="of the networks in stages alone; the better of these counts (default: 1 2)")
    parser.add_argument("--set", action="append", default=[], dest="sets")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mtmc-bench-") as folder:
        if arguments.generate is not None:
            arguments.videos = generated(arguments, Path(folder))
        if arguments.videos is None:
            parser.error("--videos or --generate")
        if arguments.repeat > 1:
            arguments.videos = repeated(arguments.videos, Path(folder) / "repeated", arguments.repeat)
        rounds = [measure(arguments) for _ in range(arguments.rounds)]
    keys = ("run_wall_s", "run_processor_s", "floor_s", "ratio", "processor_ratio", "slowest_ratio", "gpu_busy",
            "peak_child_mib")
    median = {key: statistics.median(r[key] for r in rounds) for key in keys}
    versions = library_versions()
    print(f"{platform.machine()}, {rounds[0]['cores']} cores, {arguments.rounds} rounds, medians; "
          + ", ".join(f"{name} {version}" for name, version in versions.items()))  # fmt: skip
    print(f"{'stage':8} {'processor s':>12} {'wall s':>8} {'ms a frame':>11}")
    for stage in rounds[0]["processor_s"]:
        values = [statistics.median(r[kind][stage] for r in rounds) for kind in ("processor_s", "wall_s")]
        print(f"{stage:8} {values[0]:12.2f} {values[1]:8.2f} {values[0] * 1000 / rounds[0]['frames']:11.2f}")
    print(f"floor (all processor seconds / cores) {median['floor_s']:.2f} s")
    print(f"whole run {median['run_wall_s']:.2f} s wall, {median['run_processor_s']:.2f} s processor, "
          f"peak of one process {median['peak_child_mib']:.0f} MiB")  # fmt: skip
    print(f"ratio {median['ratio']:.2f} of wall time, {median['processor_ratio']:.2f} of processor time")
    print(f"{median['slowest_ratio']:.2f} times the slowest stage alone; "
          + ("no GPU" if math.isnan(median["gpu_busy"]) else f"GPU busy {median['gpu_busy']:.0%}"))  # fmt: skip
    if arguments.json:
        record = {"machine": platform.processor() or platform.machine(), "versions": versions,
                  "median": median, "rounds": rounds}  # fmt: skip
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

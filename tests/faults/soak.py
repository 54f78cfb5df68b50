"""The real command over many hours of generated video, at the speed the machine allows: does memory stay flat?

    python -m tests.faults.soak                 an hour
    python -m tests.faults.soak --minutes 12    shorter: the bound is wider

One camera: two minutes of rendered traffic, copied over and over without encoding again, motion detector, weight-free
embedder. Resident memory and open handles of all processes of the command are read every second; after the time the
command is told to end (SIGTERM). The first tenth, in which caches fill, is left out; a line is fitted to the means of
thirty equal stretches (seconds next to each other are no independent measurements), its upper bound is Student's.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.repeated_footage import repeat_video
from tests.faults.background import Background, started

MAX_SLOPE_MIB_PER_HOUR = 2.0
_WARM_UP = 0.1
_STRETCHES = 30
_LOOP_S, _VEHICLES_PER_LOOP, _SIZE_WH = 120.0, 40, (320, 180)
_FASTEST_HZ = 700.0  # pictures a second that no machine of ours reaches: so much video is prepared


@dataclass(frozen=True)
class Samples:
    """S readings over all processes of the command: times_s, resident_mib, handles, float64 (S,)."""

    times_s: np.ndarray
    resident_mib: np.ndarray
    handles: np.ndarray

    def after_warm_up(self) -> Samples:
        """Without the first tenth of the time."""
        kept = self.times_s >= self.times_s[0] + _WARM_UP * (self.times_s[-1] - self.times_s[0])
        return Samples(self.times_s[kept], self.resident_mib[kept], self.handles[kept])


def slope_with_bound(times_s: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope per hour of the line through the means of `_STRETCHES` stretches, and its one-sided 95 % upper bound."""
    from scipy.stats import linregress, t

    parts = np.array_split(np.arange(len(times_s)), _STRETCHES)
    hours = np.array([times_s[part].mean() for part in parts]) / 3600
    means = np.array([values[part].mean() for part in parts])
    line = linregress(hours, means)
    return float(line.slope), float(line.slope + t.ppf(0.95, len(parts) - 2) * line.stderr)


def write_footage(cams: Path, video_s: float) -> None:
    """`cams/c001.mp4`: rendered traffic, over and over."""
    from mtmc.demo_world import write_world
    from mtmc.worlds.rendering import RenderSettings

    with tempfile.TemporaryDirectory(prefix="soak-world-") as name:
        settings = RenderSettings(plain=True, size_wh=_SIZE_WH)
        write_world(Path(name), "one-camera", 1, settings, duration_s=_LOOP_S, vehicles=_VEHICLES_PER_LOOP)
        (source,) = (Path(name) / "cams").iterdir()
        cams.mkdir()
        repeat_video(source, cams / "c001.mp4", max(1, round(video_s / _LOOP_S)))


def watch(command: Background, seconds: float, log: Path | None) -> Samples:
    """Readings every second until the time is over or the command has ended; also written to `log`."""
    begun, rows = time.monotonic(), []
    while (now_s := time.monotonic() - begun) < seconds and command.process.poll() is None:
        with contextlib.suppress(psutil.Error):  # a process that just ended
            parent = psutil.Process(command.process.pid)
            processes = [parent, *parent.children(recursive=True)]
            resident = sum(process.memory_info().rss for process in processes)
            rows.append((now_s, resident / 2**20, sum(process.num_fds() for process in processes)))
            if log is not None:
                with log.open("a") as file:
                    file.write("{:.1f},{:.3f},{}\n".format(*rows[-1]))
        time.sleep(1.0)
    return Samples(*np.array(rows, np.float64).reshape(-1, 3).T)


def work_done(out: Path) -> tuple[int, int]:
    """(pictures, tracklets) that the camera had committed."""
    import polars as pl

    folder = out / "cameras" / "c001"
    chunks = [pl.read_parquet(path, columns=["frame_index"]) for path in folder.glob("detections*.parquet")]
    pieces = [pl.read_parquet(path, columns=["track_id"]).height for path in folder.glob("pieces*.parquet")]
    return max((chunk["frame_index"].max() + 1 for chunk in chunks if len(chunk)), default=0), sum(pieces)


def soak(folder: Path, seconds: float, log: Path | None = None) -> tuple[Samples, int, int, int]:
    """(readings, exit code, pictures, tracklets)."""
    write_footage(folder / "cams", seconds * _FASTEST_HZ / 10)  # worlds have 10 pictures a second
    arguments = ["--videos", str(folder / "cams"), "--out", str(folder / "run"), "--detector", "motion", "--quiet",
                 "--embedder", "colour-texture"]  # fmt: skip
    with started(*arguments, environment={"OMP_NUM_THREADS": "1"}) as command:
        samples = watch(command, seconds, log)
        command.process.send_signal(signal.SIGTERM)
        code, _, stderr = command.finish()
    if code not in (0, 143) or "Traceback" in stderr:
        raise SystemExit(f"the command ended with {code}\n{stderr}")
    return samples, code, *work_done(folder / "run")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--folder", type=Path, help="for footage and run, some gigabytes an hour (default: temporary)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="readings as CSV: seconds, MiB, handles")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="soak-", dir=arguments.folder) as name:
        samples, code, pictures, tracklets = soak(Path(name), arguments.minutes * 60, arguments.log)
    kept = samples.after_warm_up()
    slope, bound = slope_with_bound(kept.times_s, kept.resident_mib)
    # Medians: while chunks become one, for less than a second every five minutes, some files more are open.
    quarter = len(kept.handles) // 4
    grown = float(np.median(kept.handles[-quarter:]) - np.median(kept.handles[:quarter]))
    minutes = samples.times_s[-1] / 60
    print(f"{minutes:.1f} min, exit code {code}: {pictures} pictures, {pictures / minutes / 60:.0f} a second, "
          f"{tracklets} tracklets of vehicles committed")  # fmt: skip
    print(f"resident {kept.resident_mib.min():.1f} to {kept.resident_mib.max():.1f} MiB over all processes, slope "
          f"{slope:+.2f} MiB an hour, 95 % upper bound {bound:+.2f}")  # fmt: skip
    print(f"handles {kept.handles.min():.0f} to {kept.handles.max():.0f}, last quarter {grown:+.0f} against the first")
    too_much = bound > MAX_SLOPE_MIB_PER_HOUR
    if too_much and minutes < 59:
        print(f"too short to hold the bound to {MAX_SLOPE_MIB_PER_HOUR:g} MiB an hour")
    return int((too_much and minutes >= 59) or grown > 0 or not tracklets)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())

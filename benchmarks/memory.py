"""Does memory grow with the length of a video? Peak resident size on a 10-minute camera over that on a 1-minute one.

    python benchmarks/memory.py --minutes 1 10 --detector motion

Both videos are rendered with the same traffic per minute; the report and its pictures are part of the run.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mtmc.demo_world import write_world  # noqa: E402
from mtmc.worlds.rendering import RenderSettings  # noqa: E402


def peak_mib(arguments: list[str]) -> float:
    """Largest resident size of any process of the real command (its parent or a worker), in MiB."""
    program = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", program, sys.executable, str(ROOT / "tools" / "run_cameras.py"), *arguments]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(re.findall(r"\d+", out)[-1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs=2, default=[1.0, 10.0], metavar=("SHORT", "LONG"))
    parser.add_argument("--detector", default="motion")
    parser.add_argument("--embedder", default="auto")
    parser.add_argument("--vehicles-per-minute", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    peaks = []
    for minutes in arguments.minutes:
        folder = Path(tempfile.mkdtemp(prefix="mtmc-memory-"))
        try:
            vehicles = round(minutes * arguments.vehicles_per_minute)
            settings = RenderSettings(plain=True, size_wh=(320, 180))  # cheap pictures: minutes, not hours, to render
            write_world(folder, "one-camera", 1, settings, duration_s=minutes * 60, vehicles=vehicles)
            options = ["--videos", str(folder / "cams"), "--out", str(folder / "run"), "--detector", arguments.detector,
                       "--embedder", arguments.embedder]  # fmt: skip
            peaks.append(peak_mib(options))
        finally:
            shutil.rmtree(folder)
        print(f"{minutes:g} min: {peaks[-1]:.0f} MiB", flush=True)
    ratio = peaks[1] / peaks[0]
    print(f"ratio {ratio:.3f}")
    if arguments.json:
        record = {"minutes": arguments.minutes, "peak_mib": peaks, "ratio": ratio, "detector": arguments.detector}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

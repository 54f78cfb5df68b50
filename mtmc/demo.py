"""`make demo`: render a small camera network, run on it as a user would, score it against the rendered truth."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mtmc import cli
from mtmc.demo_world import write_world
from mtmc.errors import MtmcError
from mtmc.matching.matcher import match
from mtmc.pipeline import load_tracklets
from mtmc.plan import RunRequest, make_plan
from mtmc.run_store import RunStore
from mtmc.scoring import compare_answers

SEED = 7  # any other works; the tests use others


@dataclass(frozen=True)
class DemoResult:
    """Cross-camera IDF1 of the run, and of the same tracklets linked by one kind of evidence alone."""

    idf1: float
    idf1_times_alone: float
    idf1_appearance_alone: float


def render(folder: Path, kind: str, seed: int, quiet: bool, **sizes: Any) -> None:
    """Render the world into `folder` (videos in `folder/cams`), unless the same one lies there already."""
    stamp = folder / "rendered.txt"
    wanted = f"{kind} {seed} {sorted(sizes.items())}\n"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    bars: dict[str, tqdm[Any]] = {}

    def show(camera: str, done: int, total: int) -> None:
        bar = bars.setdefault(camera, tqdm(total=total, desc=f"render {camera}", unit="frame", disable=quiet))
        bar.update(done - bar.n)

    write_world(folder, kind, seed, workers=os.cpu_count() or 1, progress=show, **sizes)
    for bar in bars.values():
        bar.close()
    stamp.write_text(wanted)


def compare_evidence(videos: Path, out: Path, truth: Path, detector: str) -> DemoResult:
    """Score a finished run, and its tracklets linked by times alone and by appearance alone."""
    plan = make_plan(RunRequest(videos, out, detector=detector, quiet=True))
    facts = RunStore(out).read_run_json()["cameras"]
    run = load_tracklets(plan, facts)
    config = plan.setup.config.matching
    variants = {
        "all": config,
        "times": replace(config, use_appearance=False),
        "appearance": replace(config, use_travel_times=False),
    }
    answers = {name: match(run.gallery, plan.rules, variant).global_ids for name, variant in variants.items()}
    idf1 = compare_answers(truth, run, answers, plan.camera_numbers)
    return DemoResult(idf1["all"], idf1["times"], idf1["appearance"])


def run_demo(folder: Path, kind: str = "demo", seed: int = SEED, quiet: bool = False, **sizes: Any) -> DemoResult:
    """All steps of the demo in `folder`; prints what a user sees."""
    start = time.monotonic()
    videos, out, truth = folder / "cams", folder / "run", folder / "ground_truth.txt"
    print(f"rendering a network of cameras into {videos} (no download, no photographs)", flush=True)
    render(folder, kind, seed, quiet or not sys.stderr.isatty(), **sizes)
    rendered = time.monotonic()
    arguments = ["--videos", str(videos), "--out", str(out), "--detector", "motion", "--truth", str(truth)]
    print(f"$ python tools/run_cameras.py {' '.join(arguments)}", flush=True)
    code = cli.main([*arguments, *(["--quiet"] if quiet else [])])
    if code:
        raise SystemExit(code)
    ran = time.monotonic()
    result = compare_evidence(videos, out, truth, "motion")
    costs = {"render": rendered - start, "run": ran - rendered, "score": time.monotonic() - ran}
    times, looks = result.idf1_times_alone, result.idf1_appearance_alone
    print(f"the same tracklets linked by times alone: IDF1 {times:.2f}, by appearance alone: IDF1 {looks:.2f}")
    print("demo seconds: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in costs.items()))
    print(f"look at {out / 'report.html'} and {out / 'matches.csv'}")
    print(f"cross-camera IDF1 {result.idf1:.2f}")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m mtmc.demo --dir demo`."""
    parser = argparse.ArgumentParser(prog="python -m mtmc.demo", description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path("demo"), help="where world and run go (default: demo)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"which world (default: {SEED})")
    parser.add_argument("--kind", default="demo", help="kind of world, see docs/worlds.md (default: demo)")
    arguments = parser.parse_args(argv)
    try:
        run_demo(arguments.dir, arguments.kind, arguments.seed)
    except MtmcError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

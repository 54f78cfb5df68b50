"""Which loss, one level or three: the published table on generated data in CityFlow-ReID layout.

    python -m reid_models.data.generate --dataset cityflow-reid --out runs/ablation-data \\
        --photographs $MTMC_DATA/vehicle-reid-2cam
    python benchmarks/reid_ablation.py --data runs/ablation-data --out runs/ablation --minutes 4

Four heads (batch-hard triplet, SSL, RLL, multi-level RLL; the first three on the deepest tap) × seeds, each trained
as long on `local-train` and scored on `local-scene`. A run that is done is not done again, so that the
command may be stopped and given once more. Prints a Markdown table and paired bootstraps over vehicles.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path

import numpy as np

from mtmc.config import build, merge_sets, read_yaml
from mtmc.files import atomic_path, write_text
from reid_models.data.registry import load_split, load_tasks
from reid_models.data.samples import ReidTask
from reid_models.evaluation.bootstrap import paired_bootstrap
from reid_models.evaluation.evaluate import evaluate_protocol
from reid_models.evaluation.features import embed_tasks
from reid_models.evaluation.metrics import QueryScores, summarise
from reid_models.evaluation.protocols import IMAGE_TO_IMAGE, IMAGE_TO_TRACKLET_PROPAGATED, TRACKLET_TO_TRACKLET

ROOT = Path(__file__).resolve().parent.parent
# The rows of the published table: name, loss, taps.
ROWS = (("triplet", "triplet", [4]), ("SSL", "ssl", [4]), ("RLL", "rll", [4]), ("multi-level RLL", "rll", [2, 3, 4]))
PROTOCOLS = (IMAGE_TO_IMAGE, IMAGE_TO_TRACKLET_PROPAGATED, TRACKLET_TO_TRACKLET)
FIELDS = tuple(field.name for field in dataclasses.fields(QueryScores))


def main() -> int:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="generated data in CityFlow-ReID layout")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of table.md")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "reid_ablation.yaml")
    parser.add_argument("--minutes", type=float, default=4.0, help="of training for each run (default: 4)")
    parser.add_argument("--steps", type=int,
                        help="of training for each run, in place of minutes; fairer on a busy machine")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=[row[0] for row in ROWS], choices=[row[0] for row in ROWS])
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    arguments = parser.parse_args()
    tasks = load_tasks("cityflow-reid", arguments.data, "local-scene")
    scores = {}
    for seed in range(arguments.seeds):  # seed by seed: whatever is done so far is a whole, smaller table
        for name, metric, taps in ROWS:
            if name in arguments.rows:
                done = run(arguments, tasks, name, metric, taps, seed)
                scores.setdefault(name, []).append(done)
    text = render(scores, tasks, arguments)
    write_text(arguments.out / "table.md", text)
    print(text)
    return 0


def run(arguments: argparse.Namespace, tasks: tuple[ReidTask, ...], name: str, metric: str, taps: list[int],
        seed: int) -> dict[str, QueryScores]:
    """The scores of one head and seed by protocol, read back where they are there."""
    out = arguments.out / f"{name.replace(' ', '-')}-seed{seed}"
    stored = out / "scores.npz"
    if not stored.is_file():
        print(f"training {out.name}", file=sys.stderr)
        weights, steps = train(arguments, out, metric, taps, seed)
        found = score(tasks, weights)
        with atomic_path(stored) as temporary, temporary.open("wb") as file:
            np.savez(file, steps=steps, **{f"{p}.{f}": getattr(s, f) for p, s in found.items() for f in FIELDS})
    with np.load(stored) as arrays:
        return {p: QueryScores(*(arrays[f"{p}.{f}"] for f in FIELDS)) for p in PROTOCOLS}


def train(arguments: argparse.Namespace, out: Path, metric: str, taps: list[int], seed: int) -> tuple[Path, int]:
    """Train one head; its weights and the steps it took."""
    from reid_models.training.config import TrainConfig
    from reid_models.training.loop import Trainer
    from reid_models.training.splits import hold_out
    from reid_models.weights import WeightsInfo

    length = f"steps={arguments.steps}" if arguments.steps else f"minutes={arguments.minutes}"
    sets = ["minutes=0", length, f"seed={seed}", f"loss.metric={metric}", f"model.taps={taps}"]
    config = build(TrainConfig, merge_sets(read_yaml(arguments.config), [*sets, *arguments.set]), str(arguments.config))
    samples = load_split(config.data.dataset, arguments.data, config.data.split)
    training, validation = hold_out(samples, config.data.validation_share, config.data.validation_fold)
    result = Trainer(config, training, validation, out, WeightsInfo(config.model, out.name)).run()
    return result.weights, result.steps


def score(tasks: tuple[ReidTask, ...], weights: Path) -> dict[str, QueryScores]:
    """Every query's scores by protocol."""
    from reid_models.registry import EmbedderConfig, build_embedder

    vectors = embed_tasks(build_embedder(EmbedderConfig(weights=str(weights))), tasks)
    return {protocol: evaluate_protocol(protocol, tasks, vectors).scores for protocol in PROTOCOLS}


def render(scores: dict[str, list[dict[str, QueryScores]]], tasks: tuple[ReidTask, ...],
           arguments: argparse.Namespace) -> str:
    """The table in the published shape, and what separates each row from the one above it."""
    length = f"{arguments.steps} steps" if arguments.steps else f"{arguments.minutes:g} minutes"
    lines = [f"{len(tasks[0].query)} queries, {len(tasks[0].gallery)} gallery images, {arguments.seeds} seeds, "
             f"{length} of training a run on {os.cpu_count()} cores. "
             "mAP / R-1 / R-5 in per cent, mean ± standard deviation over seeds.", "",
             "| | " + " | ".join(PROTOCOLS) + " |", "|---" * (len(PROTOCOLS) + 1) + "|"]
    for name, runs in scores.items():
        lines.append(f"| {name} | " + " | ".join(_cell([one[p] for one in runs]) for p in PROTOCOLS) + " |")
    lines += ["", "Difference in mAP from the row above (mean over seeds of each query; 95 % interval and the chance "
              "that it is above 0, by a paired bootstrap over vehicles):", ""]
    names = list(scores)
    for below, above in zip(names[1:], names[:-1], strict=True):
        for protocol in PROTOCOLS:
            ours, theirs = (np.mean([one[protocol].ap_rectangle for one in scores[n]], axis=0) for n in (below, above))
            interval, sure = paired_bootstrap(100 * ours, 100 * theirs, tasks[0].query.identities)
            lines.append(f"- {below} minus {above}, {protocol}: {interval.mean:+.2f} "
                         f"[{interval.low:+.2f}, {interval.high:+.2f}], {sure:.0%}")
    return "\n".join(lines) + "\n"


def _cell(runs: list[QueryScores]) -> str:
    summaries = [summarise(one) for one in runs]
    parts = []
    for values in zip(*((s.map_rectangle, s.r1, s.r5) for s in summaries), strict=True):
        spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
        parts.append(f"{100 * np.mean(values):.1f} ± {100 * spread:.1f}")
    return " / ".join(parts)


if __name__ == "__main__":
    sys.exit(main())

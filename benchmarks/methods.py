"""What each published training option is worth: `python benchmarks/methods.py --data $MTMC_DATA/vehicle-reid-2cam`.

Rows stand in benchmarks/methods.yaml. Each is trained over several seeds for the same number of steps, one thread, and
scored on vehicles held out of `train.txt`: seed s holds out fold s of five, so three seeds score 243 vehicles, both
directions. `val.txt` is never read. A run that is done by the same code is not done again, so that the command may be
stopped and given once more. Prints a Markdown table: mean and spread over seeds, the paired bootstrap over vehicles of
the difference in mAP from the row compared with, and processor time beside the baseline's.

    python benchmarks/methods.py --data DIR --file benchmarks/shipped.yaml --seeds 5 --steps 400

is five-fold cross-validation among recipes for the weights that ship, on their own configuration.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtmc.config import build, merge_sets, read_yaml
from mtmc.errors import InputError
from mtmc.files import atomic_path, write_text
from reid_models.data.relevance import JUNK_SAME_CAMERA
from reid_models.data.samples import ReidSamples
from reid_models.evaluation.bootstrap import paired_bootstrap
from reid_models.evaluation.metrics import score

ROOT = Path(__file__).resolve().parent.parent
ROWS = Path(__file__).with_name("methods.yaml")


@dataclass(frozen=True, eq=False)
class Run:
    """What one training gave: for each query its AP and whether rank 1 was right, its vehicle, and processor seconds of
    training."""

    precision: np.ndarray
    first: np.ndarray
    vehicles: np.ndarray
    seconds: float


def main() -> int:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the two-view set")
    parser.add_argument("--file", type=Path, default=ROWS, help="the rows (default: benchmarks/methods.yaml)")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"), help="folder of scores and of table.md")
    parser.add_argument("--steps", type=int, default=400, help="of training for each run (default: 400)")
    parser.add_argument("--seeds", type=int, default=3, help="1 to 5, one fold each (default: 3)")
    parser.add_argument("--rows", nargs="+", help="names of methods.yaml (default: all); their baselines come along")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="section.key=value",
                        help="of every row, e.g. model.input_hw=[128,128] for a larger budget")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is done")
    arguments = parser.parse_args()
    table = read_table(arguments.file)
    table["base"] = merge_sets(table["base"], arguments.sets)
    rows = table["rows"]
    names = list(rows) if arguments.rows is None else wanted(rows, arguments.rows)
    done: dict[str, list[Run]] = {name: [] for name in names}
    for seed in range(arguments.seeds):  # seed by seed: whatever is done so far is a whole, smaller table
        for name in names:
            path = stored(arguments.out, name, seed)
            if not path.is_file() and not arguments.table:
                print(f"{time.strftime('%H:%M:%S')} {path.stem}", file=sys.stderr, flush=True)
                train_and_store(arguments, table, name, seed)
            if path.is_file():
                done[name].append(load(path, settings_of(table, name, seed, arguments.steps)))
    text = render(done, rows, arguments.steps)
    write_text(arguments.out / "table.md", text)
    print(text)
    return 0


def read_table(path: Path) -> dict[str, Any]:
    """`base` and `rows` of a file; `base_of` names a configuration that `base` lies on."""
    table = read_yaml(path)
    if "base_of" in table:
        below = read_yaml(ROOT / table["base_of"])
        for section, values in table.get("base", {}).items():
            below[section] = {**below.get(section, {}), **values} if isinstance(values, dict) else values
        table["base"] = below
    return table


def wanted(rows: dict[str, Any], asked: list[str]) -> list[str]:
    """The rows asked for with those they need, in the order of the file."""
    needed = set(asked)
    for _ in rows:
        needed |= {rows[n].get(key, "baseline") for n in needed for key in ("against", "weights_of")}
    return [name for name in rows if name in needed]


def stored(out: Path, name: str, seed: int) -> Path:
    """The file of one run."""
    return out / f"{name.replace(', ', '-').replace(' ', '-')}-seed{seed}.npz"


def settings_of(table: dict[str, Any], name: str, seed: int, steps: int) -> dict[str, Any]:
    """What a row is trained with."""
    rows = table["rows"]
    sets = rows[rows[name].get("weights_of", name)]["set"]
    return merge_sets(table["base"], [f"seed={seed}", f"data.validation_fold={seed}", f"steps={steps}",
                                      "validate_every=1000000", *sets])


def code_version() -> str:
    """A digest of the package that trains and scores: figures of other code do not stand in one table."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "reid_models").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def train_and_store(arguments: argparse.Namespace, table: dict[str, Any], name: str, seed: int) -> None:
    """Train one row, or the row whose weights it takes, and keep the scores of all rows of those weights."""
    from reid_models.data.registry import load_split
    from reid_models.training.attributes import with_attributes
    from reid_models.training.config import TrainConfig
    from reid_models.training.loop import Trainer
    from reid_models.training.splits import hold_out
    from reid_models.weights import WeightsInfo, load_weights

    rows = table["rows"]
    trained = rows[name].get("weights_of", name)
    settings = settings_of(table, name, seed, arguments.steps)
    config = build(TrainConfig, settings, name)
    samples = load_split("two-view", arguments.data, "train")
    training, held_out = hold_out(samples, config.data.validation_share, seed)
    if rows[trained].get("times"):
        training = with_times(training, seed)
    config = with_attributes(config, training)
    out = arguments.out / f"training-{trained.replace(' ', '-')}-seed{seed}"
    began = time.process_time()
    trainer = Trainer(config, training, held_out.select(np.zeros(len(held_out), bool)), out, WeightsInfo(config.model))
    result = trainer.run()
    seconds = time.process_time() - began
    model, _ = load_weights(result.weights)
    for other, row in rows.items():
        if row.get("weights_of", other) == trained:
            scores = judge(model, held_out, bool(row.get("double")))
            store(stored(arguments.out, other, seed), scores, held_out, seconds, settings)
    shutil.rmtree(out)


def with_times(samples: ReidSamples, seed: int) -> ReidSamples:
    """Every photograph a passage of two seconds: a vehicle every five seconds at camera 1, at camera 2 ten to forty
    seconds after it has left camera 1."""
    random = np.random.default_rng([seed, 6])
    vehicles = random.permutation(np.unique(samples.identities))
    enters = dict(zip(vehicles.tolist(), 5.0 * np.arange(len(vehicles)), strict=True))
    travel = dict(zip(vehicles.tolist(), 2 + random.uniform(10, 40, len(vehicles)), strict=True))
    starts = np.array([enters[v] + (travel[v] if camera == 2 else 0)
                       for v, camera in zip(samples.identities.tolist(), samples.cameras.tolist(), strict=True)])
    return replace(samples, tracklets=np.arange(len(samples)), spans_s=np.stack([starts, starts + 2], axis=1))


def judge(model: Any, held_out: ReidSamples, double: bool) -> tuple[np.ndarray, np.ndarray]:
    """AP and hit at rank 1 of every image as a query among the other camera's images."""
    import torch

    from reid_models.training.validation import embed_samples

    vectors = embed_samples(model, held_out, torch.device("cpu"), torch.float32, double)
    scores = score(vectors, vectors, held_out.identities, held_out.identities, held_out.cameras, held_out.cameras,
                   JUNK_SAME_CAMERA)
    return scores.ap_rectangle, (scores.first_ranks == 1).astype(np.float64)


def store(path: Path, scores: tuple[np.ndarray, np.ndarray], held_out: ReidSamples, seconds: float,
          settings: dict[str, Any]) -> None:
    """Keep one run with what it was trained with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, precision=scores[0], first=scores[1], vehicles=held_out.identities, seconds=seconds,
                 settings=json.dumps(settings), code=code_version())


def load(path: Path, settings: dict[str, Any]) -> Run:
    """What `store` kept. Raises `InputError` where it was trained with other settings than the row has now, or by other
    code."""
    with np.load(path) as arrays:
        if "code" not in arrays or str(arrays["code"]) != code_version():
            raise InputError(path, "a run of the code as it is now", "one of other code", "Delete the file.")
        if json.loads(str(arrays["settings"])) != json.loads(json.dumps(settings)):
            raise InputError(path, "a run with the settings that its row has now", "another", "Delete the file.")
        return Run(arrays["precision"], arrays["first"], arrays["vehicles"], float(arrays["seconds"]))


def render(done: dict[str, list[Run]], rows: dict[str, Any], steps: int) -> str:
    """The table; rows are compared over the seeds that both have."""
    base = done["baseline"]
    seconds = np.mean([run.seconds for run in base]) if base else float("nan")
    lines = [f"{steps} steps a run, about {seconds:.0f} s of processor time for the baseline, one thread; "
             f"{os.cpu_count()} cores. mAP / R-1 in per cent, mean ± standard deviation over seeds.", "",
             "| row | seeds | mAP / R-1 | mAP against the baseline [95 %] (chance above 0) | time |", "|---" * 5 + "|"]
    for name, runs in done.items():
        if runs:
            theirs = done[rows[name].get("against", "baseline")]
            lines.append(f"| {name} | {len(runs)} | {spread(runs)} | {difference(runs, theirs, name)} | "
                         f"{np.mean([r.seconds for r in runs]) / seconds:.2f} |")
    return "\n".join(lines) + "\n"


def spread(runs: list[Run]) -> str:
    """mean ± deviation of mAP and R-1 over seeds."""
    parts = []
    for values in ([r.precision.mean() for r in runs], [r.first.mean() for r in runs]):
        deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
        parts.append(f"{100 * np.mean(values):.1f} ± {100 * deviation:.1f}")
    return " / ".join(parts)


def difference(runs: list[Run], theirs: list[Run], name: str) -> str:
    """Paired over the queries of all seeds that both have; drawn by vehicle."""
    both = list(zip(runs, theirs, strict=False))
    if name == "baseline" or not both:
        return ""
    ours, other = (np.concatenate([100 * pair[side].precision for pair in both]) for side in (0, 1))
    interval, sure = paired_bootstrap(ours, other, np.concatenate([pair[0].vehicles for pair in both]))
    return f"{interval.mean:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}] ({sure:.0%})"


if __name__ == "__main__":
    sys.exit(main())

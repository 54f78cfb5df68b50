"""The matcher on made-up worlds over seeds, with each kind of evidence off in turn.

    python benchmarks/association.py                      # all kinds, ten seeds, everything on
    python benchmarks/association.py --ablation --seeds 10 --json ablation.json

Columns: cross-camera IDF1 by the second as a share of what perfect links over the same tracklets reach, precision of
the links, expected calibration error over all candidates, false links per 100 tracklets, seconds a world.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.association_worlds import World, idf1, make_world
from mtmc.camera_rules import CameraRules
from mtmc.matching.looks import LooksConfig
from mtmc.matching.matcher import MatchingConfig, match
from mtmc.matching.matches import Matches

KINDS = ("chain", "crossing", "loop", "two-way", "rush-hour", "strangers", "one-camera", "twelve-cameras", "demo")
FULL = MatchingConfig()
VARIANTS = {
    "everything": FULL,
    "without places": replace(FULL, use_positions=False),
    "without neighbours": replace(FULL, use_neighbours=False),
    "without image distances": replace(FULL, use_images=False),
    "without joining pieces": replace(FULL, join_pieces=False),
    "without camera-bias removal": replace(FULL, looks=LooksConfig(remove_camera_mean=False)),
    "with scatter removal": replace(FULL, looks=LooksConfig(remove_scatter=True)),
    "with re-ranking": replace(FULL, rerank=True),
    "times alone": replace(FULL, use_appearance=False),
    "appearance alone": replace(FULL, use_travel_times=False),
}


def calibration_error(probabilities: np.ndarray, true: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: mean gap between probability and share of true ones, weighted by bins' sizes."""
    if not len(probabilities):
        return 0.0
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    return float(np.abs(np.bincount(place, probabilities - true, minlength=bins)).sum() / len(probabilities))


def measure(world: World, matches: Matches) -> dict[str, float]:
    """The columns of the table for one world."""
    candidates, ids = matches.candidates, world.vehicle_ids
    true = ids[candidates.pairs[:, 0]] == ids[candidates.pairs[:, 1]]
    accepted = candidates.accepted
    best = idf1(world, ids)
    return {
        "idf1": idf1(world, matches.global_ids) / best if best else 1.0,
        "precision": float(true[accepted].mean()) if accepted.any() else 1.0,
        "calibration_error": calibration_error(candidates.probabilities, true),
        "false_per_100": 100.0 * float((accepted & ~true).sum()) / max(len(ids), 1),
    }


def mean_over_seeds(kind: str, seeds: int, config: MatchingConfig) -> dict[str, float]:
    rows = []
    for seed in range(seeds):
        world = make_world(kind, seed)
        start = time.perf_counter()
        matches = match(world.gallery, CameraRules(), config)
        rows.append(measure(world, matches) | {"seconds": time.perf_counter() - start})
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--ablation", action="store_true", help="every variant, not only everything on")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, config in VARIANTS.items():
        if name != "everything" and not arguments.ablation:
            continue
        found[name] = {}
        for kind in arguments.kinds:
            row = found[name][kind] = mean_over_seeds(kind, arguments.seeds, config)
            print(f"{name:28} {kind:15} IDF1 {row['idf1']:.3f}  precision {row['precision']:.3f}  "
                  f"calibration error {row['calibration_error']:.3f}  false per 100 {row['false_per_100']:.2f}  "
                  f"{row['seconds']:.2f} s", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the matcher learns of the cameras, held against the truth: travel times and clocks on made-up worlds over seeds.

    python benchmarks/association_clocks.py --seeds 10

Columns: directed pairs of cameras with at least 15 common vehicles, and on how many of them the learned median travel
time is within 10 % of that of the same vehicles (or 0.3 s, where views touch); reported clock offsets, and how many lie
within the larger of 0.3 s and two standard errors of the truth; the same for drifts, against two standard errors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.association_worlds import World, make_world
from mtmc.camera_rules import CameraRules
from mtmc.matching.camera_graph import travel_times
from mtmc.matching.matcher import MatchingConfig, match
from mtmc.matching.matches import CameraGraph

KINDS = ("chain", "crossing", "loop", "two-way", "rush-hour", "twelve-cameras", "demo")
COMMON = 15


def held_against_truth(world: World, graph: CameraGraph) -> np.ndarray:
    """int64 (3, 2): of travel medians, offsets and drifts how many were checked and how many are right."""
    traffic, counts = world.traffic, np.zeros((3, 2), np.int64)
    truth = travel_times(world.gallery.tracklets, world.vehicle_ids)
    clock, rate = -traffic.clock_offsets_s, 1 / traffic.clock_rates
    for row, (a, b) in enumerate(graph.edges.tolist()):
        times_s = truth[a, b].travel_s if (a, b) in truth else np.zeros(0)
        if len(times_s) >= COMMON:
            off = abs(graph.travel_median_s[row] - np.median(times_s))
            counts[0] += 1, off <= max(0.1 * abs(np.median(times_s)), 0.3)
        if np.isfinite(graph.clock_offset_s[row]):
            off = abs(graph.clock_offset_s[row] - (clock[b] - clock[a]))
            counts[1] += 1, off <= max(0.3, 2 * graph.clock_offset_error_s[row])
        if np.isfinite(graph.clock_drift_s_per_h[row]):
            off = abs(graph.clock_drift_s_per_h[row] - 3600 * (rate[b] - rate[a]))
            counts[2] += 1, off <= 2 * graph.clock_drift_error_s_per_h[row]
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    print("| kind | travel medians within 10 % | offsets within max(0.3 s, 2 errors) | drifts within 2 errors |")
    print("|---|---|---|---|")
    for kind in arguments.kinds:
        total = np.zeros((3, 2), np.int64)
        for seed in range(arguments.seeds):
            world = make_world(kind, seed)
            total += held_against_truth(world, match(world.gallery, CameraRules(), MatchingConfig()).camera_graph)
        cells = [f"{right} of {checked}" if checked else "" for checked, right in total.tolist()]
        print(f"| `{kind}` | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The matcher on a day of many cameras: time, memory, and what it costs not to be told the travel times.

    OMP_NUM_THREADS=1 python benchmarks/association_scale.py --tracklets 100000 --cameras 100
    OMP_NUM_THREADS=1 python benchmarks/association_scale.py --tracklets 100000 --cameras 100 --true-gates

Vehicles wander over a ring of cameras with four neighbours each; 30 % leave at every camera; travel times are
log-normal between 20 and 300 s. Image vectors lie on disk as float16.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mtmc.camera_rules import CameraRules, TransitRule
from mtmc.embedding import Gallery
from mtmc.matching.matcher import MatchingConfig, match
from mtmc.tracklets import TrackletTable

LEAVE, NEIGHBOURS, IMAGES, DAY_S, INNER = 0.3, (-2, -1, 1, 2), 4, 86_400.0, 64


def make_day(tracklets: int, cameras: int, dimension: int, folder: Path, seed: int = 0,
             duration_s: float = DAY_S) -> tuple[Gallery, np.ndarray, CameraRules]:
    """Gallery, vehicle of each tracklet, and the true gates as rules."""
    rng = np.random.default_rng(seed)
    medians = {(a, (a + step) % cameras): float(rng.uniform(30, 150)) for a in range(cameras) for step in NEIGHBOURS}
    rows: list[tuple[int, float, float, int]] = []
    vehicle = 0
    while len(rows) < tracklets:
        vehicle += 1
        camera, now = int(rng.integers(cameras)), float(rng.uniform(0, duration_s))
        while True:
            leaves = now + float(rng.uniform(3, 8))
            rows.append((camera, now, leaves, vehicle))
            if rng.random() < LEAVE:
                break
            following = (camera + int(rng.choice(NEIGHBOURS))) % cameras
            now = leaves + float(np.clip(medians[camera, following] * rng.lognormal(0, 0.3), 20, 300))
            camera = following
    rows = sorted(rows[:tracklets])
    camera_rows = np.array([r[0] for r in rows], np.int64)
    vehicles = np.array([r[3] for r in rows], np.int64)
    m = len(rows)
    names = tuple(f"c{i + 1:03d}" for i in range(cameras))
    none = np.zeros((m, 4), np.float32)
    ground = np.full((m, 2), np.nan)
    table = TrackletTable(names, camera_rows, np.arange(1, m + 1), np.array([r[1] for r in rows]),
                          np.array([r[2] for r in rows]), np.full(m, 2), none, none, np.zeros((m, 2), np.int64),
                          ground, ground)
    pooled, images = _vectors(vehicles, camera_rows, cameras, dimension, folder, rng)
    rules = CameraRules(tuple(TransitRule(names[a], names[b], True, 20.0, 300.0) for a, b in medians), True)
    return Gallery(table, pooled, images, np.arange(m + 1, dtype=np.int64) * IMAGES), vehicles, rules


def _vectors(vehicles: np.ndarray, camera_rows: np.ndarray, cameras: int, dimension: int, folder: Path,
             rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Vectors that vary in `INNER` directions, as real ones do: model and own part of a vehicle, camera, passage."""
    m = len(vehicles)
    inner = rng.normal(0, 1 / np.sqrt(INNER), (300, INNER))[rng.integers(0, 300, vehicles.max() + 1)] * np.sqrt(0.5)
    inner += rng.normal(0, np.sqrt(0.5 / INNER), inner.shape)
    shifts = rng.normal(0, np.sqrt(0.25 / INNER), (cameras, INNER))
    spread = np.linalg.qr(rng.normal(size=(dimension, INNER)))[0].T.astype(np.float32)
    passage = (inner[vehicles] + shifts[camera_rows] + rng.normal(0, np.sqrt(0.5 / INNER), (m, INNER)))
    pooled = np.empty((m, dimension), np.float32)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.float16, (m * IMAGES, dimension))
    for start in range(0, m, 4096):
        own = passage[start:start + 4096, None] + rng.normal(0, np.sqrt(0.6 / INNER), (
            len(passage[start:start + 4096]), IMAGES, INNER))
        full = own.astype(np.float32) @ spread
        full += rng.normal(0, 0.1 / np.sqrt(dimension), full.shape).astype(np.float32)
        full /= np.linalg.norm(full, axis=2, keepdims=True)
        images[start * IMAGES:(start + len(full)) * IMAGES] = full.reshape(-1, dimension)
        mean = full.mean(axis=1)
        pooled[start:start + len(full)] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    images.flush()
    del images
    return pooled, np.load(folder / "images.npy", mmap_mode="r")


def pair_f1(ids: np.ndarray, vehicles: np.ndarray) -> float:
    """F1 over pairs of tracklets of one vehicle."""
    def pairs(labels: np.ndarray) -> float:
        counts = np.unique(labels, return_counts=True)[1].astype(np.float64)
        return float((counts * (counts - 1) / 2).sum())

    both = pairs(np.unique(np.stack([ids, vehicles], axis=1), axis=0, return_inverse=True)[1])
    return 2 * both / max(pairs(ids) + pairs(vehicles), 1.0)


def identity_f1(ids: np.ndarray, vehicles: np.ndarray, cameras: np.ndarray) -> float:
    """Cross-camera IDF1 with every tracklet of one weight; vehicles of one camera do not count."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    def several(labels: np.ndarray) -> np.ndarray:
        pairs = np.unique(np.stack([labels, cameras], axis=1), axis=0)[:, 0]
        return (np.bincount(pairs, minlength=labels.max() + 1) > 1)[labels]

    true, predicted = several(vehicles), several(ids)
    both = true & predicted
    v, g = np.unique(vehicles[both], return_inverse=True)[1], np.unique(ids[both], return_inverse=True)[1]
    shared = coo_matrix((np.ones(len(v)), (v, g))).tocsr()
    # A private partner of almost no weight for everyone makes a full matching exist.
    n, k = shared.shape
    from scipy.sparse import eye, hstack
    full = hstack([shared, eye(n) * 1e-6]).tocsr()
    rows, columns = min_weight_full_bipartite_matching(full, maximize=True)
    hit = float(shared[rows[columns < k], columns[columns < k]].sum())
    return 2 * hit / max(float(true.sum() + predicted.sum()), 1.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracklets", type=int, default=100_000)
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--dimension", type=int, default=1536)
    parser.add_argument("--duration-s", type=float, default=DAY_S)
    parser.add_argument("--true-gates", action="store_true", help="tell the matcher the travel times")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gallery, vehicles, gates = make_day(arguments.tracklets, arguments.cameras, arguments.dimension, Path(folder),
                                            duration_s=arguments.duration_s)
        before = resource.getrusage(resource.RUSAGE_SELF)
        start = time.perf_counter()
        matches = match(gallery, gates if arguments.true_gates else CameraRules(), MatchingConfig())
        wall_s = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({
            "tracklets": len(gallery), "links": len(matches.links), "candidates": len(matches.candidates),
            "wall_s": round(wall_s, 1), "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime
                                                       - before.ru_stime, 1),
            "peak_gib": round(after.ru_maxrss / 2**20, 2), "pair_f1": round(pair_f1(matches.global_ids, vehicles), 4),
            "idf1": round(identity_f1(matches.global_ids, vehicles, gallery.tracklets.camera_rows), 4)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

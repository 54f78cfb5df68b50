"""How hard and how costly made-up worlds are: `python benchmarks/worlds.py --kind demo --seeds 1 2 3`.

Perfect boxes, one frame a second. Printed per seed: how often the nearest passage in another camera is the same
vehicle (by a colour histogram, by the weight-free embedder, and by it without each camera's mean), and how well
travel times alone link passages when the distribution of every edge is known. Then what rendering costs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from mtmc.worlds.rendering import render_camera
from mtmc.worlds.traffic import Traffic, simulate
from reid_models.colour_texture import ColourTextureEmbedder

CROPS = 6  # the largest of each passage


def crops_of(traffic: Traffic) -> dict[tuple[int, int], list[np.ndarray]]:
    """The largest crops of each (camera row, vehicle)."""
    found: dict[tuple[int, int], list[np.ndarray]] = {}
    for row in range(len(traffic.camera_ids)):
        for frame in render_camera(traffic, row):
            for vehicle, (x, y, w, h) in zip(frame.vehicle_ids.tolist(), frame.boxes_xywh.tolist(), strict=True):
                found.setdefault((row, vehicle), []).append(frame.image[y:y + h, x:x + w])
    return {key: sorted(crops, key=lambda crop: -crop.size)[:CROPS] for key, crops in found.items()}


def histogram(crops: list[np.ndarray]) -> np.ndarray:
    """A plain colour histogram of the middle of the crops, square roots of shares."""
    total = np.zeros(12 * 4 * 6)
    for crop in crops:
        middle = cv2.cvtColor(cv2.resize(crop, (64, 48)), cv2.COLOR_RGB2HSV)[8:40, 10:54]
        counts = cv2.calcHist([middle], [0, 1, 2], None, [12, 4, 6], [0, 180, 0, 256, 0, 256]).ravel()
        total += np.sqrt(counts / counts.sum())
    return total / len(crops)


def nearest_share(keys: list[tuple[int, int]], vectors: np.ndarray) -> float:
    """Share of the questions "who is this in that other camera?" that the nearest vector answers rightly."""
    cameras = np.array([camera for camera, _ in keys])
    right = []
    for i, (camera, vehicle) in enumerate(keys):
        for other in sorted({c for c, v in keys if v == vehicle} - {camera}):
            rows = np.flatnonzero(cameras == other)
            nearest = rows[int(np.argmin(((vectors[rows] - vectors[i]) ** 2).sum(axis=1)))]
            right.append(keys[nearest][1] == vehicle)
    return float(np.mean(right)) if right else float("nan")


def without_camera_means(keys: list[tuple[int, int]], vectors: np.ndarray) -> np.ndarray:
    cameras = np.array([camera for camera, _ in keys])
    centred = vectors.copy()
    for camera in np.unique(cameras):
        centred[cameras == camera] -= vectors[cameras == camera].mean(axis=0)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)


def times_alone_f1(traffic: Traffic) -> float:
    """F1 of links by known log-normal travel times and one-to-one assignment in each directed pair of cameras."""
    p = traffic.recorded()
    truth = traffic.transits(p)
    right = wrong = 0
    for a, b in sorted({(edge.camera_from, edge.camera_to) for edge in traffic.network.edges}):
        links = (truth.camera_from == a) & (truth.camera_to == b)
        if links.sum() < 3 or truth.travel_s[links].min() <= 0:
            continue
        logs = np.log(truth.travel_s[links])
        rows_a, rows_b = np.flatnonzero(p.camera_rows == a), np.flatnonzero(p.camera_rows == b)
        gap_s = p.enter_s[rows_b][None] - p.leave_s[rows_a][:, None]
        z = (np.log(np.maximum(gap_s, 1e-3)) - logs.mean()) / max(float(logs.std()), 0.05)
        possible = (gap_s > 0) & (p.directions[rows_a][:, None] == p.directions[rows_b][None])
        cost = np.where(possible, np.minimum(z**2, 9.0), 9.0)
        i, j = linear_sum_assignment(cost)
        kept = cost[i, j] < 6.25
        same = p.vehicle_ids[rows_a[i[kept]]] == p.vehicle_ids[rows_b[j[kept]]]
        right, wrong = right + int(same.sum()), wrong + int((~same).sum())
    return 2 * right / max(right + wrong + len(truth.from_rows), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="demo")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print("seed  vehicles  links  histogram  embedder  without camera means  times alone F1")
    for seed in arguments.seeds:
        traffic = simulate(arguments.kind, seed, frame_rates_hz=(1.0,))
        crops = crops_of(traffic)
        keys = sorted(crops)
        plain = np.array([histogram(crops[key]) for key in keys])
        embedder = ColourTextureEmbedder()
        pooled = np.array([embedder.embed(crops[key]).mean(axis=0) for key in keys])
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        shares = [nearest_share(keys, v) for v in (plain, pooled, without_camera_means(keys, pooled))]
        links = len(traffic.transits(traffic.recorded()).from_rows)
        print(f"{seed:4d}  {traffic.sizes.vehicles:8d}  {links:5d}  {shares[0]:9.2f}  {shares[1]:8.2f}  "
              f"{shares[2]:20.2f}  {times_alone_f1(traffic):14.2f}")
    begin, frames = time.process_time(), 0
    for _ in render_camera(simulate(arguments.kind, arguments.seeds[0]), 0):
        frames += 1
    print(f"rendering: {1e3 * (time.process_time() - begin) / frames:.1f} ms of one core a frame, encoding not counted")


if __name__ == "__main__":
    main()

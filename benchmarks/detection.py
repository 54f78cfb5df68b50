"""How many vehicles each detector finds, how many of its boxes are vehicles, and how long a picture takes.

    python benchmarks/detection.py WORLD --detector motion --detector weights/yolox_nano.onnx

WORLD holds `cams/*.mp4` and a truth in AI City form (camera, id, frame from 1, x, y, w, h). Every detector sees
every frame that it needs (motion: all of them); every Nth is scored, at an IoU of 0.5, one box a vehicle. With --region
only vehicles and boxes whose lower edge's middle lies in that part of the pictures count, once for whole pictures and
once for the rectangle that the detector would be shown of a camera with this region of interest.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from detectors.boxes import iou_matrix, xywh_to_xyxy
from detectors.detections import Detections, Detector
from detectors.region import RegionConfig
from detectors.registry import DetectorConfig, build_detector, for_camera, resolve_detector
from mtmc.cameras import Camera, discover_cameras
from mtmc.video import DecodeReport, VideoConfig, probe, read_frames

MATCH_IOU = 0.5
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5)


def read_truth(path: Path, camera: str) -> dict[int, np.ndarray]:
    """Frame index from 0 → boxes_xyxy (N, 4) of one camera, whose number is the digits of its name."""
    rows = np.array([line.split()[:7] for line in path.read_text().splitlines() if line.strip()], np.float64)
    number = int("".join(c for c in camera if c.isdigit()))
    rows = rows[rows[:, 0] == number]
    frames = rows[:, 2].astype(int) - 1
    return {int(frame): xywh_to_xyxy(rows[frames == frame, 3:7]) for frame in np.unique(frames)}


def match(truth: np.ndarray, found: Detections) -> np.ndarray:
    """bool (N,): whether each found box is a vehicle; best score first, each true box once."""
    overlaps = iou_matrix(found.boxes_xyxy, truth)
    free = np.ones(len(truth), bool)
    hits = np.zeros(len(found), bool)
    for row in np.argsort(-found.scores, kind="stable"):
        shared = np.where(free, overlaps[row], 0)
        if shared.max(initial=0) >= MATCH_IOU:
            free[shared.argmax()] = False
            hits[row] = True
    return hits


def run(detector: Detector, camera: object, step: int) -> Iterator[tuple[int, Detections, float]]:
    """(frame index, boxes, seconds) of the frames that are scored; a detector with a memory sees the others, too."""
    for frame in read_frames(camera, VideoConfig(), DecodeReport()):
        if frame.index % step and not detector.stateful:
            continue
        image = frame.image
        start = time.process_time()
        found = detector.detect([image], [frame.index], [frame.time_s])[0]
        seconds = time.process_time() - start
        if frame.index % step == 0:
            yield frame.index, found, seconds


def region_of(camera: Camera, shares_xyxy: tuple[float, ...]) -> np.ndarray:
    """bool (H, W) of a camera's picture, True in the part given by shares of its sides; (0, 0) for none."""
    if not shares_xyxy:
        return np.zeros((0, 0), bool)
    info = probe(camera)
    x1, y1, x2, y2 = (np.array(shares_xyxy) * ([info.width, info.height] * 2)).round().astype(int)
    roi = np.zeros((info.height, info.width), bool)
    roi[y1:y2, x1:x2] = True
    return roi


def standing_in(roi: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray:
    """bool (N,): whether the middle of a box's lower edge lies in the region."""
    if not roi.size:
        return np.ones(len(boxes_xyxy), bool)
    columns = np.clip((boxes_xyxy[:, 0] + boxes_xyxy[:, 2]) / 2, 0, roi.shape[1] - 1).astype(int)
    return roi[np.clip(boxes_xyxy[:, 3], 0, roi.shape[0] - 1).astype(int), columns]


def measure(spec: str, world: Path, truth_file: Path, args: argparse.Namespace, crop: bool) -> str:
    """One row of the table. crop: show the detector only what the region needs."""
    config = DetectorConfig(min_score=min(THRESHOLDS), threads=args.threads, nms_iou=args.nms_iou,
                            region=RegionConfig(crop=crop))  # fmt: skip
    detections = Path(spec) if Path(spec).is_dir() else None
    resolved = resolve_detector("recorded" if detections else spec, Path("weights"), detections)
    detector = build_detector(resolved, config)
    scores, hits, seconds, total = [np.zeros(0)], [np.zeros(0, bool)], [], 0
    for camera in discover_cameras(world / "cams", None)[0]:
        truth = read_truth(truth_file, camera.camera_id)
        roi = region_of(camera, args.region)
        finder = for_camera(detector, resolved, config, camera.camera_id, roi)
        for index, found, taken in run(finder, camera, args.step):
            boxes = truth.get(index, np.zeros((0, 4)))
            boxes, found = boxes[standing_in(roi, boxes)], found[standing_in(roi, found.boxes_xyxy)]
            total += len(boxes)
            scores.append(found.scores)
            hits.append(match(boxes, found))
            seconds.append(taken)
    all_scores, all_hits = np.concatenate(scores), np.concatenate(hits)
    cells = [(Path(spec).name or spec) + (", rectangle of the region" if args.region and crop else "")]
    for threshold in THRESHOLDS:
        kept = all_hits[all_scores >= threshold]
        precision = kept.mean() if len(kept) else 0.0
        cells.append(f"{kept.sum() / max(total, 1):.2f} / {precision:.2f}")
    return " | ".join([*cells, f"{1000 * float(np.median(seconds)):.0f}"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", type=Path)
    parser.add_argument("--truth", type=Path, help="default: WORLD/ground_truth_all.txt")
    parser.add_argument("--detector", action="append", required=True, help="as of the run; a folder is recorded boxes")
    parser.add_argument("--step", type=int, default=5, help="score every Nth frame")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nms-iou", type=float, default=DetectorConfig().nms_iou)
    parser.add_argument("--region", type=float, nargs=4, default=(), metavar=("X1", "Y1", "X2", "Y2"),
                        help="shares of the picture's sides, e.g. 0 0.5 1 1 for its lower half")
    args = parser.parse_args()
    truth = args.truth or args.world / "ground_truth_all.txt"
    print(" | ".join(["detector", *(f"score ≥ {t:g}" for t in THRESHOLDS), "CPU ms a picture"]))
    for spec in args.detector:
        for crop in (False, True) if args.region else (False,):
            print(measure(spec, args.world, truth, args, crop), flush=True)


if __name__ == "__main__":
    main()

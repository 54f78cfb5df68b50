"""The script that most people would write for vehicles over many cameras, to compare with; not part of the product.

    python benchmarks/baseline_script.py --videos $MTMC_DATA/worlds/two-view-dev/cams \\
        --detector $MTMC_DATA/weights/yolox_nano.onnx --out runs/baseline.txt

Camera after camera: OpenCV's capture, the detector frame by frame, a tracker, torchvision's ResNet50 on every box of
every track, then one distance matrix over all tracks and a threshold. Written fairly: the libraries' own threads on all
cores, inference mode, the same detector file and score threshold, boxes of a frame in one batch, a track's mean vector,
the same kind of tracker with thresholds for small networks, the best links first, no camera twice in a vehicle. It is
given what it could not know: with --weights our trained network at its own small input (without, torchvision's ResNet50
at 224 pixels with random weights, for the time alone), and with --truth the threshold that scores best on this very
world, looked for after its time was taken.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
import onnxruntime
import supervision as sv
import torch
import torchvision
from trackers import ByteTrackTracker

VEHICLES = {2, 3, 5, 7}


class Yolox:
    """The demo code of YOLOX in ONNX: letterbox, decode, non-maximum suppression."""

    def __init__(self, path: Path) -> None:
        self.session = onnxruntime.InferenceSession(str(path))
        self.side = self.session.get_inputs()[0].shape[2]
        grids, strides = [], []
        for stride in (8, 16, 32):
            cells = self.side // stride
            xs, ys = np.meshgrid(np.arange(cells), np.arange(cells))
            grids.append(np.stack([xs, ys], 2).reshape(-1, 2))
            strides.append(np.full((cells * cells, 1), stride))
        self.grid, self.stride = np.concatenate(grids), np.concatenate(strides)

    def __call__(self, image_bgr: np.ndarray) -> sv.Detections:
        ratio = min(self.side / image_bgr.shape[0], self.side / image_bgr.shape[1])
        resized = cv2.resize(image_bgr, (int(image_bgr.shape[1] * ratio), int(image_bgr.shape[0] * ratio)))
        padded = np.full((self.side, self.side, 3), 114, np.float32)
        padded[: resized.shape[0], : resized.shape[1]] = resized
        name = self.session.get_inputs()[0].name
        rows = self.session.run(None, {name: np.ascontiguousarray(padded.transpose(2, 0, 1)[None])})[0][0]
        centres, sizes = (rows[:, :2] + self.grid) * self.stride, np.exp(rows[:, 2:4]) * self.stride
        scores = rows[:, 4:5] * rows[:, 5:]
        classes, best = scores.argmax(1), scores.max(1)
        keep = (best >= 0.1) & np.isin(classes, list(VEHICLES))
        corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], 1)[keep] / ratio
        found = sv.Detections(corners.astype(np.float32), confidence=best[keep], class_id=classes[keep])
        return found.with_nms(0.45, class_agnostic=True)


class ImagenetLike:
    """torchvision's ResNet50, last layer left out, 224 px."""

    def __init__(self, weights: Path | None) -> None:
        self.ours = None
        if weights is not None:
            from reid_models.weights import load_weights

            self.ours = load_weights(weights)[0].eval()
        self.model = torchvision.models.resnet50(weights=None).eval()
        self.model.fc = torch.nn.Identity()
        self.mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        self.std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

    @torch.inference_mode()
    def __call__(self, crops_rgb: list[np.ndarray]) -> np.ndarray:
        side = 224 if self.ours is None else self.ours.config.input_hw[0]
        images = np.stack([cv2.resize(crop, (side, side)) for crop in crops_rgb])
        tensor = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        vectors = self.model(tensor) if self.ours is None else self.ours.embed(tensor)
        return torch.nn.functional.normalize(vectors, dim=1).numpy()


def watch(video: Path, detector: Yolox, embedder: ImagenetLike) -> tuple[dict[int, list], dict[int, list[np.ndarray]]]:
    """Track → its boxes (frame, x, y, w, h), and track → the vector of every box."""
    capture = cv2.VideoCapture(str(video))
    # With the tracker's own thresholds hardly a box of a small network would start a track.
    tracker = ByteTrackTracker(frame_rate=capture.get(cv2.CAP_PROP_FPS), track_activation_threshold=0.25,
                               high_conf_det_threshold=0.3)
    boxes: dict[int, list] = {}
    vectors: dict[int, list[np.ndarray]] = {}
    number = 0
    while True:
        fine, image = capture.read()
        if not fine:
            return boxes, vectors
        number += 1
        tracked = tracker.update(detector(image))
        crops, owners = [], []
        for (x1, y1, x2, y2), track in zip(tracked.xyxy, tracked.tracker_id, strict=True):
            left, top, right, bottom = max(0, int(x1)), max(0, int(y1)), int(x2), int(y2)
            crop = image[top:bottom, left:right, ::-1]
            if track < 0 or not crop.size:
                continue
            boxes.setdefault(int(track), []).append((number, x1, y1, x2 - x1, y2 - y1))
            crops.append(np.ascontiguousarray(crop))
            owners.append(int(track))
        if crops:
            for owner, vector in zip(owners, embedder(crops), strict=True):
                vectors.setdefault(owner, []).append(vector)


def link(cameras: np.ndarray, distances: np.ndarray, threshold: float) -> np.ndarray:
    """Vehicle number of every track: pairs by distance, joined where no camera comes twice."""
    groups = {i: [i] for i in range(len(cameras))}
    owner = np.arange(len(cameras))
    rows, columns = np.triu_indices(len(cameras), 1)
    order = np.argsort(distances[rows, columns])
    for a, b in zip(rows[order], columns[order], strict=True):
        if distances[a, b] > threshold:
            break
        one, two = owner[a], owner[b]
        if one != two and not set(cameras[groups[one]]) & set(cameras[groups[two]]):
            groups[one] += groups.pop(two)
            owner[groups[one]] = one
    return owner


def lines_of(tracks: list[tuple[int, list]], vehicles: np.ndarray) -> list[str]:
    """AI City rows of the vehicles that were linked."""
    counts = np.bincount(vehicles, minlength=len(tracks))
    return [f"{camera} {vehicle + 1} {frame} {x:.0f} {y:.0f} {w:.0f} {h:.0f} -1 -1"
            for (camera, boxes), vehicle in zip(tracks, vehicles, strict=True) if counts[vehicle] > 1
            for frame, x, y, w, h in boxes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="our weights for the embedder; without, torchvision's at random")
    parser.add_argument("--truth", type=Path, help="to choose the threshold that suits the script best")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    start = time.perf_counter()
    detector, embedder = Yolox(arguments.detector), ImagenetLike(arguments.weights)
    tracks, means = [], []
    for video in sorted(arguments.videos.glob("*.mp4")):
        boxes, vectors = watch(video, detector, embedder)
        for track, rows in boxes.items():
            tracks.append((int("".join(filter(str.isdigit, video.stem))), rows))
            mean = np.mean(vectors[track], axis=0)
            means.append(mean / np.linalg.norm(mean))
    cameras, features = np.array([camera for camera, _ in tracks]), np.array(means)
    distances = 1 - features @ features.T
    vehicles = link(cameras, distances, 0.3)
    arguments.out.write_text("\n".join(lines_of(tracks, vehicles)) + "\n")
    times = os.times()
    report = {"wall_s": time.perf_counter() - start, "processor_s": times.user + times.system,
              "boxes": sum(len(rows) for _, rows in tracks), "tracks": len(tracks)}  # fmt: skip
    if arguments.truth:
        report |= best_threshold(arguments, tracks, cameras, distances)
    print(json.dumps(report, indent=1))


def best_threshold(arguments: argparse.Namespace, tracks: list, cameras: np.ndarray, distances: np.ndarray) -> dict:
    """The script's best cross-camera IDF1 over twenty thresholds; its file is left in --out."""
    from mtmc.evaluation.score import pair, score
    from mtmc.results.read_boxes import read_boxes

    truth, best = read_boxes(arguments.truth, is_truth=True), (-1.0, 0.0, "")
    for threshold in np.arange(0.05, 1.05, 0.05):
        text = "\n".join(lines_of(tracks, link(cameras, distances, float(threshold)))) + "\n"
        arguments.out.write_text(text)
        if not text.strip():
            continue
        found = read_boxes(arguments.out, "aicity", cameras=truth.boxes.camera_ids)
        sides = pair(truth.boxes, found.boxes, "aicity", found.camera_numbers)
        best = max(best, (score(*sides, "aicity").identity.idf1, float(threshold), text))
    arguments.out.write_text(best[2])
    return {"idf1": round(best[0], 4), "threshold": round(best[1], 2)}


if __name__ == "__main__":
    main()

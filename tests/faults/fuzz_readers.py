"""Every reader of files that a user brings, by the kind of the file; what is right in any case is asserted here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.faults.fuzz_sources import CONTAINERS


def _video(path: Path) -> None:
    from mtmc.cameras import plain_camera
    from mtmc.video import DecodeReport, VideoConfig, read_frames

    report = DecodeReport()
    last_s = -np.inf
    try:
        for frame in read_frames(plain_camera("a", path), VideoConfig(), report):
            assert frame.image.dtype == np.uint8
            assert frame.time_s > last_s, "time does not rise"
            last_s = frame.time_s
    finally:
        assert report.laws_broken() == [], report.laws_broken()


def _settings(path: Path) -> None:
    from mtmc.run_config import load_run_config

    load_run_config(path, [])


def _rules(path: Path) -> None:
    from mtmc.cameras import plain_camera
    from mtmc.cameras_yaml import apply_rules

    video = path.parent / "mp4"
    apply_rules([plain_camera("a", video), plain_camera("b", video)], path)


def _boxes(path: Path) -> None:
    from detectors.detector_config import DetectorConfig
    from detectors.recorded import CameraBoxes

    boxes = CameraBoxes(path, "", DetectorConfig())
    image = np.zeros((192, 320, 3), np.uint8)
    for found in boxes.detect([image] * 3, [0, 5, 39], [0.0, 0.2, 1.6]):
        assert len(found) == 0 or (found.boxes_xyxy[:, 2:] > found.boxes_xyxy[:, :2]).all()


def _truth(path: Path) -> None:
    from mtmc.scoring import read_truth

    read_truth(path)


def _tracklets(path: Path) -> None:
    from mtmc.results.tracklets_csv import read_tracklets_csv

    read_tracklets_csv(path)


def _calibration(path: Path) -> None:
    from mtmc.cityflow import read_homography

    read_homography(path)


def _starts(path: Path) -> None:
    """As the file of the scenario S01 in a folder of CityFlow."""
    from mtmc.cameras import discover_cameras

    folder = path.parent / "cityflow"
    for name in ("S01/c001", "cam_timestamp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "S01/c001/vdo.avi").touch()
    (folder / "cam_timestamp/S01.txt").write_bytes(path.read_bytes())
    discover_cameras(folder / "S01")


def _manifest(path: Path) -> None:
    from mtmc.manifest import Manifest

    folder = path.parent / "camera"
    folder.mkdir(exist_ok=True)
    (path.parent / "outside").touch()
    (folder / "manifest.json").write_bytes(path.read_bytes())
    manifest = Manifest.load(folder, ("detections", "pieces"))
    manifest.first_bad_file("detections")
    manifest.keep_good_files("pieces")
    manifest.begin("detections", "another")
    assert (path.parent / "outside").exists()


def _weights_reader(path: Path) -> None:
    from reid_models.weights import load_weights

    load_weights(path)


def _roi(path: Path) -> None:
    from mtmc.regions import read_mask

    read_mask(path)


def _damaged_run(path: Path) -> None:
    from mtmc.verification import verify_run

    verify_run(path)


READERS: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys(CONTAINERS, _video),
    "settings.yaml": _settings, "cameras.yaml": _rules, "det.txt": _boxes, "truth.txt": _truth, "mot.txt": _truth,
    "tracklets.csv": _tracklets, "calibration.txt": _calibration, "starts.txt": _starts, "manifest.json": _manifest,
    "weights.safetensors": _weights_reader, "roi.png": _roi, "truth.zip": _truth, "truth.tar.gz": _truth,
    "run": _damaged_run,
}  # fmt: skip

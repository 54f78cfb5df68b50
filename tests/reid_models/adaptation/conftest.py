"""A run folder made in code: four vehicles pass three cameras, their crops plain colours with a little noise."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 40), (40, 210, 210), (200, 40, 200)]


def write_run(folder: Path, vehicles: int = 6, cameras: int = 3, crops: int = 3, px: int = 32) -> Path:
    """Vehicle v is in camera c at 20 v + 5 c seconds; one camera sees two neighbours at once for a moment."""
    r = np.random.default_rng(0)
    rows = []
    for camera in range(cameras):
        place = folder / "cameras" / f"c{camera}" / "crops"
        place.mkdir(parents=True)
        for v in range(vehicles):
            start = 20.0 * v + 5 * camera
            rows.append({"camera_id": f"c{camera}", "track_id": v + 1, "global_id": v + 1, "start_s": start,
                         "end_s": start + 21, "class": "car"})
            for k in range(crops):
                colour = np.array(COLOURS[v % len(COLOURS)]) * (0.7 + 0.1 * camera)
                image = np.clip(colour + r.normal(0, 12, (px, px, 3)), 0, 255).astype(np.uint8)
                cv2.imwrite(str(place / f"{v + 1:06d}_{k}.jpg"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    with (folder / "tracklets.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")

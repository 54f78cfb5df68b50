"""What a changed region of interest has done again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors.region import RegionConfig
from detectors.registry import DetectorConfig, ResolvedDetector
from mtmc.camera_job import WorkerSetup, stage_keys
from mtmc.cameras import plain_camera
from mtmc.run_config import RunConfig


def keys(kind: str, roi: np.ndarray, crop: bool = True) -> dict[str, str]:
    config = RunConfig(detector=DetectorConfig(region=RegionConfig(crop=crop)))
    setup = WorkerSetup(ResolvedDetector(kind, "", "", ""), config, 1, True)  # type: ignore[arg-type]
    return stage_keys(replace(plain_camera("c", Path("c.mp4")), roi=roi), "video", "detector", "embedder", setup)


def lower(first_row: int) -> np.ndarray:
    roi = np.zeros((180, 320), bool)
    roi[first_row:] = True
    return roi


@pytest.mark.parametrize(("kind", "crop", "again"), [
    ("onnx", True, True), ("onnx", False, False), ("motion", True, False), ("recorded", True, False),
])  # fmt: skip
def test_boxes_are_found_again_only_where_the_detector_sees_another_part(kind: str, crop: bool, again: bool) -> None:
    whole, half, less = (keys(kind, roi, crop) for roi in (np.zeros((0, 0), bool), lower(90), lower(150)))
    assert (whole["detections"] != half["detections"]) == again
    assert (half["detections"] != less["detections"]) == again
    assert len({k["pieces"] for k in (whole, half, less)}) == 3


def test_a_few_pixels_more_need_no_other_boxes() -> None:
    one, other = keys("onnx", lower(150)), keys("onnx", lower(151))
    assert one["detections"] == other["detections"]
    assert one["pieces"] != other["pieces"]

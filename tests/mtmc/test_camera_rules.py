"""cameras.yaml: the user's word, read strictly."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtmc.camera_rules import CameraRules, TransitRule
from mtmc.cameras import Camera, discover_cameras
from mtmc.errors import ConfigError
from tests import clips

WIDTH, HEIGHT = 64, 48


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cameras c001, c002 and 12."""
    clip = clips.write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 2, width=WIDTH, height=HEIGHT)
    for name in ("c001", "c002", "12"):
        shutil.copy(clip, tmp_path / f"{name}.mp4")
    return tmp_path


def read(folder: Path, text: str, name: str = "rules.yaml") -> tuple[dict[str, Camera], CameraRules]:
    path = folder / name
    path.write_text(text)
    cameras, rules, _ = discover_cameras(folder, path)
    assert [camera.camera_id for camera in cameras] == sorted(camera.camera_id for camera in cameras)
    return {camera.camera_id: camera for camera in cameras}, rules


def test_everything_at_once(folder: Path) -> None:
    cv2.imwrite(str(folder / "roi.png"), np.pad(np.full((HEIGHT, 10), 255, np.uint8), ((0, 0), (0, WIDTH - 10))))
    cameras, rules = read(
        folder,
        """
cameras:
  c001: {start_s: 1.5, clock_rate: 0.99, roi: roi.png}
  c002: {roi: [[10, 10], [20, 10], [20, 30], [10, 30]], frame_rate_hz: 8}
  12: {start_s: -3}
transitions:
  - {from: c001, to: c002, min_s: 3, max_s: 60}
  - {from: c001, to: 12, allowed: false}
only_listed_transitions: true
""",
    )
    assert (cameras["c001"].start_s, cameras["c001"].clock_rate, cameras["12"].start_s) == (1.5, 0.99, -3.0)
    assert cameras["c002"].frame_rate_hz == 8.0
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[:, :10] = True
    assert (cameras["c001"].roi == expected).all()
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[10:31, 10:21] = True
    assert (cameras["c002"].roi == expected).all()
    assert rules.only_listed
    assert rules.transitions == (
        TransitRule("c001", "c002", True, 3.0, 60.0),
        TransitRule("c001", "12", False, -math.inf, math.inf),
    )
    assert rules.rule("c001", "12") == rules.transitions[1]
    assert rules.rule("12", "c001") is None


@pytest.mark.parametrize(
    "text", ["", "cameras:\n", "cameras: {c001: }\n", "transitions: []\nonly_listed_transitions: false\n"]
)
def test_saying_nothing_changes_nothing(folder: Path, text: str) -> None:
    cameras, rules = read(folder, text)
    assert rules == CameraRules()
    assert {(camera.start_s, camera.clock_rate, camera.roi.shape) for camera in cameras.values()} == {
        (0.0, 1.0, (0, 0))
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cameras: {c01: {start_s: 1}}", "c01.*Did you mean c001"),
        ("cameras: {c001: {start: 1}}", "start.*Did you mean start_s"),
        ("camera: {}", "Did you mean cameras"),
        ("cameras: {c001: {start_s: soon}}", "c001.*start_s"),
        ("cameras: {c001: {start_s: .inf}}", "finite"),
        ("cameras: {c001: {start_s: .nan}}", "start_s"),
        ("cameras: {c001: {clock_rate: 0}}", "above 0"),
        ("cameras: {c001: {clock_rate: -1}}", "above 0"),
        ("cameras: {c001: 5}", "section"),
        ("cameras: [c001]", "cameras"),
        ("cameras: {c001: {roi: missing.png}}", "missing.png"),
        ("cameras: {c001: {roi: [[1, 2], [3, 4]]}}", "three"),
        ("cameras: {c001: {roi: [[1, 2, 3], [3, 4, 5], [1, 1, 1]]}}", "roi"),
        ("cameras: {c001: {roi: [[900, 900], [910, 900], [910, 910]]}}", "inside 64x48"),
        ("cameras: {c001: {roi: 7}}", "roi"),
        ("transitions: {from: c001}", "a list"),
        ("transitions: [5]", "mapping with from and to"),
        ("transitions: [{from: c001}]", "'to'"),
        ("transitions: [{from: c001, to: c03}]", r"transitions\[0\].to.*Did you mean c00"),
        ("transitions: [{from: c001, to: c002, max: 5}]", "Did you mean max_s"),
        ("transitions: [{from: c001, to: c002, min_s: 5, max_s: 4}]", "at most max_s"),
        ("transitions: [{from: c001, to: c001}]", "two different"),
        ("transitions: [{from: c001, to: c002}, {from: c001, to: c002}]", "twice"),
        ("transitions: [{from: c001, to: c002, allowed: 1}]", "bool"),
        ("only_listed_transitions: 3", "bool"),
        ("- a list", "mapping"),
        ("!!python/object:os.system {}", "readable YAML"),
    ],
)
def test_mistakes_are_named(folder: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read(folder, text)
    assert "rules.yaml" in str(caught.value) or "missing.png" in str(caught.value)


def test_a_region_drawn_smaller_is_scaled_and_one_of_another_shape_is_refused(folder: Path) -> None:
    half = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    half[:, WIDTH // 4 :] = 255
    cv2.imwrite(str(folder / "half.png"), half)
    cameras, _ = read(folder, "cameras: {c001: {roi: half.png}}")
    assert cameras["c001"].roi.shape == (HEIGHT, WIDTH)
    assert cameras["c001"].roi[:, WIDTH // 2 :].all()
    assert not cameras["c001"].roi[:, : WIDTH // 2].any()
    cv2.imwrite(str(folder / "tall.png"), np.zeros((WIDTH, HEIGHT), np.uint8))
    with pytest.raises(ConfigError, match="64x48, found 48x64"):
        read(folder, "cameras: {c001: {roi: tall.png}}")


def test_a_region_of_a_broken_camera_stops_no_other(folder: Path) -> None:
    (folder / "c001.mp4").write_bytes(b"")
    cameras, _ = read(folder, "cameras: {c001: {roi: [[1, 1], [9, 1], [9, 9]]}, c002: {start_s: 2}}")
    assert (cameras["c001"].roi.shape, cameras["c002"].start_s) == ((0, 0), 2.0)


def test_rules_in_the_folder_of_the_videos_are_found(folder: Path) -> None:
    (folder / "cameras.yaml").write_text("cameras: {c002: {start_s: 4}}")
    assert discover_cameras(folder)[0][2].start_s == 4.0
    (folder / "other.yaml").write_text("cameras: {c002: {start_s: 5}}")
    assert discover_cameras(folder, folder / "other.yaml")[0][2].start_s == 5.0

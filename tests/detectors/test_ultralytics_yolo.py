"""Checkpoints in ultralytics' own form: loaded without running their code, and read as the library reads them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detectors import ultralytics_yolo
from detectors.detector_config import DetectorConfig
from detectors.ultralytics_yolo import UltralyticsDetector, load_network
from mtmc.errors import WeightsError

CONFIG = DetectorConfig(threads=1, batch_size=2)
PLAN = {
    "nc": 3, "backbone": [[-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Conv", [16, 3, 2]], [-1, 1, "Conv", [16, 3, 2]],
                          [-1, 1, "Conv", [16, 3, 2]], [-1, 1, "Conv", [16, 3, 2]]],
    "head": [[[2, 3, 4], 1, "Detect", ["nc"]]],
}  # fmt: skip
CAR_NAMES = {0: "person", 1: "car", 2: "truck"}


def tiny_model(trained: bool = True, names: dict[int, str] | None = None) -> Any:
    """A network of three levels that sees a car of 15 cells' side in every cell, with a score of 0.95."""
    tasks = ultralytics_yolo._import_tasks()
    torch.manual_seed(0)
    model = tasks.DetectionModel(dict(PLAN), ch=3, verbose=False)
    if trained:
        model.train()
        with torch.no_grad():
            model(torch.rand(2, 3, 64, 64))
    head = model.model[-1]
    with torch.no_grad():
        for boxes, classes in zip(head.cv2, head.cv3, strict=True):
            boxes[-1].weight.zero_()
            boxes[-1].bias.zero_()
            classes[-1].weight.zero_()
            classes[-1].bias.copy_(torch.tensor([-5.0, 3.0, 2.9]))
    model.names = CAR_NAMES if names is None else names
    return model.eval()


def save(path: Path, model: Any) -> Path:
    torch.save({"epoch": -1, "model": model, "ema": None, "train_args": {"imgsz": 64}, "date": "2026-11-20"}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("weights") / "tiny.pt", tiny_model())


def test_boxes_of_a_known_network(checkpoint: Path) -> None:
    detector = UltralyticsDetector(checkpoint, "", CONFIG)
    image = np.zeros((128, 128, 3), np.uint8)
    found = detector.detect([image] * 3, [0, 1, 2], [0.0, 0.1, 0.2])
    assert len(found) == 3
    first = found[0]
    assert set(first.class_ids.tolist()) == {2}
    np.testing.assert_allclose(first.scores, 1 / (1 + np.exp(-3)), rtol=1e-5)
    # The finest level's first cell: centre (4, 4), 7.5 cells of 8 px to each side, doubled and cut to the picture.
    np.testing.assert_allclose(first.boxes_xyxy[0], [0, 0, 2 * (4 + 60), 2 * (4 + 60)], atol=0.1)
    for other in found[1:]:
        np.testing.assert_array_equal(first.boxes_xyxy, other.boxes_xyxy)


def test_the_input_is_no_larger_than_the_picture_needs(checkpoint: Path) -> None:
    detector = UltralyticsDetector(checkpoint, "", CONFIG)
    assert detector._input_hw((1080, 1920, 3)) == (64, 64)
    assert detector._input_hw((400, 1920, 3)) == (32, 64)
    fixed = UltralyticsDetector(checkpoint, "", DetectorConfig(input_hw=(96, 128)))
    assert fixed._input_hw((1080, 1920, 3)) == (96, 128)


class Evil:
    """Runs a command where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch '{self.marker}'",))


@pytest.mark.parametrize("plain_pickle", [False, True])
def test_a_payload_is_refused_with_the_file_s_hash(tmp_path: Path, plain_pickle: bool) -> None:
    path, marker = tmp_path / "evil.pt", tmp_path / "marker"
    content = {"model": Evil(marker), "train_args": {}}
    if plain_pickle:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match="SHA-256 abc123") as caught:
        load_network(path, "abc123")
    assert not marker.exists()
    if not plain_pickle:
        assert "posix.system" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"<html>"])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"x\.pt"):
        load_network(path, "0")


def test_random_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="never trained"):
        load_network(save(tmp_path / "r.pt", tiny_model(trained=False)), "0")


def test_no_vehicles_no_detector(tmp_path: Path) -> None:
    path = save(tmp_path / "n.pt", tiny_model(names={0: "cat", 1: "dog", 2: "cow"}))
    with pytest.raises(WeightsError, match="vehicle classes"):
        UltralyticsDetector(path, "0", CONFIG)


def test_a_bare_state_dict_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "s.pt"
    torch.save(tiny_model().state_dict(), path)
    with pytest.raises(WeightsError, match="an ultralytics detector"):
        load_network(path, "0")


def test_an_ultralytics_that_cannot_load_safely_is_refused(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ultralytics_yolo._import_tasks()._SafeLoad, "SUPPORTED", False)
    with pytest.raises(WeightsError, match="Upgrade ultralytics"):
        load_network(checkpoint, "0")


def test_the_import_is_silent_offline_and_leaves_nothing(checkpoint: Path, tmp_path: Path) -> None:
    """In a process of its own, with a home that shows every file written, and every connection an error."""
    program = f"""
import socket, sys
def refuse(*args, **kwargs): raise AssertionError(f"network: {{args}}")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
from pathlib import Path
from detectors.ultralytics_yolo import load_network
load_network(Path({str(checkpoint)!r}), "0")
import ultralytics.utils as u
assert not u.ONLINE and not u.AUTOINSTALL and u.SAFE_LOAD and u.SETTINGS["sync"] is False
"""
    home = tmp_path / "home"
    home.mkdir()
    unset = ("YOLO_OFFLINE", "YOLO_AUTOINSTALL", "YOLO_CONFIG_DIR", "XDG_CONFIG_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in unset} | {"HOME": str(home)}
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert not [path for path in home.rglob("*") if "ltralytics" in path.name]


@pytest.mark.slow
def test_the_network_s_input_is_that_of_the_library_s_own_predictor(checkpoint: Path) -> None:
    from ultralytics import YOLO

    image = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    model = YOLO(str(checkpoint))
    model.predict(image[..., ::-1], imgsz=64, conf=0.9, verbose=False, save=False, device="cpu")
    theirs = model.predictor.preprocess([np.ascontiguousarray(image[..., ::-1])])[0].numpy()
    detector = UltralyticsDetector(checkpoint, "", CONFIG)
    seen: list[torch.Tensor] = []
    inner = detector._run
    detector._run = lambda images: seen.append(images) or inner(images)  # type: ignore[method-assign]
    detector.detect([image], [0], [0.0])
    np.testing.assert_allclose(seen[0][0].numpy(), theirs, atol=1e-6)

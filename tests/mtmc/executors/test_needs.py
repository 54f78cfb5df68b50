"""What a camera process will load, by detector and embedder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detectors.registry import ResolvedDetector
from mtmc.executors.executor import CameraWork, network_in_worker
from reid_models.registry import EmbedderConfig


@pytest.mark.parametrize(("kind", "name", "backend", "expected"), [
    ("motion", "colour-texture", "auto", "none"),
    ("recorded", "multilevel", "onnx", "runtime"),
    ("recorded", "multilevel", "torch", "torch"),
    ("onnx", "colour-texture", "auto", "runtime"),
    ("onnx", "multilevel", "onnx", "runtime"),
    ("ultralytics", "colour-texture", "auto", "torch"),
    ("torchvision", "multilevel", "onnx", "torch"),
])  # fmt: skip
def test_the_heaviest_library_counts(work: CameraWork, kind: str, name: str, backend: str, expected: str) -> None:
    embedder = EmbedderConfig(name=name, backend=backend)  # type: ignore[arg-type]
    detector = ResolvedDetector(kind, "file", "0", "")  # type: ignore[arg-type]
    setup = replace(work.setup, detector=detector, config=replace(work.setup.config, embedder=embedder))
    assert network_in_worker(setup) == expected

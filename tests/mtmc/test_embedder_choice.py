"""Which runtime a run's embedder uses: chosen once, kept by the run, and without torch where it can be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtmc import embedder_choice
from mtmc.embedder_choice import settle
from mtmc.errors import WeightsError
from reid_models.registry import Backend, EmbedderConfig
from tests.running import ROOT, files_below


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Backend]:
    """What `with_backend` was told an earlier run used; it then takes that, or onnx."""
    asked: list[Backend] = []

    def with_backend(config: EmbedderConfig, remembered: Backend) -> tuple[EmbedderConfig, tuple[str, ...]]:
        asked.append(remembered)
        chosen: Backend = "onnx" if remembered == "auto" else remembered
        return EmbedderConfig(weights=config.weights, backend=chosen, precision="float32"), ("a line",)

    monkeypatch.setattr(embedder_choice, "with_backend", with_backend)
    return asked


def test_a_run_keeps_to_its_back_end_while_the_weights_are_the_same(tmp_path: Path, seen: list[Backend]) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"one")
    config = EmbedderConfig(weights=str(weights))
    first = settle(config, {})
    assert first.config.backend == "onnx"
    assert first.lines == ("embedder: w.safetensors, onnxruntime in float32", "a line")
    settle(config, {"embedder": {**first.facts, "backend": "torch"}})
    weights.write_bytes(b"two")
    settle(config, {"embedder": {**first.facts, "backend": "torch"}})
    for damaged in ({"embedder": "x"}, {"embedder": {**first.facts, "backend": ["torch"]}}):
        settle(config, damaged)
    assert seen == ["auto", "torch", "auto", "auto", "auto"]


def test_without_weights_there_is_nothing_to_choose(seen: list[Backend], tmp_path: Path) -> None:
    choice = settle(EmbedderConfig(name="colour-texture"), {})
    assert (choice.facts, len(choice.lines), seen) == ({}, 1, [])
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        settle(EmbedderConfig(weights=str(tmp_path / "none.safetensors")), {})


def test_the_shipped_embedder_never_imports_torch(small_world: Path, tmp_path: Path) -> None:
    """Neither the command nor its workers: a `torch` that cannot be imported stands before the real one. The run says
    what it used, and goes on with it."""
    fake = tmp_path / "fake" / "torch"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise RuntimeError('torch was imported')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(fake.parent), str(ROOT)]),
                   "MTMC_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, str(ROOT / "tools" / "run_cameras.py"), "--videos", str(small_world / "cams"),
               "--detections", str(small_world / "det"), "--out", str(tmp_path / "run"), "--device", "cpu"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    known = json.loads((tmp_path / "run" / "run.json").read_text())["embedder"]
    assert known["backend"] in ("onnx", "openvino")
    before = files_below(tmp_path / "run")
    again = subprocess.run([*command, "--backend", known["backend"]], capture_output=True, text=True, env=environment,
                           timeout=300, check=False)  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert files_below(tmp_path / "run") == before

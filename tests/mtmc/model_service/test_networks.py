"""Real small networks behind the service, whole runs with and without it, and when it is worth having."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from detectors.registry import ResolvedDetector
from mtmc.model_service import starting
from mtmc.model_service.clients import SharedEmbedder
from mtmc.model_service.models import RunModels, models_for
from mtmc.model_service.starting import running_service, worth_sharing
from mtmc.run_config import RunConfig
from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
from reid_models.registry import EmbedderConfig
from reid_models.weights import WeightsInfo, save_weights
from tests.running import files_below, run_command

MOTION = ResolvedDetector("motion", "", "motion-1", "")
ONNX = ResolvedDetector("onnx", "x.onnx", "0", "")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    config = ModelConfig(backbone="resnet18", embedding_dim=4, input_hw=(32, 32))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, MultilevelResNet(config), WeightsInfo(config, "tiny"))
    return path


@pytest.mark.slow
def test_a_network_gives_each_camera_its_rows_whatever_shares_its_batches(weights: Path) -> None:
    """Three cameras with 1 to 11 crops at a time, against the same network here. Rows may lie elsewhere in a batch, so
    the last bits may differ, as for any other batch."""
    config = RunConfig(embedder=EmbedderConfig(weights=str(weights), batch_size=4, threads=1, device="cpu"))
    models = RunModels(MOTION, config)
    assert (models.detects, models.embeds) == (False, True)
    _, here = models_for(MOTION, config, None)
    found: dict[int, list[tuple[list[np.ndarray], np.ndarray]]] = {0: [], 1: [], 2: []}
    with running_service(models, models.detects, models.embeds) as address:

        def camera(seed: int) -> None:
            rng = np.random.default_rng(seed)
            detector, embedder = models_for(MOTION, config, address)
            assert isinstance(embedder, SharedEmbedder)
            assert detector.stateful  # motion stays in the camera's process
            for count in (1, 7, 0, 11, 4):
                crops = [rng.integers(0, 256, (*rng.integers(5, 60, 2), 3), np.uint8) for _ in range(count)]
                found[seed].append((crops, embedder.embed(crops)))

        threads = [threading.Thread(target=camera, args=(seed,)) for seed in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [len(answers) for answers in found.values()] == [5, 5, 5]
    for crops, rows in (answer for answers in found.values() for answer in answers):
        np.testing.assert_allclose(rows, here.embed(crops), atol=1e-5)


@pytest.mark.slow
def test_a_run_with_the_service_finds_the_same(small_world: Path, weights: Path, tmp_path: Path) -> None:
    def run(name: str, wish: str) -> dict[str, bytes]:
        done = run_command("--videos", small_world / "cams", "--detections", small_world / "det", "--out",
                           tmp_path / name, "--weights", weights, "--workers", "2", "--set", "embedder.batch_size=4",
                           "--set", f"process.shared_models={wish}")  # fmt: skip
        assert done.returncode == 0, done.stderr
        return files_below(tmp_path / name)

    alone, shared = run("alone", "never"), run("shared", "always")
    assert set(alone) == set(shared)
    rounded = ("candidates.csv", "matches.csv")  # distances to a few decimals
    exact = [name for name in alone if not name.endswith(".npy") and "pieces" not in name and name not in rounded]
    assert [name for name in exact if alone[name] != shared[name]] == []
    for camera in ("c001", "c002", "c003"):
        path = Path("cameras") / camera / "features.npy"
        np.testing.assert_allclose(np.load(tmp_path / "alone" / path), np.load(tmp_path / "shared" / path), atol=1e-5)


@pytest.mark.parametrize(("detector", "embedder", "wish", "gpu", "expected"), [
    (MOTION, "colour-texture", "always", True, False),  # no network to share
    (ONNX, "colour-texture", "always", False, True),
    (ONNX, "colour-texture", "never", True, False),
    (ONNX, "colour-texture", "auto", True, True),
    (ONNX, "colour-texture", "auto", False, False),
    (MOTION, "multilevel", "auto", True, True),
    (MOTION, "multilevel", "auto", False, False),
])  # fmt: skip
def test_when_it_is_worth_it(
    detector: ResolvedDetector, embedder: str, wish: str, gpu: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_has_gpu", lambda: gpu)
    config = RunConfig(embedder=EmbedderConfig(name=embedder))  # type: ignore[arg-type]
    assert worth_sharing(RunModels(detector, config), wish) == expected

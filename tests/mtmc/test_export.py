"""The export command: a file that another runtime loads, compared with torch; mistakes in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from mtmc.export_cli import main
from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
from reid_models.registry import EmbedderConfig, build_embedder
from reid_models.weights import WeightsInfo, save_weights
from tests.running import ROOT

MODEL = ModelConfig(backbone="resnet18", embedding_dim=8, input_hw=(32, 32))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    save_weights(tmp_path / "w.safetensors", MultilevelResNet(MODEL), WeightsInfo(MODEL, "tiny"))
    return tmp_path / "w.safetensors"


def test_the_file_gives_the_embedders_vectors(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "e.onnx"
    assert main(["--weights", str(weights), "--out", str(out), "--batch-size", "4"]) == 0
    said = capsys.readouterr().out
    assert "onnxruntime: agrees with torch for 1, 2 and 5 crops" in said
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    found = onnxruntime.InferenceSession(str(out)).run(["embeddings"], {"images": crops})[0]
    expected = build_embedder(EmbedderConfig(weights=str(weights), backend="torch", device="cpu")).embed(list(crops))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    for arguments in ([], ["--weights", str(tmp_path / "none.safetensors"), "--out", str(tmp_path / "e.onnx")],
                      ["--detector", str(tmp_path / "bad.onnx")]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "e.onnx").exists()


def test_help_answers_without_heavy_imports() -> None:
    code = ("import sys; sys.argv = ['export.py', '--help']\nimport mtmc.export_cli\ntry: mtmc.export_cli.main()\n"
            "except SystemExit: pass\nassert not {'numpy', 'torch', 'onnxruntime'} & set(sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "examples" in done.stdout

"""Model files that are broken or hostile, and networks that answer with NaN or nothing (matrix E1, E2, E7, G1)."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mtmc.verification import verify_run
from tests.clips import write_clip
from tests.faults import footage
from tests.faults.conftest import World
from tests.faults.footage import BOX_XYWH, HEIGHT, RATE_HZ, WIDTH
from tests.running import run_command

torch = pytest.importorskip("torch")

NO_GATES = ("--set", "gates.min_travel=0", "--set", "gates.min_s=0")


class Payload:
    """Unpickling this writes a file: what a hostile checkpoint would do."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return exec, (f"open({str(self._marker)!r}, 'w').write('run')",)


def weights_file(path: Path, change: Callable[[dict[str, torch.Tensor]], None] = lambda tensors: None) -> Path:
    """A tiny untrained network, in a file of ours after `change` was made to its tensors."""
    from safetensors.torch import save_file

    from mtmc.config import to_plain
    from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
    from reid_models.weights import FORMAT, WeightsInfo, stored_tensors

    torch.manual_seed(0)
    config = ModelConfig(backbone="resnet18", taps=(1,), embedding_dim=4, input_hw=(32, 32))
    tensors = {name: tensor.detach().clone() for name, tensor in stored_tensors(MultilevelResNet(config)).items()}
    change(tensors)
    save_file(tensors, path, {FORMAT: json.dumps(to_plain(WeightsInfo(config)))})
    return path


def overflowing(tensors: dict[str, torch.Tensor]) -> None:
    """Bright crops become infinite inside, and NaN at the end; dark ones become nothing; those between are good.

    The stem is 1e38 times the mean of a patch, the blocks pass it on, the head brings it back to ordinary size.
    """
    for name, tensor in tensors.items():
        if name.startswith(("stem", "layer", "stages")) or "layer" in name:
            tensor.zero_()
            if name.endswith("running_var"):
                tensor.fill_(1)
    tensors["stem.conv1.weight"].fill_(10 / tensors["stem.conv1.weight"][0].numel())
    tensors["stem.bn1.weight"].fill_(1e38)
    (head,) = (name for name, tensor in tensors.items() if tensor.ndim == 2)
    tensors[head].copy_(torch.tensor([1.0, -2.0, 3.0, -4.0])[:, None].expand_as(tensors[head]) * 1e-38)


def vehicle(gray: int) -> Callable[[int, int, int], np.ndarray]:
    """Pictures of a vehicle, somewhat larger than its box, in one gray."""

    def picture(index: int, width: int, height: int) -> np.ndarray:
        image = np.full((height, width, 3), 90, np.uint8)
        x, y, w, h = BOX_XYWH
        image[y - 12 : y + h + 12, x - 12 : x + w + 12] = gray
        return image

    return picture


def test_nan_and_empty_vectors_never_reach_matching(tmp_path: Path) -> None:
    for name, gray in (("bright", 250), ("dark", 5), ("grey", 124), ("grey2", 124)):
        (tmp_path / "cams").mkdir(exist_ok=True)
        write_clip(tmp_path / "cams" / f"{name}.mp4", 40, RATE_HZ, WIDTH, HEIGHT, picture=vehicle(gray))
        footage.boxes(tmp_path / "det" / f"{name}.txt", 40)
    weights = weights_file(tmp_path / "w.safetensors", overflowing)
    out = tmp_path / "run"
    done = run_command("--videos", tmp_path / "cams", "--detections", tmp_path / "det", "--out", out,
                       "--weights", weights, "--workers", "1", *NO_GATES)  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads((out / "run.json").read_text())["cameras"]
    for name in ("bright", "dark"):
        assert facts[name]["non_finite_crops"] == 8
        assert facts[name]["tracklets"] == 0
        assert facts[name]["joining"]["without_crop"] == 1
        assert f"left out: {name}: 8 crops" in done.stderr
    for name in ("grey", "grey2"):
        assert facts[name]["non_finite_crops"] == 0
        assert facts[name]["tracklets"] == 1
    verify_run(out)
    candidates = pl.read_csv(out / "candidates.csv")
    assert set(candidates["camera_a"]) | set(candidates["camera_b"]) == {"grey", "grey2"}


def no_tensor(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["stem.conv1.weight"]


def wrong_shape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["stem.conv1.weight"] = torch.zeros(1, 2, 3)


def poisoned(tensors: dict[str, torch.Tensor]) -> None:
    tensors["stem.conv1.weight"][0, 0, 0, 0] = float("nan")


def broken(kind: str, folder: Path) -> tuple[Path, str]:
    """A weights file that is broken in one way, and words that its refusal must hold."""
    path = folder / "w.safetensors"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Payload(folder / "marker")))
        return path, "a whole safetensors file"
    if kind == "truncated":
        path.write_bytes(weights_file(path).read_bytes()[:-1000])
        return path, "a whole safetensors file"
    if kind == "huge header":
        path.write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
        return path, "a whole safetensors file"
    change, words = {"no tensor": (no_tensor, "1 missing, first stem.conv1.weight"),
                     "wrong shape": (wrong_shape, "found (1, 2, 3)"),
                     "poisoned": (poisoned, "NaN or infinity in stem.conv1.weight")}[kind]  # fmt: skip
    return weights_file(path, change), words


@pytest.mark.parametrize("kind", [
    "pickle",
    *(pytest.param(kind, marks=pytest.mark.slow)
      for kind in ("wrong shape", "truncated", "huge header", "no tensor", "poisoned")),
])  # fmt: skip
def test_broken_weights_end_the_run_with_one_sentence(single: World, tmp_path: Path, kind: str) -> None:
    weights, words = broken(kind, tmp_path)
    done = run_command("--videos", single.cams, "--detections", single.det, "--out", tmp_path / "run",
                       "--weights", weights)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {weights}")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert not (tmp_path / "marker").exists()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"


@pytest.mark.parametrize("form", ["zip", pytest.param("plain", marks=pytest.mark.slow)])
def test_a_checkpoint_that_runs_code_is_refused_and_does_not(single: World, tmp_path: Path, form: str) -> None:
    """As ultralytics loads by default, it would run (reliability.md 0, finding 8)."""
    checkpoint = tmp_path / "yolo.pt"
    if form == "zip":
        torch.save({"model": Payload(tmp_path / "marker"), "epoch": 1}, checkpoint)
        assert zipfile.is_zipfile(checkpoint)
    else:
        checkpoint.write_bytes(pickle.dumps({"model": Payload(tmp_path / "marker")}))
    done = run_command("--videos", single.cams, "--detector", checkpoint, "--out", tmp_path / "run", cwd=tmp_path)
    assert not (tmp_path / "marker").exists()
    assert done.returncode == 2, done.stderr
    assert "yolo.pt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_other_weights_redo_features_but_not_boxes(single: World, tmp_path: Path) -> None:
    """E7: vectors of two networks never meet."""
    out, first = tmp_path / "run", weights_file(tmp_path / "first.safetensors")
    second = weights_file(tmp_path / "second.safetensors", lambda tensors: tensors["stem.conv1.weight"].mul_(-1))

    def run(weights: Path) -> dict[str, int]:
        done = run_command("--videos", single.cams, "--detections", single.det, "--out", out, "--weights", weights,
                           *NO_GATES)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return {path.name: path.stat().st_mtime_ns for path in (out / "cameras" / "a").iterdir()}

    before, after = run(first), run(second)
    assert before["detections.parquet"] == after["detections.parquet"]
    assert before["features.npy"] != after["features.npy"]
    verify_run(out)

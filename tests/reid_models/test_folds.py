"""benchmarks/methods.py at small size: cross-validation among recipes, resumable, and by one version of the code."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mtmc.config import build, read_yaml
from mtmc.errors import InputError
from reid_models.data import generate
from reid_models.training.config import TrainConfig

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = """
base_of: configs/reid_shipped.yaml
base:
  data: {validation_share: 0.2, cache_px: 40}
  model: {backbone: resnet18, taps: [1, 2], embedding_dim: 8, input_hw: [32, 32]}
  sampler: {identities: 4, images_per_identity: 2}
  resolutions: []
  threads: 1
rows:
  baseline: {set: []}
  generalised mean: {set: [model.pooling=gem]}
"""


@pytest.fixture(scope="module")
def methods() -> ModuleType:
    spec = importlib.util.spec_from_file_location("methods_benchmark", ROOT / "benchmarks" / "methods.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["methods_benchmark"] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def test_every_recipe_for_the_shipped_weights_is_a_training(methods: ModuleType) -> None:
    table = methods.read_table(ROOT / "benchmarks" / "shipped.yaml")
    for name in table["rows"]:
        config = build(TrainConfig, methods.settings_of(table, name, 4, 400), name)
        assert (config.data.validation_share, config.data.validation_fold, config.steps) == (0.2, 4, 400)
    shipped = build(TrainConfig, read_yaml(ROOT / "configs" / "reid_shipped.yaml"), "configs/reid_shipped.yaml")
    assert build(TrainConfig, methods.settings_of(table, "baseline", 0, 1), "baseline").model == shipped.model


def test_folds_are_scored_once_and_only_by_one_code(methods: ModuleType, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--dataset", "two-view", "--out", str(tmp_path / "data"), "--set", "vehicles=20",
                          "side_px=32"]) == 0
    capsys.readouterr()
    (tmp_path / "rows.yaml").write_text(SMALL)
    monkeypatch.setattr(sys, "argv", ["methods.py", "--data", str(tmp_path / "data"), "--file",
                                      str(tmp_path / "rows.yaml"), "--out", str(tmp_path / "out"), "--steps", "2",
                                      "--seeds", "2"])
    assert methods.main() == 0
    said = capsys.readouterr().out
    assert said.count("| generalised mean | 2 |") == 1
    held = [np.load(tmp_path / "out" / f"baseline-seed{seed}.npz")["vehicles"] for seed in (0, 1)]
    assert len(held[0]) == len(held[1]) > 0
    assert not set(held[0].tolist()) & set(held[1].tolist())
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.npz")}
    assert methods.main() == 0
    assert capsys.readouterr().out == said
    assert {path: path.stat().st_mtime_ns for path in made} == made
    monkeypatch.setattr(methods, "code_version", lambda: "another")
    with pytest.raises(InputError, match="other code"):
        methods.main()

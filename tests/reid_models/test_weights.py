"""Weights files: whole round trips, strict errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mtmc.errors import ConfigError, WeightsError
from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
from reid_models.weights import FORMAT, WeightsInfo, load_weights, read_info, save_weights

CONFIG = ModelConfig(backbone="resnet18", embedding_dim=4, input_hw=(32, 32), bn_neck=True)


@pytest.fixture(scope="module")
def model() -> MultilevelResNet:
    torch.manual_seed(3)
    model = MultilevelResNet(CONFIG, identities=7)
    with torch.no_grad():
        model.stem.bn1.running_var.fill_(123456.0)  # beyond half precision
    return model.eval()


@pytest.fixture
def stored(tmp_path: Path, model: MultilevelResNet) -> Path:
    info = WeightsInfo(CONFIG, "test", "Apache-2.0", "810 images", "a command", {"two-view val r1": 91.5})
    save_weights(tmp_path / "w.safetensors", model, info)
    return tmp_path / "w.safetensors"


def rewrite(path: Path, change) -> Path:
    """The same file with `change(tensors)` made to it."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata)
    return path


def test_a_file_gives_the_network_and_its_description_back(stored: Path, model: MultilevelResNet) -> None:
    loaded, info = load_weights(stored)
    assert info == read_info(stored)
    assert (info.model, info.scores, info.licence) == (CONFIG, {"two-view val r1": 91.5}, "Apache-2.0")
    assert not loaded.training
    images = torch.randn(2, 3, 32, 32)
    assert (loaded.embed(images) - model.embed(images)).abs().max() < 2e-3
    assert loaded.stem.bn1.running_var[0] == 123456.0
    assert not any("classifier" in name for name in loaded.state_dict())


def test_half_precision_halves_the_file_and_float32_is_exact(tmp_path: Path, model: MultilevelResNet) -> None:
    info = WeightsInfo(CONFIG)
    save_weights(tmp_path / "half.safetensors", model, info)
    save_weights(tmp_path / "full.safetensors", model, info, precision="float32")
    sizes = [(tmp_path / name).stat().st_size for name in ("half.safetensors", "full.safetensors")]
    assert sizes[0] < 0.52 * sizes[1]
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(load_weights(tmp_path / "full.safetensors")[0].embed(images), model.embed(images))


def test_the_same_weights_give_the_same_bytes(tmp_path: Path, model: MultilevelResNet) -> None:
    for name in "ab":
        save_weights(tmp_path / name, model, WeightsInfo(CONFIG))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("change", "words"), [
    (lambda t: t.pop("heads.layer2.embed.weight"), "1 missing, first heads.layer2.embed.weight"),
    (lambda t: t.update(extra=torch.zeros(1)), "1 left over, first extra"),
    (lambda t: t.update({"heads.layer2.embed.bias": torch.zeros(5)}), r"expected heads.layer2.embed.bias of shape"),
    (lambda t: t["heads.layer2.embed.bias"].fill_(float("nan")), "NaN or infinity in heads.layer2.embed.bias"),
])
def test_a_file_that_does_not_fit_says_where(stored: Path, change, words: str) -> None:
    with pytest.raises(WeightsError, match=words) as caught:
        load_weights(rewrite(stored, change))
    assert str(stored) in str(caught.value)


def test_files_that_are_no_weights_are_named(tmp_path: Path, stored: Path) -> None:
    missing, garbage, foreign = tmp_path / "none", tmp_path / "garbage", tmp_path / "foreign"
    garbage.write_bytes(b"not safetensors at all")
    save_file({"x": torch.zeros(1)}, foreign)
    cut = tmp_path / "cut"
    cut.write_bytes(stored.read_bytes()[:-100])
    for path, words in ((missing, "no such file"), (garbage, "whole safetensors"), (foreign, FORMAT), (cut, "whole")):
        with pytest.raises(WeightsError, match=words) as caught:
            load_weights(path)
        assert path.name in str(caught.value)


def test_a_description_of_another_model_is_refused(tmp_path: Path, model: MultilevelResNet) -> None:
    with pytest.raises(ConfigError, match="own configuration"):
        save_weights(tmp_path / "w", model, WeightsInfo(ModelConfig()))


def test_nothing_unfinite_is_stored(tmp_path: Path) -> None:
    model = MultilevelResNet(CONFIG)
    with torch.no_grad():
        model.stem.conv1.weight[0, 0, 0, 0] = 1e6  # infinite in half precision
    with pytest.raises(WeightsError, match=r"stem\.conv1\.weight"):
        save_weights(tmp_path / "w", model, WeightsInfo(CONFIG))
    assert not (tmp_path / "w").exists()

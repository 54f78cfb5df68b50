"""Resizing as products of matrices: OpenCV's pictures to a grey level, exact whatever lies beside a crop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtmc.errors import InputError
from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
from reid_models.network_embedder import NetworkEmbedder
from reid_models.preparing import fit_crops
from reid_models.preparing_on_device import fit, upload, weights
from reid_models.registry import EmbedderConfig
from reid_models.weights import WeightsInfo, save_weights

CPU = torch.device("cpu")


def crops(count: int, seed: int = 0, largest: int = 120) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*rng.integers(1, largest, 2), 3), dtype=np.uint8) for _ in range(count)]


def on_device(pictures: list[np.ndarray], input_hw: tuple[int, int], batch_size: int) -> np.ndarray:
    return fit(*upload(pictures, batch_size, CPU), input_hw).numpy()


@pytest.mark.parametrize("input_hw", [(32, 32), (48, 20), (96, 96)])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_it_is_opencvs_picture_to_a_grey_level(count: int, input_hw: tuple[int, int]) -> None:
    pictures = crops(count, seed=count)
    found, expected = on_device(pictures, input_hw, 6), fit_crops(pictures, input_hw, 6).astype(np.float32)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, np.rint(found))
    assert np.abs(found - expected).max() <= 1
    assert np.abs(found - expected).mean() < 0.15  # noise, half of its levels on a boundary


def test_a_crop_of_the_inputs_size_is_left_alone() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(on_device([picture, *crops(2)], (40, 30), 3)[0], picture)


def test_pixels_do_not_depend_on_companions() -> None:
    one, small, large = crops(1)[0], crops(2, 1, 20), crops(2, 2, 400)
    alone = on_device([one], (32, 32), 4)[0]
    for others in (small, large):
        assert np.array_equal(on_device([*others, one], (32, 32), 4)[2], alone)


@pytest.mark.parametrize(("length", "wanted", "area"), [(7, 3, True), (96, 96, True), (3, 7, False), (1, 4, False)])
def test_weights_of_a_place_add_up(length: int, wanted: int, area: bool) -> None:
    found = weights(torch.tensor([float(length)]), torch.tensor([area]), length + 5, wanted)[0]
    assert (found == found.round()).all()
    assert (found[:, length:] == 0).all()
    np.testing.assert_allclose(found.sum(dim=1).numpy(), 2048, atol=length)


def test_vectors_are_those_of_crops_prepared_by_opencv(tmp_path: Path) -> None:
    torch.manual_seed(3)
    config = ModelConfig(backbone="resnet18", embedding_dim=4, input_hw=(32, 32))
    save_weights(tmp_path / "tiny.safetensors", MultilevelResNet(config), WeightsInfo(config, "tiny"))
    embedder = NetworkEmbedder.load(tmp_path / "tiny.safetensors", EmbedderConfig(batch_size=4, device="cpu"))
    pictures = crops(9)
    expected = embedder.embed(pictures)
    assert not embedder.prepares_on_device
    embedder.prepares_on_device = True
    found = embedder.embed(pictures)
    assert ((found * expected).sum(axis=1) > 0.9995).all()
    with pytest.raises(InputError, match="crop 9"):
        embedder.embed([*pictures, np.zeros((3, 3), np.uint8)])

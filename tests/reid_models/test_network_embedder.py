"""Crops through a network: fixed batches, sameness, errors; and which embedder a configuration leads to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import reid_models.registry as registry
from mtmc.errors import ConfigError, InputError, WeightsError
from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
from reid_models.network_embedder import NetworkEmbedder, normalise, prepare
from reid_models.registry import EmbedderConfig, build_embedder, describe
from reid_models.weights import WeightsInfo, save_weights

CONFIG = ModelConfig(backbone="resnet18", embedding_dim=4, input_hw=(32, 32))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, MultilevelResNet(CONFIG), WeightsInfo(CONFIG, "tiny"))
    return path


def crops(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*rng.integers(5, 80, 2), 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
def test_rows_are_unit_and_in_order(weights: Path, count: int) -> None:
    embedder = build_embedder(EmbedderConfig(weights=str(weights), batch_size=4, backend="torch"))
    rows = embedder.embed(crops(count))
    assert rows.shape == (count, embedder.dimension)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_row_does_not_depend_on_its_companions(weights: Path) -> None:
    """The same crop at the same place of a batch, among others and among padding, to the last bit."""
    embedder = build_embedder(EmbedderConfig(weights=str(weights), batch_size=4, backend="torch"))
    many, other = crops(6), crops(6, seed=1)
    expected = embedder.embed(many)
    mixed = [a if i % 2 else b for i, (a, b) in enumerate(zip(many, other, strict=True))]
    assert np.array_equal(embedder.embed(mixed)[1::2], expected[1::2])
    assert np.array_equal(embedder.embed(many[:5]), expected[:5])
    np.testing.assert_allclose(embedder.embed([many[3]])[0], expected[3], atol=1e-6)


def test_it_equals_the_network_on_crops_prepared_by_hand(weights: Path) -> None:
    embedder = build_embedder(EmbedderConfig(weights=str(weights), batch_size=2, backend="torch"))
    crop = crops(1)[0]
    image = cv2.resize(crop, (32, 32), interpolation=cv2.INTER_AREA if min(crop.shape[:2]) >= 32 else cv2.INTER_LINEAR)
    tensor = torch.from_numpy((image / 255 - CONFIG.mean) / CONFIG.std).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = embedder.model.embed(torch.cat([tensor, tensor]))[0].numpy()
    np.testing.assert_allclose(embedder.embed([crop])[0], expected, atol=1e-5)


def test_flip_at_test_makes_a_crop_and_its_mirror_image_one(weights: Path) -> None:
    embedder = build_embedder(EmbedderConfig(weights=str(weights), batch_size=2, flip_at_test=True, backend="torch"))
    image = cv2.resize(crops(1)[0], (32, 32))
    rows = embedder.embed([image, np.ascontiguousarray(image[:, ::-1])])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)


def test_bfloat16_is_near_float32_and_fingerprints_differ(weights: Path) -> None:
    full, half = (build_embedder(EmbedderConfig(weights=str(weights), precision=p, backend="torch"))
                  for p in ("float32", "bfloat16"))
    assert full.fingerprint != half.fingerprint
    assert np.linalg.norm(full.embed(crops(3)) - half.embed(crops(3)), axis=1).max() < 0.05


def test_threads_are_put_back(weights: Path) -> None:
    before = torch.get_num_threads()
    build_embedder(EmbedderConfig(weights=str(weights), threads=before + 1, backend="torch")).embed(crops(1))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_image_is_named_by_its_number(weights: Path, bad: np.ndarray) -> None:
    embedder = build_embedder(EmbedderConfig(weights=str(weights), batch_size=2, backend="torch"))
    with pytest.raises(InputError, match="crop 5"):
        embedder.embed([*crops(5), bad])


def test_prepare_pads_with_black_and_normalises() -> None:
    tensor = prepare([np.full((10, 12, 3), 255, np.uint8)], CONFIG, 3)
    assert tensor.shape == (3, 3, 32, 32)
    white, black = (1 - np.array(CONFIG.mean)) / CONFIG.std, -np.array(CONFIG.mean) / CONFIG.std
    np.testing.assert_allclose(tensor[0, :, 5, 5], white, rtol=1e-5)
    np.testing.assert_allclose(tensor[2, :, 5, 5], black, rtol=1e-5)
    assert normalise(torch.zeros(1, 2, 2, 3, dtype=torch.uint8), CONFIG).shape == (1, 3, 2, 2)


def test_auto_takes_what_ships_and_says_what_it_took(weights: Path, monkeypatch: pytest.MonkeyPatch,
                                                     tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "SHIPPED_WEIGHTS", tmp_path / "absent.safetensors")
    assert "colour-texture" in describe(build_embedder())
    monkeypatch.setattr(registry, "SHIPPED_WEIGHTS", weights)
    assert "tiny" in describe(build_embedder())
    assert "colour-texture" in describe(build_embedder(EmbedderConfig(name="colour-texture")))


def test_weights_asked_for_and_absent_are_an_error_not_another_embedder(monkeypatch: pytest.MonkeyPatch,
                                                                      tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        build_embedder(EmbedderConfig(weights=str(tmp_path / "none.safetensors")))
    monkeypatch.setattr(registry, "SHIPPED_WEIGHTS", tmp_path / "absent.safetensors")
    with pytest.raises(WeightsError, match=r"absent\.safetensors"):
        build_embedder(EmbedderConfig(name="multilevel"))


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"threads": -1}, {"name": "colour-texture", "weights": "x"}])
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError):
        EmbedderConfig(**settings)


@pytest.mark.parametrize("settings", [{"device": "quantum"}, {"device": "cuda:99"}, {"precision": "float16"}])
def test_devices_that_are_not_there_are_refused(weights: Path, settings: dict) -> None:
    if settings.get("precision") and torch.cuda.is_available():
        pytest.skip("float16 is refused on a CPU only")
    with pytest.raises(ConfigError):
        NetworkEmbedder.load(weights, EmbedderConfig(weights=str(weights), **settings))

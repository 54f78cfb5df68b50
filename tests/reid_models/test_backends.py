"""Back ends of the embedder: compared with torch before use, the fastest taken, refusals said in one line."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mtmc.errors import ConfigError, WeightsError
from reid_models import backends, reference
from reid_models.backends import Choice, choose, disagreement, nearest
from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
from reid_models.reference import reference_crops, reference_vectors
from reid_models.registry import SHIPPED_WEIGHTS, EmbedderConfig, build_embedder, with_backend
from reid_models.weights import WeightsInfo, save_weights

MODEL = ModelConfig(backbone="resnet18", embedding_dim=16, input_hw=(32, 32), bn_neck=True)
HAS_OPENVINO = importlib.util.find_spec("openvino") is not None


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, MultilevelResNet(MODEL), WeightsInfo(MODEL, "tiny"))
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTMC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def only_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "installed", lambda name: name != "openvino")


def config(weights: Path, **settings: object) -> EmbedderConfig:
    return EmbedderConfig(weights=str(weights), batch_size=4, threads=1, device="cpu", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["onnx", pytest.param("openvino", marks=pytest.mark.skipif(
    not HAS_OPENVINO, reason="openvino is not installed"))])
@pytest.mark.parametrize("flip", [False, True])
def test_a_back_end_equals_torch_whatever_the_company(weights: Path, backend: str, flip: bool) -> None:
    settings = config(weights, flip_at_test=flip)
    expected = build_embedder(replace(settings, backend="torch")).embed(reference_crops())
    embedder = build_embedder(replace(settings, backend=backend, precision="float32"))
    assert backend in embedder.name
    for count in (0, 1, 2, 4, 5, 16):
        rows = embedder.embed(reference_crops()[:count])
        np.testing.assert_allclose(rows, expected[:count], atol=1e-4)
    mixed = embedder.embed([reference_crops()[9], reference_crops()[3]])
    assert np.array_equal(mixed[1], embedder.embed([reference_crops()[3]])[0])


def test_auto_takes_what_agrees_and_measures_it_once(
    weights: Path, only_onnx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, said = with_backend(config(weights))
    assert (chosen.backend, chosen.precision, said) == ("onnx", "float32", ())
    monkeypatch.setattr(backends, "_measure", lambda *a: pytest.fail("measured twice"))
    assert choose(weights, config(weights)).backend == "onnx"


def test_auto_takes_the_faster_one(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"onnx": 5.0, "openvino": 4.9}
    monkeypatch.setattr(backends, "installed", lambda name: True)
    monkeypatch.setattr(backends, "_examined", lambda w, c: Choice(c.backend, "float32", times[c.backend]))
    assert choose(weights, config(weights)).backend == "onnx"  # within what noise could be
    times["openvino"] = 2.0
    assert choose(weights, config(weights)).backend == "openvino"
    assert choose(weights, config(weights), remembered="onnx").backend == "onnx"
    assert choose(weights, config(weights), remembered="torch").backend == "torch"


def test_a_back_end_that_disagrees_is_left_out_and_said_so(
    weights: Path, only_onnx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "reference_vectors", lambda w: -reference_vectors(w))
    chosen, said = with_backend(config(weights))
    assert chosen.backend == "torch"
    assert len(said) == 1
    assert "cosine -1.0" in said[0]
    with pytest.raises(WeightsError, match=r"cosine -1\.0"):
        choose(weights, config(weights, backend="onnx"))


def test_a_package_that_is_not_there(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "installed", lambda name: name == "torch")
    assert choose(weights, config(weights)) == Choice("torch", "auto")
    with pytest.raises(ConfigError, match="the package openvino"):
        choose(weights, config(weights, backend="openvino"))


def test_a_back_end_of_an_earlier_run_that_is_gone(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def examined(path: Path, settings: EmbedderConfig) -> Choice:
        if settings.backend == "openvino":
            raise ConfigError("embedder.backend openvino", "the package openvino", "nothing")
        return Choice("onnx", "float32", 1.0)

    monkeypatch.setattr(backends, "_examined", examined)
    monkeypatch.setattr(backends, "installed", lambda name: name != "openvino")
    choice = choose(weights, config(weights), remembered="openvino")
    assert choice.backend == "onnx"
    assert "which this run used before" in choice.said[0]


def test_a_cache_that_cannot_be_written_stops_nothing(
    weights: Path, only_onnx: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MTMC_CACHE", str(tmp_path / "file"))
    assert choose(weights, config(weights)).backend == "onnx"


def test_a_damaged_cache_is_made_again(weights: Path, only_onnx: None, tmp_path: Path) -> None:
    choose(weights, config(weights))
    (kept,) = (tmp_path / "cache" / "backends").glob("*.json")
    kept.write_text("{")
    assert choose(weights, config(weights)).backend == "onnx"
    assert "milliseconds" in kept.read_text()


@pytest.mark.parametrize("settings", [{"device": "cuda"}, {"precision": "bfloat16"}])
def test_what_a_back_end_cannot_do_is_refused(weights: Path, settings: dict) -> None:
    with pytest.raises(ConfigError):
        build_embedder(replace(config(weights, backend="onnx"), **settings), compared=True)


def test_bfloat16_leaves_torch_where_onnxruntime_is_alone(weights: Path, only_onnx: None) -> None:
    choice = choose(weights, config(weights, precision="bfloat16"))
    assert (choice.backend, choice.precision) == ("torch", "bfloat16")
    assert "float32 with onnx" in choice.said[0]


class Liar:
    """An embedder over given vectors with a fault of its own."""

    name, fingerprint, input_hw, batch_size = "liar", "liar", (32, 32), 4

    def __init__(self, vectors: np.ndarray, fault: str) -> None:
        self.vectors, self.fault, self.dimension = vectors, fault, vectors.shape[1]
        self._places = {crop.tobytes(): i for i, crop in enumerate(reference_crops())}

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        rows = self.vectors[[self._places[crop.tobytes()] for crop in crops_rgb]].copy()
        if self.fault == "shape":
            return rows[:, :-1]
        if self.fault == "nan":
            rows[-1] = np.nan
        if self.fault == "company" and len(rows) > 1:
            rows[0, 0] += 1e-6
        if self.fault == "last":
            rows[-1] = -rows[-1]
        return rows


@pytest.mark.parametrize("fault", ["", "shape", "nan", "company", "last"])
def test_every_kind_of_disagreement_is_found(weights: Path, fault: str) -> None:
    vectors = reference_vectors(weights)
    assert bool(disagreement(Liar(vectors, fault), vectors)) == bool(fault)


def test_swapped_neighbours_are_found() -> None:
    """Vectors may all be near torch's and still rank otherwise, where two are nearly the same."""
    rng = np.random.default_rng(0)
    first = np.eye(8, 64) + 0.0
    expected = np.concatenate([first, first])
    expected[9] = expected[8]  # the second views of 0 and 1 can hardly be told apart
    expected[8] += 1e-3 * first[0]
    expected[9] += 1e-3 * first[1] + 1e-4 * rng.standard_normal(64)
    expected[1] = expected[0]
    found = expected.copy()
    found[[8, 9]] = found[[9, 8]]
    expected, found = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (expected, found))
    assert (nearest(expected) != nearest(found)).any()
    assert "neighbours" in disagreement(Liar(found, ""), expected)


def test_the_vectors_that_ship_are_torchs() -> None:
    stored = reference.reference_vectors(SHIPPED_WEIGHTS)
    assert list(reference.SHIPPED_REFERENCES.glob("*.npy"))
    np.testing.assert_allclose(stored, reference._torch_vectors(SHIPPED_WEIGHTS), atol=2e-4)


@pytest.mark.slow
def test_vectors_of_other_weights_come_from_a_process_of_their_own(weights: Path) -> None:
    np.testing.assert_allclose(reference._in_another_process(weights), reference._torch_vectors(weights), atol=1e-6)


def test_auto_on_a_gpu_is_torch(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "on_gpu", lambda device: device != "cpu")
    assert choose(weights, replace(config(weights), device="auto")).backend == "torch"
    assert choose(weights, replace(config(weights), device="cuda:0")).backend == "torch"

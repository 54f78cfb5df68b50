"""ONNX files written from weights files: they equal the torch network, the format's own checker accepts them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from mtmc.errors import WeightsError
from reid_models import onnx_writer
from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
from reid_models.network_embedder import normalise
from reid_models.onnx_graph import onnx_bytes
from reid_models.weights import WeightsInfo, save_weights
from reid_models.weights_file import read_arrays

CONFIGS = [
    ModelConfig("resnet18", (2, 4), 8, bn_neck=True, ibn_a=True, input_hw=(64, 32)),
    ModelConfig("resnet18", (1,), 0, pooling="avg", input_hw=(32, 32), mean=(0.1, 0.5, 0.9), std=(0.3, 0.2, 0.1)),
    ModelConfig("resnet34", (3, 4), 4, pooling="gem", last_stride=1, input_hw=(32, 32)),
    ModelConfig("resnet50", (2, 3, 4), 4, bn_neck=True, ibn_a=True, input_hw=(32, 32)),
    ModelConfig("resnet18", (4,), 0, bn_neck=True, input_hw=(33, 47)),
]


def trained_looking(config: ModelConfig) -> MultilevelResNet:
    """A network whose norms and biases all matter."""
    torch.manual_seed(5)
    model = MultilevelResNet(config)
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if value.ndim == 1:
                value.uniform_(0.5, 1.5) if "var" in name or "weight" in name else value.uniform_(-0.3, 0.3)
            if name.endswith("power"):
                value.fill_(2.7)
    return model.eval()


def images(config: ModelConfig, count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *config.input_hw, 3), dtype=np.uint8)


@pytest.mark.parametrize("config", CONFIGS[:2])
def test_mirror_images_are_averaged_as_torch_does(config: ModelConfig, tmp_path: Path) -> None:
    model, path = trained_looking(config), tmp_path / "w.safetensors"
    save_weights(path, model, WeightsInfo(config), precision="float32")
    content, batch = onnx_bytes(path, mirrored=True), images(config, 3)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    with torch.inference_mode():
        expected = model.embed_double(normalise(torch.from_numpy(batch), config))
    found = onnxruntime.InferenceSession(content).run(None, {"images": batch})[0]
    np.testing.assert_allclose(found, torch.nn.functional.normalize(expected, dim=1).numpy(), atol=2e-5)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.backbone}-{c.pooling}-{c.taps}")
def test_it_equals_the_torch_network(config: ModelConfig, tmp_path: Path) -> None:
    model, path = trained_looking(config), tmp_path / "w.safetensors"
    save_weights(path, model, WeightsInfo(config), precision="float32")
    content = onnx_bytes(path)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content)
    for count in (1, 2, 5):
        batch = images(config, count)
        with torch.inference_mode():
            expected = torch.nn.functional.normalize(model.embed(normalise(torch.from_numpy(batch), config)), dim=1)
        found = session.run(None, {"images": batch})[0]
        assert found.shape == (count, config.dimension)
        np.testing.assert_allclose(found, expected.numpy(), atol=2e-5)


def test_the_same_weights_give_the_same_bytes_which_name_them(tmp_path: Path) -> None:
    config, path = CONFIGS[0], tmp_path / "w.safetensors"
    save_weights(path, trained_looking(config), WeightsInfo(config, "mine", "Apache-2.0"))
    content = onnx_bytes(path)
    assert content == onnx_bytes(path)
    said = onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map
    assert said["name"] == "mine"
    assert len(said["weights_sha256"]) == 64


@pytest.mark.parametrize("damage", ["missing", "left over", "shape", "nan"])
def test_tensors_that_do_not_fit_are_named(tmp_path: Path, damage: str) -> None:
    from safetensors import safe_open
    from safetensors.numpy import save_file

    config, path = CONFIGS[0], tmp_path / "w.safetensors"
    save_weights(path, trained_looking(config), WeightsInfo(config), precision="float32")
    arrays = read_arrays(path)[0]
    name = "heads.layer4.neck.weight"
    if damage == "missing":
        del arrays[name]
    elif damage == "left over":
        name = "heads.layer1.embed.bias"
        arrays[name] = np.zeros(3, np.float32)
    elif damage == "shape":
        arrays[name] = arrays[name][:3]
    else:
        arrays[name][2] = np.nan
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    save_file(arrays, path, metadata)
    with pytest.raises(WeightsError, match=name):
        onnx_bytes(path)


def test_the_writer_makes_what_the_format_library_reads() -> None:
    rng = np.random.default_rng(0)
    for array in (np.float32(2.5), rng.random((2, 0, 3), np.float32), rng.integers(-9, 9, (3, 4)),
                  rng.integers(0, 256, (300,), dtype=np.uint8)):
        message = onnx.TensorProto.FromString(b"".join(onnx_writer.tensor("t", np.asarray(array))))
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(message), array)
    node = onnx.NodeProto.FromString(onnx_writer.node("Kind", ["a", "b"], "c", {"i": -3, "f": 0.5, "l": (1, -1, 500)}))
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert (node.op_type, list(node.input), list(node.output)) == ("Kind", ["a", "b"], ["c"])
    assert found == {"i": -3, "f": 0.5, "l": [1, -1, 500]}

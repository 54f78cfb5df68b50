"""The multi-level ResNet of a weights file as an ONNX file, written from its arrays: neither torch nor onnx is needed.

    images uint8 (batch, H, W, 3) RGB ─► normalised ─► ResNet, norms folded into convolutions ─► taps ─► unit vectors

What is folded: y = g·(Wx − m)/√(v + ε) + b is a convolution again, with weights W·g/√(v + ε) and bias b − m·g/√(v + ε).
IBN-a's first half (per image) cannot be folded: that convolution becomes two, whose outputs are joined.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtmc.errors import WeightsError
from mtmc.files import sha256_of
from reid_models import onnx_writer as onnx
from reid_models.model_config import BLOCKS, STAGE_CHANNELS, ModelConfig
from reid_models.onnx_writer import Attribute
from reid_models.weights_file import RETRAIN, read_arrays

INPUT, OUTPUT, BATCH = "images", "embeddings", "batch"
GRAPH_VERSION = 1  # raised whenever the same weights give another graph, so that cached files are made again
_EPSILON = 1e-5  # of torch's batch and instance norms


def onnx_bytes(weights: Path, mirrored: bool = False) -> bytes:
    """An ONNX file of a weights file: input `images`, output `embeddings` (batch, D), any batch size. mirrored: each
    level is the mean over an image and its mirror image (`EmbeddingNetwork.embed_double`).

    Raises `WeightsError` as `weights_file.read_arrays` does, and for tensors missing, left over or misshapen.
    """
    arrays, info = read_arrays(weights)
    architecture = getattr(info.model, "architecture", "multilevel")
    if architecture != "multilevel":
        raise WeightsError(weights, "the multi-level network, of which alone an ONNX graph is made", architecture,
                           "Use --backend torch.")
    graph = _Graph(Path(weights), arrays, info.model, mirrored).build()
    said = {"name": info.name, "weights_sha256": sha256_of(Path(weights)), "licence": info.licence,
            "training_data": info.training_data, "graph_version": str(GRAPH_VERSION)}  # fmt: skip
    return onnx.model(graph, said, "mtmc-vehicle-reid")


class _Graph:
    """Nodes and weights in the making. Methods take names of tensors and return that of their result."""

    def __init__(self, path: Path, arrays: dict[str, np.ndarray], config: ModelConfig, mirrored: bool) -> None:
        self._path, self._arrays, self._config, self._mirrored = path, dict(arrays), config, mirrored
        self._expected = len(arrays)
        self._nodes: list[bytes] = []
        self._weights: dict[str, np.ndarray] = {}

    def build(self) -> onnx.Parts:
        """The whole graph; every array of the file is used exactly once."""
        config, levels = self._config, []
        maps = self._add("MaxPool", [self._relu(self._conv(self._input(), "stem.conv1", "stem.bn1", stride=2, pad=3))],
                         {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)})
        for stage in range(1, max(config.taps) + 1):
            for block in range(BLOCKS[config.backbone][stage - 1]):
                maps = self._block(maps, stage, block)
            if stage in config.taps:
                levels.append(self._unit(self._mean_of_views(self._head(maps, stage), stage)))
        joined = self._add("Concat", levels, {"axis": 1}) if len(levels) > 1 else levels[0]
        self._unit(joined, name=OUTPUT)
        if self._arrays:
            raise WeightsError(self._path, f"the {self._expected - len(self._arrays)} tensors of its model",
                               f"{len(self._arrays)} left over, first {min(self._arrays)}", RETRAIN)
        image = onnx.value(INPUT, "uint8", (BATCH, *config.input_hw, 3))
        vectors = onnx.value(OUTPUT, "float32", (BATCH, config.dimension))
        return onnx.graph("multilevel-resnet", self._nodes, self._weights, [image], [vectors])

    def _input(self) -> str:
        mean = self._constant("mean", np.array(self._config.mean) * 255)
        scale = self._constant("scale", 1 / (np.array(self._config.std) * 255))
        pixels = self._add("Cast", [self._views()], {"to": 1})
        centred = self._add("Mul", [self._add("Sub", [pixels, mean]), scale])
        return self._add("Transpose", [centred], {"perm": (0, 3, 1, 2)})

    def _views(self) -> str:
        """The images, and their mirror images behind them where those are asked for."""
        if not self._mirrored:
            return INPUT
        width = 2
        bounds = [self._whole(kind, [value]) for kind, value in
                  (("starts", -1), ("ends", np.iinfo(np.int64).min), ("axes", width), ("steps", -1))]
        return self._add("Concat", [INPUT, self._add("Slice", [INPUT, *bounds])], {"axis": 0})

    def _mean_of_views(self, vectors: str, stage: int) -> str:
        if not self._mirrored:
            return vectors
        pairs = self._add("Reshape", [vectors, self._whole("shape", [2, -1, self._width(stage)])])
        return self._add("ReduceMean", [pairs], {"axes": (0,), "keepdims": 0})

    def _block(self, maps: str, stage: int, block: int) -> str:
        """One residual block as torchvision has it: stride in the 3x3 of a bottleneck, in the first 3x3 otherwise."""
        config, name = self._config, f"stages.layer{stage}.{block}"
        stride = 2 if stage > 1 and block == 0 and not (stage == 4 and config.last_stride == 1) else 1
        ibn = config.ibn_a and stage < 4
        if config.backbone == "resnet50":
            inner = self._relu(self._first(maps, name, 1, ibn))
            inner = self._relu(self._conv(inner, f"{name}.conv2", f"{name}.bn2", stride=stride, pad=1))
            inner = self._conv(inner, f"{name}.conv3", f"{name}.bn3")
        else:
            inner = self._relu(self._first(maps, name, stride, ibn, pad=1))
            inner = self._conv(inner, f"{name}.conv2", f"{name}.bn2", pad=1)
        if block == 0 and (stage > 1 or config.backbone == "resnet50"):  # where the number of channels changes
            maps = self._conv(maps, f"{name}.downsample.0", f"{name}.downsample.1", stride=stride)
        return self._relu(self._add("Add", [inner, maps]))

    def _first(self, maps: str, name: str, stride: int, ibn: bool, pad: int = 0) -> str:
        """A block's first convolution with its norm, which may be IBN-a."""
        if not ibn:
            return self._conv(maps, f"{name}.conv1", f"{name}.bn1", stride=stride, pad=pad)
        weight = self._take(f"{name}.conv1.weight")
        half = weight.shape[0] // 2
        raw = self._convolve(maps, weight[:half], np.zeros(half), stride, pad)
        scale = self._constant("weight", self._take(f"{name}.bn1.instance.weight", (half,)))
        shift = self._constant("bias", self._take(f"{name}.bn1.instance.bias", (half,)))
        per_image = self._add("InstanceNormalization", [raw, scale, shift], {"epsilon": _EPSILON})
        gain, offset = self._norm(f"{name}.bn1.batch", len(weight) - half)
        per_batch = self._convolve(maps, weight[half:] * gain[:, None, None, None], offset, stride, pad)
        return self._add("Concat", [per_image, per_batch], {"axis": 1})

    def _conv(self, maps: str, conv: str, norm: str, stride: int = 1, pad: int = 0) -> str:
        weight = self._take(f"{conv}.weight")
        gain, offset = self._norm(norm, weight.shape[0])
        return self._convolve(maps, weight * gain[:, None, None, None], offset, stride, pad)

    def _convolve(self, maps: str, weight: np.ndarray, bias: np.ndarray, stride: int, pad: int) -> str:
        attributes: dict[str, Attribute] = {
            "kernel_shape": weight.shape[2:], "strides": (stride, stride), "pads": (pad, pad, pad, pad)}
        return self._add("Conv", [maps, self._constant("weight", weight), self._constant("bias", bias)], attributes)

    def _norm(self, name: str, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """Gain and offset, float64 (C,) each, of a batch norm as it is used."""
        gain, bias, mean, variance = (
            self._take(f"{name}.{part}", (channels,)).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var"))
        gain = gain / np.sqrt(variance + _EPSILON)
        return gain, bias - mean * gain

    def _head(self, maps: str, stage: int) -> str:
        """One tap: (N, C, H, W) to (N, D), pooled, embedded, through its neck."""
        name, config = f"heads.layer{stage}", self._config
        vectors = self._add("Flatten", [self._pool(maps, name)], {"axis": 1})
        channels, width = STAGE_CHANNELS[config.backbone][stage - 1], self._width(stage)
        gain, offset = np.ones(width), np.zeros(width)
        if config.bn_neck:
            gain, offset = self._norm(f"{name}.neck", width)
        if config.embedding_dim:
            weight = self._take(f"{name}.embed.weight", (width, channels)) * gain[:, None]
            bias = self._take(f"{name}.embed.bias", (width,)) * gain + offset
            inputs = [vectors, self._constant("weight", weight), self._constant("bias", bias)]
            return self._add("Gemm", inputs, {"transB": 1})
        if not config.bn_neck:
            return vectors
        return self._add("Add", [self._add("Mul", [vectors, self._constant("gain", gain)]),
                                 self._constant("offset", offset)])

    def _width(self, stage: int) -> int:
        return self._config.embedding_dim or STAGE_CHANNELS[self._config.backbone][stage - 1]

    def _pool(self, maps: str, name: str) -> str:
        if self._config.pooling != "gem":
            return self._add("GlobalMaxPool" if self._config.pooling == "max" else "GlobalAveragePool", [maps])
        power = self._take(f"{name}.pool.power", ())
        least = self._add("Max", [maps, self._constant("least", np.array(1e-6))])
        mean = self._add("GlobalAveragePool", [self._add("Pow", [least, self._constant("power", power)])])
        return self._add("Pow", [mean, self._constant("root", 1 / power)])

    def _unit(self, vectors: str, name: str = "") -> str:
        """Rows divided by their length, but by no less than torch's 1e-12."""
        length = self._add("ReduceL2", [vectors], {"axes": (1,), "keepdims": 1})
        least = self._add("Max", [length, self._constant("least", np.array(1e-12))])
        return self._add("Div", [vectors, least], name=name)

    def _relu(self, maps: str) -> str:
        return self._add("Relu", [maps])

    def _take(self, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        if name not in self._arrays:
            raise WeightsError(self._path, "the tensors of its model", f"missing {name}", RETRAIN)
        array = self._arrays.pop(name)
        if shape is not None and array.shape != shape:
            raise WeightsError(self._path, f"{name} of shape {shape}", f"{array.shape}", RETRAIN)
        return array

    def _constant(self, kind: str, array: np.ndarray) -> str:
        name = f"{kind}_{len(self._weights)}"
        self._weights[name] = np.asarray(array, np.float32)
        return name

    def _whole(self, kind: str, values: list[int]) -> str:
        name = f"{kind}_{len(self._weights)}"
        self._weights[name] = np.array(values, np.int64)
        return name

    def _add(self, kind: str, inputs: list[str], attributes: dict[str, Attribute] | None = None,
             name: str = "") -> str:
        output = name or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(onnx.node(kind, inputs, output, attributes))
        return output

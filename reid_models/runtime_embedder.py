"""The `Embedder` on a runtime other than torch: the network as an ONNX graph, always `batch_size` crops at a time.

Neither torch nor a file is needed: the graph is made in memory from the weights (a third of a second; importing torch
and torchvision costs five).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mtmc.errors import ConfigError
from mtmc.files import sha256_of
from reid_models.onnx_graph import GRAPH_VERSION, onnx_bytes
from reid_models.preparing import fit_crops
from reid_models.registry import SHIPPED_WEIGHTS, EmbedderConfig
from reid_models.weights_file import read_info

Run = Callable[[np.ndarray], np.ndarray]  # uint8 (batch, H, W, 3) to float32 (batch, D), unit rows
PRECISIONS = {"onnx": ("float32",), "openvino": ("float32", "bfloat16")}
_NAMES = {"onnx": "onnxruntime", "openvino": "openvino"}


class RuntimeEmbedder:
    """Crops through an ONNX graph on a CPU. Raises `WeightsError` where the weights do not fit, `ConfigError` for a
    device or precision that the back end does not have, or a package that is not installed."""

    def __init__(self, weights: Path, backend: str, config: EmbedderConfig) -> None:
        if config.device not in ("auto", "cpu"):
            raise ConfigError("embedder.backend", "torch on a GPU", f"{backend} with device {config.device}",
                              "Leave the back end out, or use --device cpu.")
        self.precision = "float32" if config.precision == "auto" else config.precision
        if self.precision not in PRECISIONS[backend]:
            raise ConfigError("embedder.precision", f"{' or '.join(PRECISIONS[backend])} with {backend}",
                              self.precision)
        info = read_info(weights)
        graph = onnx_bytes(weights, config.flip_at_test)
        self._run = _session(backend, graph, config.batch_size, config.threads, self.precision)
        origin = "shipped weights" if Path(weights).resolve() == SHIPPED_WEIGHTS.resolve() else Path(weights).name
        self.name = f"{info.name} ({origin}) on cpu in {self.precision} by {_NAMES[backend]}"
        self.fingerprint = (f"multilevel:{sha256_of(weights)}:{backend}{GRAPH_VERSION}:{self.precision}"
                            f":batch{config.batch_size}:flip{int(config.flip_at_test)}")
        self.dimension, self.input_hw = info.model.dimension, info.model.input_hw
        self.batch_size = config.batch_size

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        """See `Embedder.embed`."""
        rows = np.zeros((len(crops_rgb), self.dimension), np.float32)
        size = self.batch_size
        for start in range(0, len(crops_rgb), size):
            images = fit_crops(crops_rgb[start : start + size], self.input_hw, size, first=start)
            count = min(size, len(rows) - start)
            rows[start : start + count] = self._run(images)[:count]
        return rows


def _session(backend: str, graph: bytes, batch_size: int, threads: int, precision: str) -> Run:
    try:
        if backend == "onnx":
            from reid_models.onnx_backend import open_graph

            return open_graph(graph, batch_size, threads)
        from reid_models.openvino_backend import compile_graph

        return compile_graph(graph, batch_size, threads, precision)
    except ImportError as error:
        raise ConfigError(f"embedder.backend {backend}", f"the package {_NAMES[backend]}", str(error),
                          f"Install {_NAMES[backend]}, or use --backend auto.") from error

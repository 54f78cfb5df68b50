"""OpenVINO as the embedder's back end. The only file of this package that imports openvino."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino

from reid_models.onnx_graph import INPUT


def compile_graph(
    graph: bytes, batch_size: int, threads: int, precision: str
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from (batch_size, H, W, 3) uint8 to (batch_size, D) float32. threads: 0 = one a core."""
    core = openvino.Core()
    network = core.read_model(graph, b"")
    shape = network.input(INPUT).partial_shape
    network.reshape({INPUT: [batch_size, *(side.get_length() for side in list(shape)[1:])]})
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "NUM_STREAMS": 1,
        # Pinned threads of two worker processes would share one core and leave the other idle.
        "ENABLE_CPU_PINNING": False,
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(network, "CPU", settings)
    request, output = compiled.create_infer_request(), compiled.outputs[0]
    return lambda images: np.array(request.infer({INPUT: images})[output])


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself; elsewhere it gains nothing."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")

"""ONNX Runtime as the embedder's back end. The only file of this package that imports onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime

from reid_models.onnx_graph import BATCH, INPUT


def open_graph(graph: bytes, batch_size: int, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from (batch_size, H, W, 3) uint8 to (batch_size, D) float32. threads: 0 = one a core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the cores from the cameras beside this one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_free_dimension_override_by_name(BATCH, batch_size)
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(None, {INPUT: images})[0])

"""Small ONNX files, made here, whose outputs are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

MakeOnnx = Callable[..., Path]


@pytest.fixture
def make_onnx(tmp_path: Path) -> MakeOnnx:
    """make_onnx(rows, name="m.onnx", input_hw=(64, 64), batch=1, names=None, half=False, metadata={}): a network that
    answers `rows` (float, without batch axis) to every picture. batch None: any."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def make(
        rows: np.ndarray, name: str = "m.onnx", input_hw: tuple[object, object] = (64, 64), batch: int | None = 1,
        names: Sequence[str] | None = None, half: bool = False, metadata: dict[str, str] | None = None,
    ) -> Path:  # fmt: skip
        kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        dtype = np.float16 if half else np.float32
        first = "batch" if batch is None else batch
        answer = numpy_helper.from_array(rows[None].astype(dtype), "answer")
        nothing = numpy_helper.from_array(np.zeros(1, dtype), "nothing")
        axes = numpy_helper.from_array(np.array([1, 2, 3]), "axes")
        shape = numpy_helper.from_array(np.array([-1, 1, 1]), "shape")
        nodes = [
            helper.make_node("ReduceMax", ["images", "axes"], ["largest"], keepdims=0),
            helper.make_node("Mul", ["largest", "nothing"], ["zeros"]),
            helper.make_node("Reshape", ["zeros", "shape"], ["column"]),
            helper.make_node("Add", ["column", "answer"], ["output"]),
        ]
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("images", kind, [first, 3, *input_hw])],
            [helper.make_tensor_value_info("output", kind, [first, *rows.shape])], [answer, nothing, axes, shape],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        extra = dict(metadata or {})
        if names is not None:
            extra["names"] = str(dict(enumerate(names)))
        helper.set_model_props(model, extra)
        path = tmp_path / name
        onnx.save(model, str(path))
        return path

    return make

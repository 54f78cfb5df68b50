"""A YOLOX of a fixed square size run on the part of its input that a wide picture needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from detectors.detector_config import DetectorConfig
from detectors.letterbox import snug_hw
from detectors.onnx_shapes import with_input_hw
from detectors.onnx_yolo import OnnxDetector


def yolox(path: Path, fixed_head: bool = False) -> Path:
    """A network whose cells see their own pixels only: three convolutions as wide as their strides, 64x64 input.
    fixed_head: its last reshape is written for that size, so that no other works."""
    rng, nodes, weights, heads = np.random.default_rng(4), [], [], []
    for stride in (8, 16, 32):
        kernel = (rng.normal(size=(85, 3, stride, stride)) / stride / 128).astype(np.float32)
        weights += [numpy_helper.from_array(kernel, f"w{stride}"),
                    numpy_helper.from_array(np.array([1, 85, -1]), f"s{stride}")]
        nodes += [helper.make_node("Conv", ["images", f"w{stride}"], [f"c{stride}"], strides=[stride] * 2),
                  helper.make_node("Sigmoid", [f"c{stride}"], [f"a{stride}"]),
                  helper.make_node("Reshape", [f"a{stride}", f"s{stride}"], [f"r{stride}"])]
        heads.append(f"r{stride}")
    nodes.append(helper.make_node("Concat", heads, ["all"], axis=2))
    nodes.append(helper.make_node("Transpose", ["all"], ["out" if not fixed_head else "turned"], perm=[0, 2, 1]))
    if fixed_head:
        weights.append(numpy_helper.from_array(np.array([1, 84, 85]), "final"))
        nodes.append(helper.make_node("Reshape", ["turned", "final"], ["out"]))
    sides = [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 64, 64])]
    ends = [helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1, 84, 85])]
    inner = [helper.make_tensor_value_info("c8", onnx.TensorProto.FLOAT, [1, 85, 8, 8])]
    graph = helper.make_graph(nodes, "yolox", sides, ends, weights, value_info=inner)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return path


def boxes(path: Path, image: np.ndarray, snug: bool) -> list:
    config = DetectorConfig(threads=1, snug_input=snug, min_score=0.0, nms_iou=1.0)
    found = OnnxDetector(path, "", config).detect([image], [0], [0.0])[0]
    order = np.lexsort(found.boxes_xyxy.T)
    return [found.boxes_xyxy[order], found.scores[order], found.class_ids[order]]


@pytest.mark.parametrize("size_hw", [(36, 128), (128, 40), (128, 128), (60, 128)])
def test_boxes_inside_the_picture_are_those_of_the_whole_input(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    whole, snug = (boxes(yolox(tmp_path / "y.onnx"), image, s) for s in (False, True))
    assert len(whole[1])
    height, width = size_hw
    rows = {(*np.round(box, 2).tolist(), round(float(score), 4)) for box, score in zip(*whole[:2], strict=True)}
    for box, score in zip(*snug[:2], strict=True):
        assert (*np.round(box, 2).tolist(), round(float(score), 4)) in rows
    assert len(snug[1]) == len(whole[1]) if height == width else len(snug[1]) <= len(whole[1])


def test_a_wide_picture_uses_half_the_input_and_a_square_one_all(tmp_path: Path) -> None:
    detector = OnnxDetector(yolox(tmp_path / "y.onnx"), "", DetectorConfig(threads=1))
    used = [detector._input_for({size}) for size in ((30, 60), (60, 30), (60, 60), (2000, 4000), (40, 60))]
    assert used == [(32, 64), (64, 32), (64, 64), (32, 64), (64, 64)]
    assert detector._input_for({(30, 60), (60, 30)}) == (64, 64)


@pytest.mark.parametrize("calls_at_once", [1, 2, 3])
def test_calls_side_by_side_change_nothing(tmp_path: Path, calls_at_once: int) -> None:
    path, images = yolox(tmp_path / "y.onnx"), [
        np.random.default_rng(seed).integers(0, 256, (30, 60, 3), dtype=np.uint8) for seed in range(7)]  # fmt: skip
    detector = OnnxDetector(path, "", DetectorConfig(threads=1, min_score=0.0, calls_at_once=calls_at_once))
    assert detector.batch_size == DetectorConfig().batch_size  # of a file whose own batch is one picture
    together = detector.detect(images, list(range(7)), [0.0] * 7)
    for image, found in zip(images, together, strict=True):
        (alone,) = detector.detect([image], [0], [0.0])
        np.testing.assert_array_equal(found.boxes_xyxy, alone.boxes_xyxy)
        np.testing.assert_array_equal(found.scores, alone.scores)
    assert len({found.scores.tobytes() for found in together}) > 1  # the pictures differ


def test_a_network_that_takes_no_other_size_keeps_its_own(tmp_path: Path) -> None:
    path, image = yolox(tmp_path / "y.onnx", fixed_head=True), np.zeros((30, 60, 3), np.uint8)
    detector = OnnxDetector(path, "", DetectorConfig(threads=1))
    assert detector._input_for({(30, 60)}) == (64, 64)
    for whole, snug in zip(boxes(path, image, False), boxes(path, image, True), strict=True):
        np.testing.assert_array_equal(whole, snug)


def test_only_sizes_change(tmp_path: Path) -> None:
    before = onnx.load(yolox(tmp_path / "y.onnx"))
    after = onnx.load_from_string(with_input_hw((tmp_path / "y.onnx").read_bytes(), (32, 64)))
    dims = after.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [1, 3, 32, 64]
    assert list(after.graph.node) == list(before.graph.node)
    assert list(after.graph.initializer) == list(before.graph.initializer)
    assert not after.graph.value_info
    session = onnxruntime.InferenceSession(after.SerializeToString())
    assert session.run(None, {"images": np.zeros((1, 3, 32, 64), np.float32)})[0].shape == (1, 42, 85)


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 40, b"\x3a\x7f", b"text that is no file"])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        with_input_hw(content, (32, 32))


@pytest.mark.parametrize(("image_hw", "expected"), [((540, 960), (256, 416)), ((1080, 1920), (256, 416)),
                                                    ((416, 416), (416, 416)), ((1, 5000), (32, 416)),
                                                    ((480, 640), (320, 416))])
def test_the_part_that_a_picture_needs(image_hw: tuple[int, int], expected: tuple[int, int]) -> None:
    assert snug_hw(image_hw, (416, 416), "top_left") == expected

"""ONNX files of every layout we read, against boxes worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detectors.detector_config import DetectorConfig
from detectors.network_outputs import Layout, cells, decode_yolox, layout_of, read_output, strides_of
from detectors.onnx_yolo import OnnxDetector
from detectors.vehicle_classes import COCO_NAMES, VehicleClasses
from mtmc.errors import ConfigError, WeightsError

MakeOnnx = Callable[..., Path]
IMAGE = np.zeros((128, 128, 3), np.uint8)  # twice the input: boxes double
CONFIG = DetectorConfig(threads=1)


def detect(path: Path, images: int = 1, config: DetectorConfig = CONFIG) -> list:
    return OnnxDetector(path, "", config).detect([IMAGE] * images, range(images), np.arange(images) / 10)


def raw_yolox(row: int, classes: dict[int, float], objectness: float, count: int = 80) -> np.ndarray:
    """84 cells of a 64-pixel input; one says something."""
    output = np.zeros((84, 5 + count), np.float32)
    output[row, :5] = [0.5, 0.25, math.log(2), math.log(3), objectness]
    for number, score in classes.items():
        output[row, 5 + number] = score
    return output


def plain_decode(raw: np.ndarray, input_hw: tuple[int, int]) -> list[list[float]]:
    boxes, row = [], 0
    for stride in (8, 16, 32):
        for y in range(input_hw[0] // stride):
            for x in range(input_hw[1] // stride):
                dx, dy, log_w, log_h = raw[row]
                boxes.append([(x + dx) * stride, (y + dy) * stride, math.exp(log_w) * stride, math.exp(log_h) * stride])
                row += 1
    return boxes


@pytest.mark.parametrize("input_hw", [(64, 64), (32, 96)])
def test_yolox_decoding_as_its_plain_twin(input_hw: tuple[int, int]) -> None:
    count = len(cells(input_hw, (8, 16, 32))[0])
    raw = np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32)
    found = decode_yolox(raw, *cells(input_hw, strides_of(input_hw, len(raw))))
    np.testing.assert_allclose(found, plain_decode(raw, input_hw), rtol=1e-5)


@pytest.mark.parametrize("layout", ["yolox_raw", "yolox"])
@pytest.mark.parametrize("min_score", [0.0, 0.1, 0.5, 1.1])
def test_cells_that_are_not_read_would_have_been_dropped(layout: Layout, min_score: float) -> None:
    rng, classes = np.random.default_rng(4), VehicleClasses.from_names(dict(enumerate(COCO_NAMES)), "test")
    output = rng.random((84, 85)).astype(np.float32)
    output[::7, 4] = np.nan
    few, all_of_them = (read_output(output, layout, (64, 64), classes, least) for least in (min_score, -np.inf))
    rows = all_of_them.scores >= min_score
    assert (few.scores >= min_score).sum() == rows.sum()
    for kept, every in ((few.boxes_xyxy, all_of_them.boxes_xyxy), (few.class_numbers, all_of_them.class_numbers)):
        np.testing.assert_array_equal(kept[few.scores >= min_score], every[rows])


def test_raw_yolox_without_names_is_coco(make_onnx: MakeOnnx) -> None:
    # Row 64 is the first cell of stride 16: centre (8, 4), 32 wide, 48 high, in pixels of the input.
    found = detect(make_onnx(raw_yolox(64, {7: 0.8, 2: 0.7}, 0.5)))[0]
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 48, 56]], atol=1e-3)
    np.testing.assert_allclose(found.scores, [0.4], atol=1e-6)
    assert found.class_ids.tolist() == [7]


def test_decoded_yolox(make_onnx: MakeOnnx) -> None:
    output = np.zeros((84, 85), np.float32)
    output[:, :2] = cells((64, 64), (8, 16, 32))[0] * cells((64, 64), (8, 16, 32))[1] + 4
    output[:, 2:4] = 16
    output[9, 4:8] = [0.9, 0, 0, 1.0]  # second cell of the second row: (12, 12); class 2
    found = detect(make_onnx(output))[0]
    np.testing.assert_allclose(found.boxes_xyxy, [[8, 8, 40, 40]], atol=1e-4)
    assert found.class_ids.tolist() == [2]


def test_ultralytics_export(make_onnx: MakeOnnx) -> None:
    output = np.zeros((4 + 3, 84), np.float32)
    output[:, 5] = [32, 32, 20, 10, 0.1, 0.7, 0.6]
    output[:, 6] = [32, 32, 20, 11, 0.1, 0.2, 0.65]
    output[:, 7] = [10, 10, 4, 4, 0.9, 0.2, 0.1]
    found = detect(make_onnx(output, names=["person", "car", "truck"]))[0]
    np.testing.assert_allclose(found.boxes_xyxy, [[44, 54, 84, 74]], atol=1e-4)
    assert found.class_ids.tolist() == [2]
    np.testing.assert_allclose(found.scores, [0.7], atol=1e-6)


def test_end_to_end_export_still_merges_classes(make_onnx: MakeOnnx) -> None:
    output = np.zeros((300, 6), np.float32)
    output[:3] = [[10, 10, 30, 20, 0.8, 7], [10, 10, 30, 21, 0.5, 2], [40, 40, 50, 50, 0.9, 0]]
    found = detect(make_onnx(output, names=COCO_NAMES))[0]
    np.testing.assert_allclose(found.boxes_xyxy, [[20, 20, 60, 40]], atol=1e-4)
    assert found.class_ids.tolist() == [7]


@pytest.mark.parametrize("columns", [6, 84])
def test_rt_detr_boxes_are_relative_and_the_picture_is_stretched(make_onnx: MakeOnnx, columns: int) -> None:
    output = np.zeros((300, columns), np.float32)
    output[0, :4] = [0.5, 0.5, 0.25, 0.5]
    if columns == 6:
        output[0, 4:] = [0.9, 2]
    else:
        output[0, 4 + 2] = 0.9
    path = make_onnx(output, names=COCO_NAMES, metadata={"description": "Ultralytics RT-DETR rtdetr-l model"})
    image = np.zeros((100, 400, 3), np.uint8)
    found = OnnxDetector(path, "", CONFIG).detect([image], [0], [0.0])[0]
    np.testing.assert_allclose(found.boxes_xyxy, [[150, 25, 250, 75]], atol=1e-3)


@pytest.mark.parametrize("batch", [1, 2, None])
@pytest.mark.parametrize("images", [0, 1, 3])
def test_every_batch_size_answers_for_every_image(make_onnx: MakeOnnx, batch: int | None, images: int) -> None:
    found = detect(make_onnx(raw_yolox(64, {2: 0.8}, 0.5), batch=batch), images)
    assert len(found) == images
    assert all(len(detections) == 1 for detections in found)


def test_half_precision(make_onnx: MakeOnnx) -> None:
    assert len(detect(make_onnx(raw_yolox(64, {2: 0.8}, 0.5), half=True))[0]) == 1


def test_an_open_input_size_is_set_or_the_export_s_own(make_onnx: MakeOnnx) -> None:
    path = make_onnx(raw_yolox(64, {2: 0.8}, 0.5), input_hw=("h", "w"), metadata={"imgsz": "[64, 64]"})
    assert len(detect(path)[0]) == 1
    other = make_onnx(raw_yolox(64, {2: 0.8}, 0.5), name="o.onnx", input_hw=("h", "w"))
    assert len(detect(other, config=DetectorConfig(threads=1, input_hw=(64, 64)))[0]) == 1


def test_a_fixed_input_size_cannot_be_set(make_onnx: MakeOnnx) -> None:
    with pytest.raises(ConfigError, match=r"input_hw.*64, 64"):
        detect(make_onnx(raw_yolox(64, {2: 0.8}, 0.5)), config=DetectorConfig(input_hw=(96, 96)))


@pytest.mark.parametrize(("output", "names", "words"), [
    (raw_yolox(0, {}, 0, count=3), None, "3 without names"),
    (np.zeros((300, 6), np.float32), None, "classes without names"),
    (np.zeros((84, 7), np.float32), ["cat", "dog"], "vehicle classes"),
    (np.zeros((84, 7), np.float32), ["car", "dog", "cat"], "output of YOLOX"),
    (np.zeros((10, 10), np.float32), ["car"], "output of YOLOX"),
])  # fmt: skip
def test_what_is_no_vehicle_detector(
    make_onnx: MakeOnnx, output: np.ndarray, names: list[str] | None, words: str
) -> None:
    with pytest.raises(WeightsError, match=words):
        detect(make_onnx(output, names=names))


def test_another_task_is_refused(make_onnx: MakeOnnx) -> None:
    with pytest.raises(WeightsError, match="task segment"):
        detect(make_onnx(np.zeros((300, 6), np.float32), names=COCO_NAMES, metadata={"task": "segment"}))


def test_names_can_be_given(make_onnx: MakeOnnx) -> None:
    config = DetectorConfig(class_names=("bike", "Lorry", "car"))
    assert detect(make_onnx(raw_yolox(64, {1: 0.8}, 0.5, count=3)), config=config)[0].class_ids.tolist() == [7]


def test_hostile_names_are_text_only(make_onnx: MakeOnnx, tmp_path: Path) -> None:
    path = make_onnx(raw_yolox(0, {}, 0), metadata={"names": f"open('{tmp_path}/marker', 'w')"})
    with pytest.raises(WeightsError, match="class names"):
        detect(path)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x09\x12\x00" * 9])
def test_a_file_that_is_no_network(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"x\.onnx"):
        OnnxDetector(path, "", CONFIG)


def test_a_gpu_that_is_not_there(make_onnx: MakeOnnx) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(ConfigError, match="onnxruntime-gpu"):
        detect(make_onnx(raw_yolox(0, {}, 0)), config=DetectorConfig(device="cuda:0"))


def test_colours_and_scale_of_both_families(make_onnx: MakeOnnx) -> None:
    """What reaches the network: BGR of 0 to 255 for YOLOX, RGB of 0 to 1 for ultralytics."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:] = [255, 51, 0]
    for output, names, expected in (
        (raw_yolox(0, {}, 0), None, [0, 51, 255]),
        (np.zeros((300, 6), np.float32), COCO_NAMES, [1, 0.2, 0]),
    ):
        detector = OnnxDetector(make_onnx(output, names=names), "", CONFIG)
        seen: list[np.ndarray] = []
        detector._run = lambda tensor, seen=seen, output=output: seen.append(tensor) or output[None]
        detector.detect([image], [0], [0.0])
        np.testing.assert_allclose(seen[0].mean(axis=(0, 2, 3)), expected, atol=1e-4)


def test_layouts_that_share_a_shape() -> None:
    zeros = np.zeros((1, 84, 6), np.float32)
    assert layout_of(zeros, (64, 64), 1) == ("yolox_raw", 1)
    assert layout_of(zeros + 32, (64, 64), 1) == ("yolox", 1)
    assert layout_of(zeros, (96, 96), 80) == ("end_to_end", 80)
    assert layout_of(np.zeros((1, 6, 84), np.float32), (64, 64), 2) == ("yolo", 2)


def test_yolox_nano_on_a_real_video(shared_data: Path) -> None:
    """Its colours and letterbox are right: the other channel order loses a third of the sure boxes on these frames."""
    av = pytest.importorskip("av")
    from detectors.boxes import iou_matrix
    from detectors.recorded import RecordedDetector

    world = shared_data / "worlds" / "two-view-dev"
    config = DetectorConfig(threads=1, min_score=0.3)
    detector = OnnxDetector(shared_data / "weights" / "yolox_nano.onnx", "", config)
    truth = RecordedDetector(world / "det", "", config).for_camera("c002")
    hits = {"rgb": 0, "bgr": 0}
    with av.open(str(world / "cams" / "c002.mp4")) as video:
        for index, frame in enumerate(video.decode(video=0)):
            if index % 20 == 0:
                image = frame.to_ndarray(format="rgb24")
                boxes = truth.detect([image], [index], [0.0])[0].boxes_xyxy
                for order, picture in (("rgb", image), ("bgr", np.ascontiguousarray(image[..., ::-1]))):
                    found = detector.detect([picture], [index], [0.0])[0].boxes_xyxy
                    hits[order] += int((iou_matrix(boxes, found).max(axis=1, initial=0) > 0.5).sum())
            if index > 400:
                break
    assert hits["rgb"] >= 8
    assert hits["rgb"] > hits["bgr"]

"""What a user may write after --detector, and what comes of it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from detectors.registry import DetectorConfig, ResolvedDetector, build_detector, resolve_detector
from mtmc import config
from mtmc.errors import ConfigError, InputError, WeightsError

ROOT = Path(__file__).resolve().parents[2]


def resolve(spec: str, folder: Path, **more: object) -> ResolvedDetector:
    return resolve_detector(spec, folder, more.pop("detections", None), **more)


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())


def test_auto_without_weights_is_motion_and_says_how_to_do_better(tmp_path: Path) -> None:
    resolved = resolve("auto", tmp_path / "none")
    assert resolved.kind == "motion"
    assert "--download yolo26n" in resolved.announcement
    assert "\n" not in resolved.announcement
    assert pickle.loads(pickle.dumps(resolved)) == resolved


@pytest.mark.parametrize(("files", "best"), [
    (["yolox_nano.onnx", "yolo26n.pt", "yolo26s.pt"], "yolo26s.pt"),
    (["yolo26n.pt", "yolo26n.onnx"], "yolo26n.onnx"),
    (["yolo26x.pt", "our_junction.pt"], "our_junction.pt"),
    (["b.pt", "a.pt"], "a.pt"),
    (["yolox_nano.onnx", "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth"],
     "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth"),
    (["yolox_nano.onnx", "yolo26x-seg.pt", "yolo26x-reid.onnx", "yolo26n-cls.pt", "notes.txt", "x.pth",
      "yolo26m.pt.unconfirmed", ".partial-1.pt"], "yolox_nano.onnx"),
])  # fmt: skip
def test_auto_takes_the_best(tmp_path: Path, files: list[str], best: str) -> None:
    touch(tmp_path, *files)
    resolved = resolve("auto", tmp_path)
    assert Path(resolved.path).name == best
    assert best in resolved.announcement


def test_names_and_files(tmp_path: Path) -> None:
    touch(tmp_path, "yolo26n.pt", "mine.onnx", "ssdlite320_mobilenet_v3_large.pth")
    assert resolve("yolo26n", tmp_path).kind == "ultralytics"
    assert resolve("mine", tmp_path).kind == "onnx"
    assert resolve("mine.onnx", tmp_path).path == str(tmp_path / "mine.onnx")
    assert resolve(str(tmp_path / "mine.onnx"), tmp_path / "other").kind == "onnx"
    torchvision = resolve("ssdlite320_mobilenet_v3_large", tmp_path)
    assert (torchvision.kind, torchvision.model) == ("torchvision", "ssdlite320_mobilenet_v3_large")
    assert resolve("motion", tmp_path).kind == "motion"


def test_the_hash_is_the_file_s(tmp_path: Path) -> None:
    touch(tmp_path, "a.onnx")
    before = resolve("a", tmp_path).sha256
    (tmp_path / "a.onnx").write_bytes(b"other")
    assert resolve("a", tmp_path).sha256 != before


@pytest.mark.parametrize(("spec", "kind", "words"), [
    ("yolo26nn", ConfigError, "Did you mean yolo26n"),
    ("motoin", ConfigError, "Did you mean motion"),
    ("yolo26n", WeightsError, "--download yolo26n"),
    ("fasterrcnn_resnet50_fpn_v2", WeightsError, "dd69338a"),
    ("yolo26n.yaml", WeightsError, "random"),
    ("mine.onx", ConfigError, "Did you mean mine"),
    ("folder/mine.pt", WeightsError, "nothing there"),
    ("mime.onnx", WeightsError, "Did you mean mine.onnx"),
])  # fmt: skip
def test_what_cannot_be_had(tmp_path: Path, spec: str, kind: type[Exception], words: str) -> None:
    touch(tmp_path, "mine.onnx")
    with pytest.raises(kind, match=words):
        resolve(spec, tmp_path)


def test_files_of_unknown_kinds(tmp_path: Path) -> None:
    touch(tmp_path, "a.engine", "b.pth")
    for name in ("a.engine", "b.pth"):
        with pytest.raises(WeightsError, match=name):
            resolve(str(tmp_path / name), tmp_path)


def test_recorded_boxes(tmp_path: Path) -> None:
    touch(tmp_path / "weights", "yolo26x.pt")
    (tmp_path / "det").mkdir()
    (tmp_path / "det" / "c1.txt").write_text("1,-1,1,1,5,5,0.5\n")
    resolved = resolve("auto", tmp_path / "weights", detections=tmp_path / "det")
    assert resolved.kind == "recorded"
    (tmp_path / "det" / "c1.txt").write_text("1,-1,1,1,5,6,0.5\n")
    assert resolve("recorded", tmp_path, detections=tmp_path / "det").sha256 != resolved.sha256
    detector = build_detector(resolved, DetectorConfig())
    with pytest.raises(InputError, match=r"c2\.txt"):
        detector.for_camera("c2")
    assert detector.for_camera("c1").name == "recorded"


def test_two_detectors_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--detections"):
        resolve("recorded", tmp_path)
    with pytest.raises(ConfigError, match="Leave one"):
        resolve("motion", tmp_path, detections=tmp_path)
    with pytest.raises(ConfigError, match="--download NAME"):
        resolve("auto", tmp_path, download_sha256="0" * 64)


def test_what_was_downloaded_is_used(tmp_path: Path) -> None:
    touch(tmp_path, "yolo26n.pt", "yolo26x.pt")
    assert Path(resolve("auto", tmp_path, download="yolo26n").path).name == "yolo26n.pt"


def test_settings_from_text() -> None:
    values = config.merge_sets({}, ["detector.input_hw=[384, 640]", "detector.motion.least_area=0.001"])
    built = config.build(DetectorConfig, values["detector"])
    assert built.input_hw == (384, 640)
    assert built.motion.least_area == 0.001
    for bad in ({"min_score": 2.0}, {"nms_iou": 0.0}, {"input_hw": [100, 100]}, {"batch_size": 0}, {"threads": -1},
                {"device": "gpu"}):
        with pytest.raises(ConfigError, match="detector"):
            config.build(DetectorConfig, bad)


def test_motion_and_recorded_never_import_a_network_library(tmp_path: Path) -> None:
    (tmp_path / "c1.txt").write_text("")
    program = f"""
import sys
from pathlib import Path
from detectors.registry import DetectorConfig, build_detector, resolve_detector
folder = Path({str(tmp_path)!r})
for spec, boxes in (("auto", None), ("recorded", folder)):
    build_detector(resolve_detector(spec, folder / "none", boxes), DetectorConfig()).for_camera("c1")
heavy = {{"torch", "torchvision", "ultralytics", "onnxruntime"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)

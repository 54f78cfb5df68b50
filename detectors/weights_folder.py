"""The one folder in which detector weights are looked for: what lies there, and which is best."""

from __future__ import annotations

import re
from pathlib import Path

# COCO AP (50-95, in %) of public detectors, as their authors publish it: the order in which "auto" prefers them.
KNOWN_AP = {
    "yolo26x": 57.5, "yolo26l": 55.0, "yolo26m": 53.1, "yolo26s": 48.6, "yolo26n": 40.9,
    "yolo12x": 55.2, "yolo12l": 53.7, "yolo12m": 52.5, "yolo12s": 48.0, "yolo12n": 40.6,
    "yolo11x": 54.7, "yolo11l": 53.4, "yolo11m": 51.5, "yolo11s": 47.0, "yolo11n": 39.5,
    "yolov8x": 53.9, "yolov8l": 52.9, "yolov8m": 50.2, "yolov8s": 44.9, "yolov8n": 37.3,
    "rtdetr-x": 54.8, "rtdetr-l": 53.0,
    "yolox_x": 51.1, "yolox_l": 49.7, "yolox_m": 46.9, "yolox_s": 40.5, "yolox_tiny": 32.8, "yolox_nano": 25.8,
}  # fmt: skip
# Models by name that torchvision builds, and the file name that its weights are published under.
TORCHVISION_FILES = {
    "fasterrcnn_resnet50_fpn_v2": "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
    "fasterrcnn_resnet50_fpn": "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
    "fasterrcnn_mobilenet_v3_large_fpn": "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
    "fasterrcnn_mobilenet_v3_large_320_fpn": "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
    "fcos_resnet50_fpn": "fcos_resnet50_fpn_coco-99b0c9b7.pth",
    "retinanet_resnet50_fpn_v2": "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth",
    "retinanet_resnet50_fpn": "retinanet_resnet50_fpn_coco-eeacb38b.pth",
    "ssd300_vgg16": "ssd300_vgg16_coco-b556d3b4.pth",
    "ssdlite320_mobilenet_v3_large": "ssdlite320_mobilenet_v3_large_coco-a79551df.pth",
}
TORCHVISION_AP = {
    "fasterrcnn_resnet50_fpn_v2": 46.7, "fasterrcnn_resnet50_fpn": 37.0, "fasterrcnn_mobilenet_v3_large_fpn": 32.8,
    "fasterrcnn_mobilenet_v3_large_320_fpn": 22.8, "fcos_resnet50_fpn": 39.2, "retinanet_resnet50_fpn_v2": 41.5,
    "retinanet_resnet50_fpn": 36.4, "ssd300_vgg16": 25.1, "ssdlite320_mobilenet_v3_large": 21.3,
}  # fmt: skip
SUFFIXES = (".onnx", ".pt")  # in this order where one model lies there twice: the first needs no torch on a CPU

_NO_DETECTOR = re.compile(r"-(cls|seg|sem|pose|obb|depth|reid)\b|(^|[-_])(reid|sam|fastsam)", re.IGNORECASE)


def best_weights(folder: Path) -> Path | None:
    """What "auto" takes, or None for an empty or missing folder.

    A user's own file before public ones, as it lies there on purpose; those by their COCO AP; then by name; ONNX
    before `.pt`. Files named as something else than detectors (`-seg`, `-cls`, `-pose`, `reid` …) do not count.
    """
    found = candidates(folder)
    return min(found, key=_rank) if found else None


def candidates(folder: Path) -> list[Path]:
    """The detector files in `folder`, sorted by name."""
    if not Path(folder).is_dir():
        return []
    files = [path for path in Path(folder).iterdir() if path.is_file() and not path.name.startswith(".")]
    return sorted(path for path in files if _counts(path))


def find_named(folder: Path, name: str) -> Path | None:
    """The file of a model or a file by that name in `folder`, or None."""
    names = [f"{name}{suffix}" for suffix in SUFFIXES]
    if name in TORCHVISION_FILES:
        names = [TORCHVISION_FILES[name], f"{name}.pth"]
    paths = [Path(folder) / candidate for candidate in [name, *names]]
    return next((path for path in paths if path.is_file()), None)


def torchvision_name(path: Path) -> str:
    """The torchvision model that a file holds, told by its name; "" for none."""
    if path.suffix != ".pth":
        return ""
    by_file = {file: name for name, file in TORCHVISION_FILES.items()}
    return by_file.get(path.name, path.stem if path.stem in TORCHVISION_FILES else "")


def average_precision(path: Path) -> float | None:
    """The published COCO AP of what `path` is named after, or None."""
    return TORCHVISION_AP.get(torchvision_name(path)) or KNOWN_AP.get(path.stem)


def known_names(folder: Path) -> list[str]:
    """All names that may stand after --detector, those in `folder` first."""
    return [*(path.stem for path in candidates(folder)), "auto", "motion", "recorded", *KNOWN_AP, *TORCHVISION_FILES]


def _counts(path: Path) -> bool:
    if torchvision_name(path):
        return True
    return path.suffix in SUFFIXES and not _NO_DETECTOR.search(path.stem)


def _rank(path: Path) -> tuple[float, str, int]:
    suffix = SUFFIXES.index(path.suffix) if path.suffix in SUFFIXES else len(SUFFIXES)
    precision = average_precision(path)
    return (-1000.0 if precision is None else -precision, path.stem, suffix)

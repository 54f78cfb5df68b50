"""Ultralytics checkpoints (`.pt`: YOLO v8 to 26, RT-DETR, and what users trained from them), loaded without pickle's
power to run code.

Only the network is taken from the library: no predictor, no settings, no network access. Its forward pass
gives the tensors of `network_outputs.py`, so that a checkpoint and its ONNX export are read by the same code.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detectors.detections import Detections
from detectors.detector_config import DetectorConfig
from detectors.letterbox import fit_image
from detectors.network_outputs import FAMILIES, Layout, layout_of, read_output
from detectors.torch_support import refuse_untrained, torch_device, torch_threads
from detectors.vehicle_classes import VehicleClasses, select_vehicles
from mtmc.errors import WeightsError

_DEFAULT_PX = 640  # what the public checkpoints were trained at
_STRIDE = 32  # the coarsest cell: input sides must be multiples of it (64 for P6 networks, which say so)


class UltralyticsDetector:
    """`Detector` from an ultralytics checkpoint. Raises `WeightsError` for what is no trained vehicle detector."""

    stateful = False

    def __init__(self, path: Path, sha256: str, config: DetectorConfig) -> None:
        self._path, self._config = Path(path), config
        self._device = torch_device(config.device)
        model, self._px = load_network(self._path, sha256)
        names = dict(enumerate(model.names)) if isinstance(model.names, list | tuple) else dict(model.names)
        self._classes = VehicleClasses.from_names(names, path)
        self._class_count = len(names)
        self._is_rtdetr = type(model).__name__.startswith("RTDETR")
        self._stride = max(_STRIDE, int(max(float(s) for s in getattr(model, "stride", [_STRIDE]))))
        self._model: Any = model.to(self._device)
        self.name = f"{self._path.name} on {self._device}"
        self.batch_size = config.batch_size
        self.fingerprint = (f"ultralytics {sha256} {self._device.type} {config.input_hw} batch={config.batch_size} "
                            f"{config.min_score} {config.nms_iou}")

    def for_camera(self, camera_id: str) -> UltralyticsDetector:
        """Itself: pictures do not depend on each other."""
        return self

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """One `Detections` an image, best score first. Images of one call must be of one size."""
        found: list[Detections] = []
        for first in range(0, len(images_rgb), self.batch_size):
            found += self._detect_call(images_rgb[first : first + self.batch_size])
        return found

    def _detect_call(self, images_rgb: Sequence[np.ndarray]) -> list[Detections]:
        input_hw = self._input_hw(images_rgb[0].shape)
        placement = FAMILIES["rtdetr" if self._is_rtdetr else "yolo"].placement
        # Always of the same size, so that no picture's bits depend on its companions.
        tensor = np.zeros((self.batch_size, 3, *input_hw), np.float32)
        boxes = []
        for row, image in enumerate(images_rgb):
            fitted, box = fit_image(image, input_hw, placement)
            tensor[row] = fitted.transpose(2, 0, 1)
            boxes.append(box)
        output = self._run(torch.from_numpy(tensor).to(self._device) / 255)
        layout = self._layout(output, input_hw)
        found = []
        for row, (image, box) in enumerate(zip(images_rgb, boxes, strict=True)):
            candidates = read_output(output[row], layout, input_hw, self._classes)
            found.append(select_vehicles(candidates, box, self._classes, self._config, image.shape[:2]))
        return found

    def _run(self, images: torch.Tensor) -> np.ndarray:
        with torch_threads(self._config.threads), torch.inference_mode():
            output = self._model(images)
        return np.asarray((output[0] if isinstance(output, list | tuple) else output).float().cpu().numpy())

    def _layout(self, output: np.ndarray, input_hw: tuple[int, int]) -> Layout:
        found = layout_of(output, input_hw, self._class_count, self._is_rtdetr)
        if found is None:
            raise WeightsError(self._path, "the output of a detection network", "x".join(map(str, output.shape)))
        return found[0]

    def _input_hw(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """As small as holds the image at the size trained for: a 16:9 picture needs 0.6 of the square."""
        if self._config.input_hw:
            return (self._config.input_hw[0], self._config.input_hw[1])
        if self._is_rtdetr:
            return (self._px, self._px)
        scale = self._px / max(shape[:2])
        height, width = (max(1, -(-round(side * scale) // self._stride)) * self._stride for side in shape[:2])
        return (height, width)


def load_network(path: Path, sha256: str) -> tuple[Any, int]:
    """The trained network of a checkpoint, ready to run, and the longer side in px that it was trained at.

    Raises `WeightsError` for everything else, naming the file's SHA-256 where it holds more than a network.
    """
    checkpoint = _load_safely(Path(path), sha256)
    model: Any = checkpoint.get("ema") or checkpoint.get("model")
    if not isinstance(model, torch.nn.Module) or getattr(model, "task", "detect") != "detect":
        found = getattr(model, "task", type(model).__name__)
        raise WeightsError(path, "an ultralytics detector (task detect)", str(found), "Use weights of that task.")
    if checkpoint.get("modelopt"):
        raise WeightsError(path, "float weights", "quantised ones", "Export it to ONNX.")
    refuse_untrained(model, path)
    for module in model.modules():
        if isinstance(module, torch.nn.Upsample) and not hasattr(module, "recompute_scale_factor"):
            module.recompute_scale_factor = None  # written by a torch that did not have it
    px = (checkpoint.get("train_args") or {}).get("imgsz", _DEFAULT_PX)
    px = px if isinstance(px, int) and 32 <= px <= 4096 else _DEFAULT_PX
    with _quiet():
        network: Any = model.float().eval()
        return network.fuse(verbose=False), px


def _load_safely(path: Path, sha256: str) -> dict[str, Any]:
    """The checkpoint's dictionary, with `weights_only=True` and the library's list of allowed network parts."""
    tasks = _import_tasks()
    safe = getattr(tasks, "_SafeLoad", None)
    if safe is None or not safe.SUPPORTED:  # an older one would run whatever the file says
        raise WeightsError(path, "an ultralytics that loads checkpoints safely (8.4.100 or later)",
                           "an older one", "Upgrade ultralytics, or export the model to ONNX.")
    try:
        with _quiet():
            checkpoint, _ = tasks.torch_safe_load(str(path.resolve()), safe_only=True)
    except Exception as error:  # whatever a hostile or damaged file provokes
        raise _refusal(path, sha256, error) from error
    if not isinstance(checkpoint, dict):
        raise WeightsError(path, "an ultralytics checkpoint", type(checkpoint).__name__)
    return checkpoint


def _refusal(path: Path, sha256: str, error: Exception) -> WeightsError:
    try:
        foreign = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except Exception:  # not in torch's format at all
        foreign = []
    file = f"{path} (SHA-256 {sha256})"
    if foreign:
        return WeightsError(
            file, "a checkpoint of network parts and numbers alone",
            f"something that would run as code: {', '.join(foreign[:5])}",
            "It was not loaded. If you trust its origin, export it to ONNX with the program that wrote it.",
        )  # fmt: skip
    words = " ".join(str(error).encode("ascii", "ignore").decode().split())[:200]
    return WeightsError(file, "an ultralytics checkpoint (.pt)", f"{type(error).__name__}: {words}",
                        "Fetch it again, or export the model to ONNX.")


def _import_tasks() -> Any:
    """`ultralytics.nn.tasks`, imported so that it phones nobody, installs nothing and leaves no settings behind."""
    os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="False", ULTRALYTICS_SAFE_LOAD="1", YOLO_VERBOSE="False")
    before = os.environ.get("YOLO_CONFIG_DIR")
    with tempfile.TemporaryDirectory(prefix="mtmc-ultralytics-") as folder, _quiet():
        os.environ["YOLO_CONFIG_DIR"] = folder
        try:
            from ultralytics.nn import tasks
            from ultralytics.utils import SETTINGS
        finally:
            if before is None:
                del os.environ["YOLO_CONFIG_DIR"]
            else:
                os.environ["YOLO_CONFIG_DIR"] = before
        dict.__setitem__(SETTINGS, "sync", False)  # in this process alone: the method would write a file
    return tasks


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's own lines on stdout and in the log: what matters comes back as an error."""
    logger = logging.getLogger("ultralytics")
    before = logger.disabled
    logger.disabled = True
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.disabled = before

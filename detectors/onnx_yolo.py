"""Detectors in ONNX files: raw or decoded YOLOX heads and ultralytics exports. Needs onnxruntime, not torch."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from detectors.detections import Detections
from detectors.detector_config import DetectorConfig
from detectors.letterbox import fit_image, snug_hw
from detectors.network_outputs import FAMILIES, cells, layout_of, read_output, strides_of
from detectors.onnx_shapes import with_input_hw
from detectors.vehicle_classes import COCO_NAMES, VehicleClasses, select_vehicles
from mtmc.errors import ConfigError, WeightsError

_DEFAULT_INPUT_HW = (640, 640)  # of exports whose input may have any size and that name none
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxDetector:
    """`Detector` from an ONNX file. Raises `WeightsError` for a file that is no vehicle detector.

    spare: whether cores are idle, so that calls may go side by side.
    """

    stateful = False

    def __init__(
        self, path: Path, sha256: str, config: DetectorConfig, spare: Callable[[], bool] = lambda: True
    ) -> None:
        self._path, self._config, self._spare = Path(path), config, spare
        self._session = _open(self._path, config)
        self._snug: dict[tuple[int, int], onnxruntime.InferenceSession | None] = {}
        self.name = f"{self._path.name} on {self._session.get_providers()[0].removesuffix('ExecutionProvider').lower()}"
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._read_input(metadata)
        names = _names(metadata, config, self._path)
        self._layout, count = self._probe(len(names), metadata)
        if not names and count != len(COCO_NAMES):
            raise WeightsError(path, "names of its classes, or the 80 of COCO", f"{count or 'classes'} without names",
                               "Give them with --set detector.class_names='[car, …]'.")
        self._classes = VehicleClasses.from_names(names or dict(enumerate(COCO_NAMES)), path)
        self.batch_size = config.batch_size if self._call_size == 1 else self._call_size
        self._callers = ThreadPoolExecutor(config.calls_at_once)
        self.fingerprint = (f"onnx {sha256} {self._layout} {self._input_hw} call={self._call_size} {config.snug_input} "
                            f"{config.min_score} {config.nms_iou} {config.class_names}")

    def for_camera(self, camera_id: str) -> OnnxDetector:
        """Itself: pictures do not depend on each other."""
        return self

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """One `Detections` an image, best score first."""
        calls = [images_rgb[first : first + self._call_size] for first in range(0, len(images_rgb), self._call_size)]
        inputs_hw = [self._input_for({(image.shape[0], image.shape[1]) for image in call}) for call in calls]
        side_by_side = self._callers.map if len(calls) > 1 and self._spare() else map
        return [found for answers in side_by_side(self._detect_call, calls, inputs_hw) for found in answers]

    def _detect_call(self, images_rgb: Sequence[np.ndarray], input_hw: tuple[int, int]) -> list[Detections]:
        """At most `_call_size` images; the call is always of that size, so that no row depends on its companions."""
        family = FAMILIES[self._layout]
        tensor = np.zeros((self._call_size, 3, *input_hw), self._type)
        boxes = []
        for row, image in enumerate(images_rgb):
            fitted, box = fit_image(image, self._input_hw, family.placement, input_hw)
            planes = cv2.split(fitted)  # a fifth of the time of NumPy's transposed copy
            for channel, plane in enumerate(planes[::-1] if family.bgr else planes):
                tensor[row, channel] = plane
            boxes.append(box)
        if family.scale != 255.0:
            tensor *= self._type(family.scale / 255.0)
        output = self._run(tensor)
        found = []
        for row, (image, box) in enumerate(zip(images_rgb, boxes, strict=True)):
            candidates = read_output(output[row], self._layout, input_hw, self._classes, self._config.min_score)
            found.append(select_vehicles(candidates, box, self._classes, self._config, image.shape[:2]))
        return found

    def _input_for(self, sizes_hw: set[tuple[int, int]]) -> tuple[int, int]:
        """The input's size for pictures of these sizes: the network's own, or the part of it that a picture needs."""
        if not (self._config.snug_input and self._layout == "yolox_raw" and self._fixed and len(sizes_hw) == 1):
            return self._input_hw
        wanted = snug_hw(next(iter(sizes_hw)), self._input_hw, FAMILIES[self._layout].placement)
        if wanted == self._input_hw:
            return wanted
        if wanted not in self._snug:
            self._snug[wanted] = self._reshaped(wanted)
        return self._input_hw if self._snug[wanted] is None else wanted

    def _reshaped(self, input_hw: tuple[int, int]) -> onnxruntime.InferenceSession | None:
        """The network for another input size; None where its graph does not allow it."""
        try:
            session = _session(with_input_hw(self._path.read_bytes(), input_hw), self._config)
            grey = np.full((self._call_size, 3, *input_hw), 0.4, self._type)
            output = np.asarray(session.run(None, {self._input_name: grey})[0])
        except Exception:  # onnxruntime has a kind of its own for every reason; the file's own size always works
            return None
        cell_count = len(cells(input_hw, strides_of(self._input_hw, self._cell_count))[0])
        return session if output.shape[1] == cell_count else None

    def _run(self, tensor: np.ndarray) -> np.ndarray:
        session = self._snug.get((tensor.shape[2], tensor.shape[3])) or self._session
        try:
            return np.asarray(session.run(None, {self._input_name: tensor})[0], np.float32)
        except Exception as error:  # onnxruntime has a kind of its own for every status
            raise WeightsError(self._path, f"a network that takes {tensor.shape}", _one_line(error)) from error

    def _read_input(self, metadata: dict[str, str]) -> None:
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 4 or shape[1] not in (3, None, "channels") or inputs[0].type not in _TYPES:
            found = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
            raise WeightsError(self._path, "one float input, batch x 3 x height x width", found)
        self._input_name, self._type = inputs[0].name, _TYPES[inputs[0].type]
        fixed = tuple(int(side) for side in shape[2:] if isinstance(side, int) and side > 0)
        wanted = tuple(self._config.input_hw)
        if len(fixed) == 2 and wanted and wanted != fixed:
            raise ConfigError("detector.input_hw", f"{list(fixed)}, as {self._path.name} takes no other", str(wanted))
        height, width = fixed if len(fixed) == 2 else wanted or _size_in(metadata) or _DEFAULT_INPUT_HW
        self._input_hw, self._fixed = (height, width), len(fixed) == 2
        # A file with a fixed batch is called with just that. Others get one picture a call on a CPU, which gains
        # nothing from more: calls side by side keep more cores busy than threads inside one do.
        free = 1 if self._session.get_providers()[0] == "CPUExecutionProvider" else self._config.batch_size
        self._call_size = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else free

    def _probe(self, class_count: int, metadata: dict[str, str]) -> tuple[Any, int]:
        """Layout and number of classes, from the output for a grey picture."""
        task = metadata.get("task", "detect")
        grey = np.full((self._call_size, 3, *self._input_hw), 0.4, self._type)
        output = self._run(grey)
        is_rtdetr = "rtdetr" in metadata.get("description", "").lower().replace("-", "")
        found = layout_of(output, self._input_hw, class_count, is_rtdetr) if task == "detect" else None
        if found is None:
            names = f"{class_count} classes, " if class_count else ""
            raise WeightsError(
                self._path, "the output of YOLOX, or of an ultralytics detector",
                f"{names}task {task}, output {'x'.join(map(str, output.shape))}", "Export it with task detect.",
            )  # fmt: skip
        self._cell_count = output.shape[1]
        return found


def _open(path: Path, config: DetectorConfig) -> onnxruntime.InferenceSession:
    try:
        return _session(str(path), config)
    except ConfigError:
        raise
    except Exception as error:
        raise WeightsError(path, "an ONNX network", _one_line(error), "Export or fetch it again.") from error


def _session(model: str | bytes, config: DetectorConfig) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = -(-config.threads // config.calls_at_once)  # 0 stays the library's own number
    # Threads that spin while they wait take the cores from the cameras beside this one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=_providers(config.device))


def _providers(device: str) -> list[Any]:
    there = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cpu" or (device == "auto" and not there):
        return ["CPUExecutionProvider"]
    if not there:
        raise ConfigError("detector.device", "auto or cpu, as this onnxruntime has no CUDA", device,
                          "Install onnxruntime-gpu instead of onnxruntime.")
    number = device.partition(":")[2] or "0"
    return [("CUDAExecutionProvider", {"device_id": number}), "CPUExecutionProvider"]


def _names(metadata: dict[str, str], config: DetectorConfig, path: Path) -> dict[int, str]:
    """Class number → name: as set by the user, else as an ultralytics export says, else empty."""
    if config.class_names:
        return dict(enumerate(config.class_names))
    text = metadata.get("names", "")
    if not text:
        return {}
    try:
        names = ast.literal_eval(text)
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in pairs if 0 <= int(number) < 100_000}
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise WeightsError(path, "class names {0: 'person', …} in its metadata", repr(text[:80])) from error


def _size_in(metadata: dict[str, str]) -> tuple[int, int] | None:
    try:
        height, width = ast.literal_eval(metadata.get("imgsz", ""))
        return int(height), int(width)
    except (ValueError, SyntaxError, TypeError):
        return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

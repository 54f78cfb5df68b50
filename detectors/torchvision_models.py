"""Torchvision's detectors by name, with published weights from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detectors.detections import Detections
from detectors.detector_config import DetectorConfig
from detectors.letterbox import Letterbox
from detectors.torch_support import refuse_untrained, torch_device, torch_threads
from detectors.vehicle_classes import Candidates, VehicleClasses, select_vehicles
from mtmc.errors import ConfigError, WeightsError

_SAME_SCALE = Letterbox(1.0, 1.0, 0, 0)  # torchvision scales images and boxes itself
# Their batch normalisation was trained without the small number that keeps a division finite.
_WITHOUT_EPSILON = ("fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn")
_MOST_BOXES = 1000  # before ours are chosen; its own limit of 100 counts chairs, too


class TorchvisionDetector:
    """`Detector` with a torchvision network. Raises `WeightsError` where the file does not hold its weights."""

    stateful = False

    def __init__(self, model: str, path: Path, sha256: str, config: DetectorConfig) -> None:
        self._config = config
        self._device = torch_device(config.device)
        network, names = load_network(model, Path(path))
        self._classes = VehicleClasses.from_names(dict(enumerate(names)), path)
        _leave_suppression_to_us(network, config.min_score)
        if config.input_hw:
            _set_input(network, model, config.input_hw)
        self._network = network.to(self._device).eval()
        self.name = f"{model} on {self._device}"
        self.batch_size = config.batch_size
        self.fingerprint = (f"torchvision {model} {sha256} {self._device.type} {config.input_hw} {config.min_score} "
                            f"{config.nms_iou}")

    def for_camera(self, camera_id: str) -> TorchvisionDetector:
        """Itself: pictures do not depend on each other."""
        return self

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """One `Detections` an image, best score first; one call an image, so that none depends on its companions."""
        with torch_threads(self._config.threads), torch.inference_mode():
            return [self._detect(image) for image in images_rgb]

    def _detect(self, image_rgb: np.ndarray) -> Detections:
        pixels = torch.from_numpy(np.ascontiguousarray(image_rgb.transpose(2, 0, 1))).to(self._device)
        output = self._network([pixels.float() / 255])[0]
        boxes, scores, labels = (output[key].cpu().numpy() for key in ("boxes", "scores", "labels"))
        return select_vehicles(
            Candidates(boxes, scores, labels), _SAME_SCALE, self._classes, self._config, image_rgb.shape[:2]
        )


def load_network(model: str, path: Path) -> tuple[torch.nn.Module, list[str]]:
    """The network named `model` with the weights in `path`, and the names of its classes. Nothing is downloaded."""
    from torchvision import models

    names = models.get_model_weights(model).DEFAULT.meta["categories"]
    network = models.get_model(model, weights=None, weights_backbone=None, num_classes=len(names))
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
    except Exception as error:  # whatever a hostile or damaged file provokes
        words = " ".join(str(error).split())[:200]
        raise WeightsError(path, f"the weights of torchvision's {model}", words,
                           f"Fetch them with --download {model}.") from error
    if model in _WITHOUT_EPSILON:
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps = 0.0
    refuse_untrained(network, path)
    return network, names


def _leave_suppression_to_us(network: torch.nn.Module, min_score: float) -> None:
    """Its own suppression keeps a car and a truck apart; ours merges the vehicle classes first."""
    part = getattr(network, "roi_heads", network)
    for key, value in (("score_thresh", min_score), ("nms_thresh", 1.0), ("detections_per_img", _MOST_BOXES)):
        if not hasattr(part, key):
            raise AttributeError(f"torchvision's {type(part).__name__} has no {key}")
        setattr(part, key, value)


def _set_input(network: torch.nn.Module, model: str, input_hw: tuple[int, ...]) -> None:
    transform: Any = network.transform
    if getattr(transform, "fixed_size", None):
        raise ConfigError("detector.input_hw", f"none, as {model} has a fixed input", str(list(input_hw)))
    transform.min_size, transform.max_size = (min(input_hw),), max(input_hw)

"""Networks for the service's tests: importable by name, as its process is a new one."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.detections import Detections
from mtmc.errors import InputError, WeightsError

POISON, KILLER = 13, 99  # first pixel of pictures that are refused, and that kill the process


class FakeDetector:
    """One box a picture, its corners from the picture's content alone; notes the size of every call."""

    name, fingerprint, stateful, batch_size = "fake", "fake-1", False, 4

    def __init__(self, log: Path | None = None) -> None:
        self._log = log

    def for_camera(self, camera_id: str) -> FakeDetector:
        return self

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        assert 1 <= len(images_rgb) <= self.batch_size
        if any(image.flat[0] == POISON for image in images_rgb):
            raise InputError("a picture", "no poison", "poison")
        if any(image.flat[0] == KILLER for image in images_rgb):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(f"{len(images_rgb)}\n")
        return [box_of(*row) for row in zip(images_rgb, frame_indices, times_s, strict=True)]


def box_of(image: np.ndarray, index: int, time_s: float) -> Detections:
    """The fake's answer for one picture."""
    digest = hashlib.sha256(image.tobytes() + repr((image.shape, index, time_s)).encode()).digest()
    corners = np.frombuffer(digest[:8], np.uint8).astype(np.float32)[:4]
    return Detections(np.array([corners]), np.array([digest[9] / 255]), np.array([2]))


class FakeEmbedder:
    """Vectors from each crop's content alone."""

    name, fingerprint, dimension, input_hw, batch_size = "fake", "fake-1", 6, (8, 8), 5

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        rows = np.zeros((len(crops_rgb), self.dimension), np.float32)
        for row, crop in zip(rows, crops_rgb, strict=True):
            row[:] = np.frombuffer(hashlib.sha256(crop.tobytes()).digest()[:6], np.uint8)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass(frozen=True)
class FakeModels:
    """Makes both, or fails as a missing file or a broken library would; `log`: where call sizes go."""

    log: Path | None = None
    trouble: str = ""

    def __call__(self) -> tuple[FakeDetector, FakeEmbedder]:
        if self.trouble == "missing":
            raise WeightsError("w.onnx", "a weights file", "nothing there")
        if self.trouble == "broken":
            raise RuntimeError("CUDA driver version is insufficient")
        return FakeDetector(self.log), FakeEmbedder()

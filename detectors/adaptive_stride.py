"""Leave out the detector where nothing moved since it last looked: a still picture has the boxes that it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detectors.detections import Detections, Detector
from mtmc.errors import ConfigError


@dataclass(frozen=True)
class StrideConfig:
    """When a picture counts as unchanged. change: grey levels, 0 to 255, by which the mean of some block of the picture
    must have changed since the detector last looked, for it to look again. longest_s: seconds after which it looks
    anyhow. columns: blocks side by side in a picture; they are about square."""

    # Compression moves a block's mean by about one grey level, a far vehicle of 30 pixels by five and more.
    change: float = 2.5
    # What crept in too slowly for `change` is seen after this; a tracker keeps a track for longer.
    longest_s: float = 1.0
    # A vehicle of 30 pixels in a picture of 1280 covers a block.
    columns: int = 40

    def __post_init__(self) -> None:
        if self.change <= 0 or self.longest_s < 0 or self.columns < 1:
            raise ConfigError("detector.still", "change above 0, longest_s of 0 or more, columns of 1 or more",
                              f"{self.change}, {self.longest_s}, {self.columns}")


class AdaptiveStride:
    """A `Detector` of one camera that asks another one only for pictures in which something changed."""

    stateful = True

    def __init__(self, detector: Detector, config: StrideConfig) -> None:
        self._detector, self._config = detector, config
        self.name, self.batch_size = f"{detector.name}, still pictures left out", detector.batch_size
        self.fingerprint = f"{detector.fingerprint} stride {config}"
        self._key, self._key_s = np.zeros((0, 0), np.float32), -np.inf
        self._found = Detections.empty()
        self.asked = self.seen = 0

    def for_camera(self, camera_id: str) -> AdaptiveStride:
        """A fresh copy for another camera."""
        return AdaptiveStride(self._detector.for_camera(camera_id), self._config)

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """See `Detector.detect`; unchanged pictures get the boxes of the last one that was looked at."""
        wanted = [row for row, (image, time_s) in enumerate(zip(images_rgb, times_s, strict=True))
                  if self._changed(image, time_s)]
        fresh = self._detector.detect([images_rgb[row] for row in wanted], [frame_indices[row] for row in wanted],
                                      [times_s[row] for row in wanted]) if wanted else []  # fmt: skip
        by_row, found = dict(zip(wanted, fresh, strict=True)), []
        for row in range(len(images_rgb)):
            self._found = by_row.get(row, self._found)
            found.append(self._found)
        self.seen, self.asked = self.seen + len(images_rgb), self.asked + len(wanted)
        return found

    def _changed(self, image_rgb: np.ndarray, time_s: float) -> bool:
        """Whether to look again; then this picture is the one to compare with."""
        blocks = block_means(image_rgb, self._config)
        recent = time_s - self._key_s < self._config.longest_s
        if recent and blocks.shape == self._key.shape and np.abs(blocks - self._key).max() < self._config.change:
            return False
        self._key, self._key_s = blocks, time_s
        return True


def block_means(image_rgb: np.ndarray, config: StrideConfig) -> np.ndarray:
    """float32 (rows, columns), the mean grey level of every block of a picture."""
    rows = max(1, round(config.columns * image_rgb.shape[0] / image_rgb.shape[1]))
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.resize(grey, (config.columns, rows), interpolation=cv2.INTER_AREA))

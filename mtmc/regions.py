"""Regions of interest: from a picture or a polygon to a mask as large as the camera's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mtmc.cameras import Camera
from mtmc.errors import ConfigError, VideoError
from mtmc.files import require_regular

# JPEG smears the edge between black and white.
_WHITE = 128
# A mask drawn on a smaller copy of the picture is scaled; one of another shape belongs to another camera.
_MAX_STRETCH = 1.1


def read_mask(path: Path) -> np.ndarray:
    """bool (H, W) of a picture: True where it is white. Raises `ConfigError` where it cannot be read."""
    try:
        require_regular(path)
        data = np.fromfile(path, dtype=np.uint8)  # OpenCV itself cannot open every name
        grey = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    except (OSError, ValueError, cv2.error) as error:  # the last two: a NUL in the name, a picture of a billion pixels
        found = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ConfigError(path, "a picture of the region of interest", found) from error
    if grey is None:
        raise ConfigError(path, "a picture of the region of interest (white counts)", "no picture that can be read")
    return grey >= _WHITE


def fit_mask(camera: Camera, mask: np.ndarray, source: object) -> np.ndarray:
    """`mask` as large as the camera's pictures; unchanged where the video cannot be opened (it fails later, by name).

    source: where the mask comes from, for the message. Raises `ConfigError` where the shapes do not belong together.
    """
    size = _picture_size_wh(camera)
    height, width = mask.shape
    if size is None or size == (width, height):
        return mask
    across, down = size[0] / width, size[1] / height
    if max(across, down) > _MAX_STRETCH * min(across, down):
        expected = f"a picture shaped like the video's {size[0]}x{size[1]}"
        raise ConfigError(f"{source} (camera {camera.camera_id})", expected, f"{width}x{height}")
    return cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)


def polygon_mask(camera: Camera, points: Sequence[tuple[float, float]], source: object) -> np.ndarray:
    """bool (H, W), True in the polygon of [x, y] pixels and on its edge; (0, 0) where the video cannot be opened."""
    corners = np.array(points, np.float64).reshape(-1, 2)
    if len(corners) < 3 or not np.isfinite(corners).all():
        expected = "at least three [x, y] points in pixels"
        raise ConfigError(f"{source} (camera {camera.camera_id})", expected, f"{points}")
    size = _picture_size_wh(camera)
    if size is None:
        return np.zeros((0, 0), bool)
    canvas = np.zeros((size[1], size[0]), np.uint8)
    # Far outside is as good as just outside, and OpenCV counts in 32 bits.
    limit = 4 * max(size)
    cv2.fillPoly(canvas, [np.clip(np.rint(corners), -limit, limit).astype(np.int32)], 1)
    if not canvas.any():
        raise ConfigError(f"{source} (camera {camera.camera_id})", f"a region inside {size[0]}x{size[1]}", f"{points}")
    return canvas.astype(bool)


def _picture_size_wh(camera: Camera) -> tuple[int, int] | None:
    from mtmc.video import probe

    try:
        info = probe(camera)
    except VideoError:
        return None
    return (info.width, info.height) if info.width and info.height else None

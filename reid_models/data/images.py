"""Image files as arrays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mtmc.errors import InputError


def read_image_rgb(path: Path) -> np.ndarray:
    """uint8 (H, W, 3) RGB. Raises `InputError` for what is no image (names with any bytes are read)."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise InputError(path, "a readable image", str(error)) from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
    if image is None:
        raise InputError(path, "a readable image", f"{len(data)} bytes that are none", "Unpack the data set again.")
    return image

"""Image files as arrays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mtmc.errors import InputError
from mtmc.files import require_regular


def read_image_rgb(path: Path) -> np.ndarray:
    """uint8 (H, W, 3) RGB. Raises `InputError` for what is no image (names with any bytes are read)."""
    try:
        require_regular(path)
        data = np.fromfile(path, dtype=np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
    except (OSError, MemoryError, cv2.error) as error:  # the last: a picture of a billion pixels, or no memory for one
        found = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(path, "a readable image", found, "Leave it out, or unpack the data set again.") from error
    if image is None:
        raise InputError(path, "a readable image", f"{len(data)} bytes that are none", "Unpack the data set again.")
    return image

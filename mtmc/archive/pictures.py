"""Pictures from files, for the archive."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mtmc.errors import InputError

ENDINGS = (".jpg", ".jpeg", ".png")


def read_picture(path: Path) -> np.ndarray:
    """uint8 (H, W, 3) RGB. Raises `InputError` naming a file that is missing or no picture."""
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise InputError(path, "a readable picture", str(error)) from error
    if image is None:
        raise InputError(path, "a readable picture", "something else")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def pictures_below(folder: Path) -> list[Path]:
    """All pictures in a folder, sorted; of a run only its crops. Raises `InputError` where there are none."""
    crops = sorted(Path(folder).glob("cameras/*/crops/*.jpg"))
    found = crops or sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in ENDINGS)
    if not found:
        raise InputError(folder, "pictures (.jpg, .png) or a run with crops", "none")
    return found


def shrunk(image_rgb: np.ndarray, longest_px: int) -> np.ndarray:
    """The picture with no side above `longest_px`."""
    scale = longest_px / max(image_rgb.shape[:2])
    if scale >= 1:
        return image_rgb
    size = (max(1, round(image_rgb.shape[1] * scale)), max(1, round(image_rgb.shape[0] * scale)))
    return np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA))

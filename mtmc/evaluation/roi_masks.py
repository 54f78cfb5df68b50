"""Region images of an evaluation, found by camera."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mtmc.errors import InputError

_NAMES = ("roi.jpg", "roi.png")


def read_rois(folder: Path, camera_ids: Iterable[str]) -> dict[str, np.ndarray]:
    """camera → uint8 (H, W), from `<folder>/<camera>.jpg` (or .png) or `…/<camera>/roi.jpg` at any depth.

    Cameras known by number are also found as `c001`. Raises `InputError` for a camera without a region, two
    of them, or one that is no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "a folder of region images", "none there", "Check the path.")
    return {camera: _read(_find(folder, camera)) for camera in camera_ids}


def _find(folder: Path, camera: str) -> Path:
    names = [camera, f"c{int(camera):03d}"] if re.fullmatch("[0-9]{1,9}", camera) else [camera]
    found = [folder / f"{name}{suffix}" for name in names for suffix in (".jpg", ".png")]
    found = [path for path in found if path.is_file()]
    found += [path for name in _NAMES for path in sorted(folder.rglob(name)) if path.parent.name in names]
    if len(found) != 1:
        expected = f"one region image, {camera}.jpg or {names[-1]}/roi.jpg"
        raise InputError(f"{folder}: camera {camera}", expected, f"{len(found)}")
    return found[0]


def _read(path: Path) -> np.ndarray:
    import cv2

    image = cv2.imdecode(np.frombuffer(path.read_bytes(), dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise InputError(path, "a picture", "something else")
    return image

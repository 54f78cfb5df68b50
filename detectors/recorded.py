"""Boxes that somebody else found: MOTChallenge and CityFlow `det.txt` files instead of a detector.

A line is `frame, id, left, top, width, height[, score, …]` with frames from 1 and pixels of the video; what
follows the score (a place in the world, −1) is not read. The class is unknown.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detectors.boxes import areas, clip_boxes, xywh_to_xyxy
from detectors.detections import UNKNOWN_VEHICLE, Detections
from detectors.detector_config import DetectorConfig
from mtmc.config import did_you_mean
from mtmc.errors import InputError
from mtmc.files import require_regular, sha256_of

_MAX_DEPTH = 5  # train/S01/c001/det/det_yolo3.txt: no deeper, so that a link in a circle ends
_MAX_BYTES = 1 << 30  # twenty million boxes
# CityFlow brings three files a camera; the AI City challenge's own baselines did best in this order.
_PREFERRED = ("det_mask_rcnn.txt", "det_yolo3.txt", "det_ssd512.txt")


class RecordedDetector:
    """`Detector` that reads its boxes from a folder. Use `for_camera`, which reads that camera's file."""

    name = "recorded"
    stateful = False

    def __init__(self, folder: Path, sha256: str, config: DetectorConfig) -> None:
        self._folder, self._sha256, self._config = Path(folder), sha256, config
        self.batch_size = config.batch_size
        self.fingerprint = f"recorded {sha256} min_score={config.min_score} {config.recorded_name}"

    def for_camera(self, camera_id: str) -> CameraBoxes:
        """The boxes of one camera. Raises `InputError` where it has no file or the file cannot be used."""
        path = file_of_camera(self._folder, camera_id, self._config.recorded_name)
        return CameraBoxes(path, self.fingerprint, self._config)

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """Recorded boxes belong to a camera: take `for_camera` first."""
        raise InputError(self._folder, "a camera, from for_camera()", "none")


class CameraBoxes:
    """The recorded boxes of one camera. Raises `InputError` naming file and line for what cannot be used."""

    name = "recorded"
    stateful = False

    def __init__(self, path: Path, fingerprint: str, config: DetectorConfig) -> None:
        self._path, self.fingerprint, self.batch_size = path, fingerprint, config.batch_size
        frames, boxes_xyxy, scores = read_det(path)
        keep = (scores >= config.min_score) & (areas(boxes_xyxy) > 0)
        order = np.argsort(frames[keep], kind="stable")
        self._frames = frames[keep][order]
        self._boxes, self._scores = boxes_xyxy[keep][order], scores[keep][order]
        self._size_hw = (0, 0)

    def for_camera(self, camera_id: str) -> CameraBoxes:
        """Itself: there is one a camera already."""
        return self

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """The boxes of `frame_indices`, cut to the pictures. Raises `InputError` where most boxes miss the picture."""
        return [self._of(image, index) for image, index in zip(images_rgb, frame_indices, strict=True)]

    def _of(self, image: np.ndarray, index: int) -> Detections:
        size_hw = (int(image.shape[0]), int(image.shape[1]))
        if size_hw != self._size_hw:
            self._check_size(size_hw)
            self._size_hw = size_hw
        first, last = np.searchsorted(self._frames, [index + 1, index + 2])
        boxes = clip_boxes(self._boxes[first:last], size_hw)
        keep = areas(boxes) > 0
        return Detections(boxes[keep], self._scores[first:last][keep], np.full(int(keep.sum()), UNKNOWN_VEHICLE))

    def _check_size(self, image_hw: tuple[int, int]) -> None:
        """Corners written as sizes, or boxes of a larger picture, reach far beyond this one in most rows."""
        height, width = image_hw
        beyond = (self._boxes[:, 2:] > 1.1 * np.array([width, height], np.float32)).any(axis=1)
        if 2 * np.count_nonzero(beyond) > len(self._boxes):
            row = int(np.flatnonzero(beyond)[0])
            found = f"most reach beyond it, as in frame {self._frames[row]} to {self._boxes[row, 2:].tolist()}"
            raise InputError(self._path, f"boxes inside the picture of {width}x{height} px", found,
                             "The columns are frame, id, left, top, width, height, score, in pixels of the video.")


def find_files(folder: Path) -> dict[Path, tuple[str, ...]]:
    """Every det file at or below `folder` → the names of the camera it may belong to, sorted by path.

    `<camera>.txt` in `folder` itself; `…/<camera>/det.txt` and `…/<camera>/det/det*.txt` at any depth to 5, where the
    camera may also be called `<scenario>_<camera>`. A single file may be named instead of a folder.
    Raises `InputError` where there is nothing.
    """
    folder = Path(os.path.abspath(folder))
    if folder.is_file():
        return {folder: _names_of(folder) if folder.stem.startswith("det") else (folder.stem,)}
    if not folder.is_dir():
        raise InputError(folder, "a folder with a det file for every camera", "nothing there", "Check --detections.")
    found: dict[Path, tuple[str, ...]] = {}
    for place, folders, files in os.walk(folder):
        here = Path(place)
        depth = len(here.relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < _MAX_DEPTH else []
        for name in sorted(files):
            path = here / name
            if name == "det.txt" or (here.name == "det" and name.startswith("det") and name.endswith(".txt")):
                found[path] = _names_of(path)
            elif here == folder and name.endswith(".txt") and not name.startswith("."):
                found[path] = (path.stem,)
    if not found:
        raise InputError(folder, "<camera>.txt, <camera>/det.txt or <camera>/det/det_*.txt", "none of them",
                         "Check --detections.")
    return dict(sorted(found.items()))


def _names_of(path: Path) -> tuple[str, ...]:
    camera = path.parent.parent if path.parent.name == "det" else path.parent
    return (camera.name, f"{camera.parent.name}_{camera.name}")


def file_of_camera(folder: Path, camera_id: str, wanted_name: str = "") -> Path:
    """The det file of a camera. Where several fit: `wanted_name`, else the first of CityFlow's own that is there.

    Raises `InputError` naming the file that was expected.
    """
    files = find_files(folder)
    own = [path for path, names in files.items() if camera_id in names]
    if wanted_name and any(path.name == wanted_name for path in own):
        own = [path for path in own if path.name == wanted_name]
    if not own:
        near = did_you_mean(camera_id, sorted({names[0] for names in files.values()}))
        raise InputError(f"camera {camera_id}", f"its boxes in {Path(folder) / camera_id}.txt", "no such file",
                         f"{near} An empty file says that nothing was found.")
    exact = [path for path in own if files[path][0] == camera_id] or own
    preferred = [path for name in _PREFERRED for path in exact if path.name == name] if len(exact) > 1 else exact
    folders = {path.parent for path in exact}
    if len(folders) > 1 or not preferred:
        raise InputError(f"camera {camera_id}", "one det file", ", ".join(map(str, exact)),
                         "Name one with --set detector.recorded_name=FILE, or point --detections at one scenario.")
    return preferred[0]


def digest_of(folder: Path) -> str:
    """SHA-256 over the places and contents of all det files: changes with any box."""
    hashed = hashlib.sha256()
    root = Path(os.path.abspath(folder))
    for path in find_files(folder):
        try:
            hashed.update(f"{path.relative_to(root)}\0{sha256_of(path)}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise InputError(path, "a file that can be read", error.strerror or str(error)) from error
    return hashed.hexdigest()


def read_det(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """frames int64 (N,) from 1, boxes_xyxy float32 (N, 4), scores float32 (N,) 0 to 1, in the file's order.

    A score that is −1 or missing is 1: the writer was sure or did not say. Raises `InputError` naming the line.
    """
    try:
        require_regular(path)
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(path, f"at most {_MAX_BYTES >> 20} MiB of boxes", f"{path.stat().st_size >> 20} MiB")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(path, "a file that can be read", error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InputError(path, "a text file in UTF-8", f"byte {error.object[error.start]:#04x}") from error
    rows = [_numbers(line, f"{path}:{n}") for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    table = np.array(rows, np.float64).reshape(-1, 7)
    _check(table, text, path)
    scores = np.where(table[:, 6] == -1, 1.0, table[:, 6])
    return table[:, 0].astype(np.int64), xywh_to_xyxy(table[:, 2:6]), scores.astype(np.float32)


def _numbers(line: str, where: str) -> list[float]:
    fields = [field.strip() for field in line.split(",")] if "," in line else line.split()
    while len(fields) > 6 and not fields[-1]:
        fields.pop()
    if len(fields) < 6:
        raise InputError(where, "frame, id, left, top, width, height[, score]", f"{len(fields)} columns")
    try:
        return [float(field) for field in fields[:6]] + [float(fields[6]) if len(fields) > 6 else -1.0]
    except ValueError as error:
        raise InputError(where, "numbers only", repr(line[:80])) from error


def _check(table: np.ndarray, text: str, path: Path) -> None:
    """Refuse the first line that cannot be a box, in the words of what is wrong with it."""
    columns = "The columns are frame, id, left, top, width, height, score."
    whole = np.round(table[:, 0]) == table[:, 0]
    good_score = ((table[:, 6] >= 0) & (table[:, 6] <= 1)) | (table[:, 6] == -1)
    for wrong, expected, remedy in (
        (~(whole & (table[:, 0] >= 1) & (table[:, 0] < 2**53)), "a frame number from 1", columns),
        (~(np.abs(table[:, 1:6]) < 1e7).all(axis=1), "a finite box", columns),
        (np.round(table[:, 1]) != table[:, 1], "a whole number as id, -1 for none", columns),
        ((table[:, 4:6] < 0).any(axis=1), "no negative width or height", columns),
        (~good_score, "a score from 0 to 1, or -1 for none", f"Bring other scores to 0 to 1. {columns}"),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip()]
            found = ", ".join(f"{value:g}" for value in table[row])
            raise InputError(f"{path}:{lines[row]}", expected, found, remedy)

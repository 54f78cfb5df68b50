"""The AI City / CityFlow submission: `camera id frame x y width height xworld yworld`, one line a box.

Cameras are numbers, frames count from 1, boxes are whole pixels (the public script indexes the region image
with them), the world columns are -1. Space, tab and comma are read; a `.zip` or `.tar.gz` with one member too.
The truth that the organisers publish has the same columns (mtmc_peers 5.2).
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mtmc import files
from mtmc.errors import InputError
from mtmc.results import number_rows
from mtmc.results.track_boxes import TrackBoxes

AICITY_COLUMNS = ("camera", "id", "frame", "x_px", "y_px", "width_px", "height_px", "xworld", "yworld")
_REQUIRED = 7  # the world columns may be missing: nothing reads them
# About six million rows. What an archive unpacks to is read into memory and never past this.
_LARGEST_TEXT_BYTES = 256 * 2**20
# What the library makes of damaged archives; ValueError where an offset points before the file.
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
           RuntimeError, OverflowError, ValueError)  # fmt: skip
_DIGITS_AT_THE_END = re.compile(r"[0-9]{1,15}$")
_LETTER_BEFORE_CAMERA = re.compile(r"^[ \t]*c(?=[0-9])", re.MULTILINE)


def camera_numbers(camera_ids: Iterable[str]) -> dict[str, int]:
    """The number of every camera of a run: the digits at the end of its name (`c001` → 1) where every camera
    has some and all differ, else its place in sorted order, from 1."""
    cameras = sorted(set(camera_ids))
    found = [_DIGITS_AT_THE_END.search(camera) for camera in cameras]
    digits = [int(match.group()) for match in found if match]
    if len(digits) == len(cameras) and len(set(digits)) == len(cameras):
        return dict(zip(cameras, digits, strict=True))
    return {camera: place for place, camera in enumerate(cameras, start=1)}


def aicity_text(boxes: TrackBoxes, numbers: Mapping[str, int]) -> str:
    """The submission's rows, sorted by camera number, frame and id.

    Left, top, right and bottom are rounded, so that a box keeps its place; a side is at least one pixel.
    """
    number_of_row = np.array([numbers[camera] for camera in boxes.camera_ids], dtype=np.int64)
    cameras = number_of_row[boxes.camera_rows] if len(boxes) else boxes.camera_rows
    order = np.lexsort((boxes.ids, boxes.frames, cameras))
    corners = np.rint(boxes.boxes_xywh[order, :2])
    sizes = np.maximum(np.rint(boxes.boxes_xywh[order, :2] + boxes.boxes_xywh[order, 2:]) - corners, 1)
    columns = (cameras[order], boxes.ids[order], boxes.frames[order], *corners.T, *sizes.T)
    rows = zip(*(column.astype(np.int64).tolist() for column in columns), strict=True)
    return "".join(f"{c} {i} {f} {x} {y} {w} {h} -1 -1\n" for c, i, f, x, y, w, h in rows)


def write_aicity(path: Path, boxes: TrackBoxes, numbers: Mapping[str, int] | None = None) -> None:
    """Write the submission, atomically. numbers: camera → number, by default those of `camera_numbers`."""
    files.write_text(path, aicity_text(boxes, numbers if numbers is not None else camera_numbers(boxes.camera_ids)))


def read_aicity(path: Path, first_frame: int = 1) -> TrackBoxes:
    """The boxes of a submission or its truth; cameras are named by their numbers ("1", "41").

    path: a text file, or a `.zip`, `.tar.gz` or `.tgz` with one member. first_frame: the number of the first
    frame, 0 or 1. Raises `InputError` with the line for rows that cannot be used.
    """
    text = number_rows.decode_text(_content(Path(path)), path)
    if names_cameras(text):
        text = _LETTER_BEFORE_CAMERA.sub("", text)
    rows = number_rows.parse_rows(text, path, _REQUIRED)
    cameras, ids, frames = (
        number_rows.whole_numbers(rows[:, column], what, text, path)
        for column, what in enumerate(("camera", "id", "frame"))
    )
    frames = number_rows.frames_from_one(frames, first_frame, text, path)
    number_rows.check_boxes(rows[:, 3:7], text, path)
    distinct, camera_rows = np.unique(cameras, return_inverse=True)
    return TrackBoxes.build([str(camera) for camera in distinct], camera_rows, ids, frames, rows[:, 3:7])


def names_cameras(text: str) -> bool:
    """Whether the first line says `c041` for 41: not the official form, but unmistakable."""
    return _LETTER_BEFORE_CAMERA.match(text) is not None


def is_archive(path: Path) -> bool:
    """Whether the name says that the file is an archive."""
    return Path(path).name.lower().endswith((".zip", ".tar.gz", ".tgz"))


def _content(path: Path) -> bytes:
    if not is_archive(path):
        return number_rows.read_bytes(path)
    data = number_rows.read_bytes(path)
    try:
        return _only_zip_member(data, path) if path.name.lower().endswith(".zip") else _only_tar_member(data, path)
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(path, "a readable archive with one text file", str(error)) from error


def _only_zip_member(data: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) != 1 or members[0].is_dir():
            raise InputError(path, "an archive with one file", f"{len(members)} members")
        with archive.open(members[0]) as member:
            return _bounded(member.read(_LARGEST_TEXT_BYTES + 1), path)


def _only_tar_member(data: bytes, path: Path) -> bytes:
    # Unpacked to its bound before tarfile sees it: a header may ask for any amount of memory.
    unpacked = _bounded(zlib.decompressobj(wbits=31).decompress(data, _LARGEST_TEXT_BYTES + 1), path)
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
        first = archive.next()
        if first is None or not first.isreg() or archive.next() is not None:
            raise InputError(path, "an archive with one file", "none, several, or a link or folder")
        member = archive.extractfile(first)
        return member.read() if member else b""


def _bounded(content: bytes, path: Path) -> bytes:
    if len(content) > _LARGEST_TEXT_BYTES:
        raise InputError(path, f"at most {_LARGEST_TEXT_BYTES >> 20} MiB when unpacked", "more")
    return content

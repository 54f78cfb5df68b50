"""The folder that `run_cameras` leaves, read as re-identification data: `tracklets.csv` and its crops.

Identities are the run's own `global_id`s: what its matcher believed, not the truth. They serve to train
further on one's own cameras, and a score on them says how well an embedder agrees with that run. A column
`identity`, added by a person who looked, takes precedence (empty = not judged, left out).
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from mtmc.errors import InputError
from reid_models.data.files import expect_file
from reid_models.data.relevance import JUNK_SAME_IDENTITY_AND_CAMERA, judge
from reid_models.data.samples import ReidSamples, ReidTask, number_identities

SPLITS = ("train", "all")
TASKS = ("all",)

# Below the run folder; a camera's folder is its name with unusual bytes as %XX.
CAMERAS_FOLDER, CROPS_FOLDER = "cameras", "crops"
CROP_NAME = re.compile(r"(?P<track>\d+)_(?P<number>\d+)\.(?:jpg|jpeg|png)$")  # one file a crop, best crop first
_CAMERA, _TRACK, _GLOBAL, _IDENTITY, _KIND = "camera_id", "track_id", "global_id", "identity", "class"
_SPAN = ("start_s", "end_s")
_FORMULA_GUARD = re.compile(r"^'(?=[=+@\t\r\n'-])")  # the table guards names that spreadsheets would run
_NOTE = "without a filled column `identity` this is agreement with the run's own matches, not accuracy"
_CROPS_MISSING = "Run run_cameras without --no-crops."
_ENCRYPTED = b"MTMCENC1"  # what a crop of `run_cameras --encrypt` starts with


def load_split(root: Path, split: str) -> ReidSamples:
    """The crops of every tracklet, sorted by camera, track and crop; "train" and "all" are the same images."""
    rows = _read_rows(expect_file(root / "tracklets.csv", "the table of tracklets that run_cameras writes"))
    judged = any((row.get(_IDENTITY) or "").strip() for row in rows)
    words = {}
    for row in rows:
        word = (row[_IDENTITY if judged else _GLOBAL] or "").strip()
        if word:
            words[row[_CAMERA], int(row[_TRACK])] = word
    kinds = {(row[_CAMERA], int(row[_TRACK])): row.get(_KIND, "") for row in rows}
    cameras = sorted({row[_CAMERA] for row in rows})
    folders = _camera_folders(root)
    crops = [(camera, track, path) for camera in cameras if camera in folders
             for track, path in _crops_of(folders[camera] / CROPS_FOLDER) if (camera, track) in words]
    if not crops:
        raise InputError(root / CAMERAS_FOLDER / (cameras[0] if cameras else "CAMERA") / CROPS_FOLDER,
                         "crops named 000001_0.jpg", "none", _CROPS_MISSING)
    _require_plain(root, crops[0][2])
    keys = [(camera, track) for camera, track, _ in crops]
    place = {key: number for number, key in enumerate(sorted(set(keys)))}
    spans = {(row[_CAMERA], int(row[_TRACK])): _span(row) for row in rows}
    return ReidSamples(tuple(path for _, _, path in crops), number_identities([words[key] for key in keys]),
                       np.array([cameras.index(camera) for camera, _ in keys], dtype=np.int64),
                       np.array([place[key] for key in keys], dtype=np.int64), tuple(kinds[key] for key in keys),
                       np.array([spans[key] for key in keys], dtype=np.float64))


def load_tasks(root: Path, split: str) -> tuple[ReidTask, ...]:
    """Every crop is a query, every crop is in the gallery; the query's own passage is junk."""
    samples = load_split(root, split)
    relevance = judge(samples.identities, samples.identities, samples.cameras, samples.cameras)
    return (ReidTask(f"run {root.name}", samples, samples, relevance, ("",) * len(samples),
                     JUNK_SAME_IDENTITY_AND_CAMERA, note=_NOTE),)


def _span(row: dict[str, str]) -> list[float]:
    """Start and end of a tracklet; NaN where the table has no such columns (tables made by hand)."""
    try:
        return [float(row.get(name) or "nan") for name in _SPAN]
    except ValueError as error:
        raise InputError(f"tracklets.csv, {row[_CAMERA]} track {row[_TRACK]}", "seconds in start_s and end_s",
                         str(error)) from error


def _require_plain(root: Path, crop: Path) -> None:
    with crop.open("rb") as file:
        if file.read(len(_ENCRYPTED)) == _ENCRYPTED:
            raise InputError(root, "a run with plain crops", "an encrypted run",
                             "Make a plain copy with its key: python tools/decrypt_run.py RUN OUT --key-file FILE")


def _camera_folders(root: Path) -> dict[str, Path]:
    """Camera name → its folder."""
    folders = sorted((root / CAMERAS_FOLDER).glob("*/"))
    return {unquote(folder.name, errors="surrogateescape"): folder for folder in folders}


def _crops_of(folder: Path) -> list[tuple[int, Path]]:
    """Track and path of every crop, best crop first inside a track."""
    if not folder.is_dir():
        return []
    found = [(int(match["track"]), int(match["number"]), path) for path in folder.iterdir()
             if (match := CROP_NAME.fullmatch(path.name))]
    return [(track, path) for track, _, path in sorted(found)]


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        header = reader.fieldnames or []
        missing = [name for name in (_CAMERA, _TRACK) if name not in header]
        if _GLOBAL not in header and _IDENTITY not in header:
            missing.append(_GLOBAL)
        if missing:
            raise InputError(path, "columns " + ", ".join(missing), ", ".join(header) or "an empty file")
        rows = list(reader)
    for number, row in enumerate(rows, start=2):
        if not (row[_TRACK] or "").isdecimal():
            raise InputError(f"{path} line {number}", f"a whole number in {_TRACK}", str(row[_TRACK]))
        row[_CAMERA] = _FORMULA_GUARD.sub("", row[_CAMERA])
    return rows

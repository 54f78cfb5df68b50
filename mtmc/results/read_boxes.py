"""Any file or folder of boxes with identities that we know: what it is, and its boxes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mtmc.errors import InputError
from mtmc.results import number_rows
from mtmc.results.aicity import camera_numbers, is_archive, names_cameras, read_aicity
from mtmc.results.mot import find_mot_files, read_mot, read_mot_files
from mtmc.results.run_boxes import is_run, read_run
from mtmc.results.track_boxes import TrackBoxes

BoxFormat = Literal["auto", "aicity", "mot", "run"]
_SUBMISSION = "cityflow.txt"  # what a run, or linking without pictures, leaves beside its tables


@dataclass(frozen=True, eq=False)
class BoxSource:
    """Boxes with identities and where they came from. description: for the user. camera_numbers: the number of each
    camera in AI City files."""

    boxes: TrackBoxes
    description: str
    camera_numbers: dict[str, int]


def read_boxes(
    path: Path,
    box_format: BoxFormat = "auto",
    first_frame: int = 1,
    is_truth: bool = False,
    cameras: Collection[str] = (),
) -> BoxSource:
    """Read a CityFlow file or archive, a MOT file, a folder of MOT files, or a run folder (or a table in it).

    first_frame: the number of the first frame in the files, 0 or 1 (a run's own files always count from 1).
    is_truth: heed the marks of MOT truth. cameras: look only at these where a folder holds one folder a camera.
    Raises `InputError` for what is none of them or cannot be told apart.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "a file or folder", "nothing there", "Check the path.")
    kind = _kind_of(path) if box_format == "auto" else box_format
    if kind == "run":
        return _read_run(path)
    if kind == "aicity":
        boxes = read_aicity(_submission_of(path), first_frame)
        return BoxSource(boxes, f"{_submission_of(path)} (AI City)", camera_numbers(boxes.camera_ids))
    if path.is_dir():
        boxes = read_mot_files(find_mot_files(path, is_truth, cameras), first_frame, is_truth)
        return BoxSource(boxes, f"{path} ({len(boxes.camera_ids)} MOT files)", camera_numbers(boxes.camera_ids))
    boxes = read_mot(path, _camera_of(path), first_frame, is_truth)
    return BoxSource(boxes, f"{path} (MOT)", camera_numbers(boxes.camera_ids))


def _read_run(path: Path) -> BoxSource:
    run = read_run(path)
    if len(run.boxes) and (run.tracklets.global_ids < 0).any():
        raise InputError(path, "a global_id for every tracklet in tracklets.csv", "tracklets without one")
    boxes = run.with_global_ids(run.tracklets.global_ids)
    return BoxSource(boxes, f"{path} (run: mot/ and tracklets.csv)", run.camera_numbers)


def _kind_of(path: Path) -> BoxFormat:
    if is_run(path):
        return "run"
    if path.is_dir():
        return "aicity" if (path / _SUBMISSION).is_file() else "mot"
    return "aicity" if is_archive(path) else kind_of_text(path)


def _camera_of(path: Path) -> str:
    """The camera of a single MOT file: its name, or the folder's that holds `gt.txt` or `gt/gt.txt`."""
    folder = path.absolute().parent
    if path.name != "gt.txt":
        return path.stem
    return folder.parent.name if folder.name == "gt" else folder.name


def _submission_of(path: Path) -> Path:
    return path / _SUBMISSION if path.is_dir() else path


def kind_of_text(path: Path) -> BoxFormat:
    """"aicity" or "mot", told by the number of columns and, where both have it, by the seventh.

    MOT has 6, 8 or at least 10 columns. With 7 or 9 the seventh is a height in AI City files and a confidence or
    a mark, at most 1, in MOT files: no file of vehicles has only boxes one pixel high.
    An empty file holds no box in either form.
    """
    if path.suffix.lower() not in (".txt", ".csv", ""):
        raise InputError(path, "a .txt, .zip or .tar.gz file, or a folder", path.suffix, "Name the format.")
    text = number_rows.decode_text(number_rows.read_bytes(path), path)
    if names_cameras(text):
        return "aicity"
    rows = number_rows.parse_rows(text, path, least_columns=6)
    columns = rows.shape[1]
    if len(rows) and (columns in (6, 8) or columns >= 10):
        return "mot"
    return "mot" if len(rows) and bool(np.nanmax(rows[:, 6]) <= 1) else "aicity"

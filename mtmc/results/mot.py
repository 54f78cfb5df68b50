"""MOTChallenge text: one file a camera, `frame,id,left,top,width,height,confidence,-1,-1,-1`, frames from 1.

CityFlow's `gt.txt` and `mtsc_*.txt` have the same form, with identities that are shared by all cameras.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from mtmc import files
from mtmc.errors import InputError
from mtmc.results import number_rows
from mtmc.results.track_boxes import TrackBoxes
from mtmc.run_store import folder_name

MOT_COLUMNS = ("frame", "id", "left_px", "top_px", "width_px", "height_px", "confidence", "x", "y", "z")


def mot_text(boxes: TrackBoxes) -> str:
    """The rows of one camera, sorted by frame, then id. Raises `InputError` for more than one camera's."""
    if len(np.unique(boxes.camera_rows)) > 1:
        raise InputError("MOT file", "the boxes of one camera", "those of several")
    order = np.lexsort((boxes.ids, boxes.frames))
    places = (np.round(boxes.boxes_xywh[order], 2) + 0.0).T  # adding zero turns -0.00 into 0.00
    columns = (boxes.frames[order], boxes.ids[order], *places, boxes.scores[order])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return "".join(f"{f},{i},{x:.2f},{y:.2f},{w:.2f},{h:.2f},{s:.4f},-1,-1,-1\n" for f, i, x, y, w, h, s in rows)


def write_mot(path: Path, boxes: TrackBoxes) -> None:
    """Write one camera's boxes, atomically."""
    files.write_text(path, mot_text(boxes))


def write_mot_folder(folder: Path, boxes: TrackBoxes) -> list[str]:
    """Write `<camera>.txt` for every camera of `boxes`, also for those without a box; the names of the files."""
    names = [f"{folder_name(camera)}.txt" for camera in boxes.camera_ids]
    for row, name in enumerate(names):
        write_mot(Path(folder) / name, boxes[boxes.camera_rows == row])
    return names


def read_mot(path: Path, camera_id: str, first_frame: int = 1, is_truth: bool = False) -> TrackBoxes:
    """One camera's boxes from a MOT file.

    first_frame: the number of the first frame in the file, 0 or 1. is_truth: leave out rows whose 7th column is 0,
    which MOTChallenge's truth marks as not to be counted. Rows with a negative id (tracks not yet confirmed)
    are left out. Raises `InputError` with the line for rows that cannot be used, and for a file of detections.
    """
    text = number_rows.decode_text(number_rows.read_bytes(path), path)
    rows = number_rows.parse_rows(text, path, least_columns=6)
    frames = number_rows.whole_numbers(rows[:, 0], "frame", text, path)
    ids = number_rows.whole_numbers(rows[:, 1], "id", text, path)
    frames = number_rows.frames_from_one(frames, first_frame, text, path)
    number_rows.check_boxes(rows[:, 2:6], text, path)
    if len(ids) and (ids < 0).all():
        raise InputError(path, "tracks with ids", "only negative ids, as in a file of detections")
    flags = rows[:, 6] if rows.shape[1] > 6 else np.ones(len(rows))
    boxes = TrackBoxes.build([camera_id], np.zeros(len(rows)), ids, frames, rows[:, 2:6], np.nan_to_num(flags))
    return boxes[(ids >= 0) & ((flags != 0) | (not is_truth))]


def read_mot_files(paths: Mapping[str, Path], first_frame: int = 1, is_truth: bool = False) -> TrackBoxes:
    """The boxes of several cameras, `camera → file`."""
    parts = [read_mot(path, camera, first_frame, is_truth) for camera, path in sorted(paths.items())]
    return TrackBoxes.concatenate(parts)


def find_mot_files(folder: Path, is_truth: bool, cameras: Collection[str] = ()) -> dict[str, Path]:
    """The MOT files below `folder`, by camera, in the first of these layouts that is there.

    `<camera>.txt`; `<camera>/gt/gt.txt` at any depth (MOTChallenge, CityFlow; truth only); `<camera>/gt.txt`
    (truth only); `<camera>/<one file>.txt` that is not `gt.txt` or `det.txt` (predictions only).
    cameras: where given, look only at folders of these names. Raises `InputError` where there is none, or where a
    camera's file cannot be told.
    """
    folder = Path(folder)
    flat = {path.stem: path for path in sorted(folder.glob("*.txt")) if not path.name.startswith(".")}
    if flat:
        return flat
    if is_truth:
        found = [(path.parent.parent.name, path) for path in sorted(folder.rglob("gt/gt.txt"))]
        found = found or [(path.parent.name, path) for path in sorted(folder.glob("*/gt.txt"))]
    else:
        found = [(p.parent.name, p) for p in sorted(folder.glob("*/*.txt")) if p.name not in ("gt.txt", "det.txt")]
    found = [(camera, path) for camera, path in found if not cameras or camera in cameras]
    names = [camera for camera, _ in found]
    twice = sorted({camera for camera in names if names.count(camera) > 1})
    if twice:
        raise InputError(f"{folder}: {twice[0]}", "one file for the camera", "several", "Name the file instead.")
    if not found:
        raise InputError(folder, "MOT files, one a camera (<camera>.txt)", "none")
    return dict(found)

"""A run folder as boxes with identities: `mot/<camera>.txt` for the boxes, `tracklets.csv` for whose they are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from mtmc.errors import InputError
from mtmc.results.aicity import camera_numbers
from mtmc.results.mot import find_mot_files, read_mot_files
from mtmc.results.track_boxes import TrackBoxes
from mtmc.results.tracklets_csv import TrackletsFile, read_tracklets_csv

_RUN_TABLES = ("tracklets.csv", "matches.csv", "candidates.csv", "global_tracks.csv", "run.json")


@dataclass(frozen=True, eq=False)
class RunBoxes:
    """The boxes of a run. boxes: N, their `ids` the row of the tracklet in `tracklets.table`.

    tracklets: M tracklets. camera_numbers: the number of every camera in the submission.
    """

    boxes: TrackBoxes
    tracklets: TrackletsFile
    camera_numbers: dict[str, int]

    def with_global_ids(self, global_ids: np.ndarray) -> TrackBoxes:
        """The boxes under `global_ids`, int64 (M,), one a tracklet."""
        return self.boxes.with_ids(np.asarray(global_ids)[self.boxes.ids])


def is_run(path: Path) -> bool:
    """Whether `path` is a run folder that holds boxes, or one of its tables."""
    folder = _folder_of(path)
    return (folder / "tracklets.csv").is_file() and (folder / "mot").is_dir()


def read_run(path: Path) -> RunBoxes:
    """Read a run folder (or name one of its tables). Times of the boxes are drawn through each tracklet's ends.

    Raises `InputError` for a box whose track is not in `tracklets.csv`.
    """
    folder = _folder_of(path)
    tracklets = read_tracklets_csv(folder / "tracklets.csv")
    paths = {unquote(name, errors="surrogateescape"): p for name, p in find_mot_files(folder / "mot", False).items()}
    boxes = read_mot_files(paths)
    rows = _tracklet_rows(boxes, tracklets, folder)
    times_s = _times_s(boxes.frames, rows, tracklets)
    return RunBoxes(replace(boxes, ids=rows, times_s=times_s), tracklets, _camera_numbers(folder, boxes.camera_ids))


def _folder_of(path: Path) -> Path:
    path = Path(path)
    return path.parent if path.name in _RUN_TABLES else path


def _tracklet_rows(boxes: TrackBoxes, tracklets: TrackletsFile, folder: Path) -> np.ndarray:
    """int64 (N,): the row of every box's tracklet in the table."""
    table = tracklets.table
    row_of = {table.key(row): row for row in range(len(table))}
    keys = np.stack([boxes.camera_rows, boxes.ids], axis=1)
    distinct, inverse = np.unique(keys, axis=0, return_inverse=True)
    rows = np.zeros(len(distinct), dtype=np.int64)
    for place, (camera_row, track_id) in enumerate(distinct.tolist()):
        key = (boxes.camera_ids[camera_row], track_id)
        if key not in row_of:
            raise InputError(f"{folder}: track {key[0]}/{key[1]} of mot/", "a row in tracklets.csv", "none")
        rows[place] = row_of[key]
    return rows[inverse.reshape(-1)]


def _times_s(frames: np.ndarray, rows: np.ndarray, tracklets: TrackletsFile) -> np.ndarray:
    table, facts = tracklets.table, tracklets.facts
    first, last = facts.first_frame_indices[rows] + 1, facts.last_frame_indices[rows] + 1
    share = (frames - first) / np.maximum(last - first, 1)
    times_s = table.start_s[rows] + share * (table.end_s - table.start_s)[rows]
    return np.where(facts.first_frame_indices[rows] >= 0, times_s, np.nan)


def _camera_numbers(folder: Path, camera_ids: tuple[str, ...]) -> dict[str, int]:
    """The run's own numbers where `run.json` has them (a camera that failed has no boxes, but has a number)."""
    try:
        noted = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("camera_numbers", {})
    except (OSError, ValueError, AttributeError):
        noted = {}
    if isinstance(noted, dict) and all(isinstance(noted.get(camera), int) for camera in camera_ids):
        return {camera: noted[camera] for camera in camera_ids}
    return camera_numbers(camera_ids)

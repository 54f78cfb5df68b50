"""Anybody's tracklets and features in, linked tables out: the matcher without videos, detectors or embedders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError  # of a header that NumPy mends before it reads it

import numpy as np

from mtmc.camera_rules import CameraRules
from mtmc.cameras import Camera
from mtmc.cameras_yaml import apply_rules
from mtmc.embedding import Gallery
from mtmc.errors import InputError
from mtmc.files import require_regular
from mtmc.matching.matches import Matches
from mtmc.results.aicity import camera_numbers, write_aicity
from mtmc.results.candidates_csv import write_candidates_csv
from mtmc.results.connections_csv import write_connections_csv
from mtmc.results.global_tracks_csv import write_global_tracks_csv
from mtmc.results.matches_csv import write_matches_csv
from mtmc.results.mot import write_mot_folder
from mtmc.results.read_boxes import BoxFormat, read_boxes
from mtmc.results.track_boxes import TrackBoxes
from mtmc.results.tracklets_csv import TrackletFacts, read_tracklets_csv, write_tracklets_csv
from mtmc.tracklets import TrackletTable

TABLES = ("matches.csv", "candidates.csv", "connections.csv", "tracklets.csv", "global_tracks.csv")


@dataclass(frozen=True, eq=False)
class LinkInput:
    """A gallery as somebody else made it. boxes: theirs (ids are track ids), empty without any. rules: the user's."""

    gallery: Gallery
    facts: TrackletFacts
    boxes: TrackBoxes
    rules: CameraRules


def read_input(tracklets: Path, features: Path, image_features: Path | None = None, boxes: Path | None = None,
               cameras: Path | None = None, box_format: BoxFormat = "auto", first_frame: int = 1) -> LinkInput:
    """Read and check everything. Row i of the features belongs to row i of the table file.

    Raises `InputError` or `ConfigError` that names the file, what was expected and what was found.
    """
    file = read_tracklets_csv(tracklets)
    table, m = file.table, len(file.table)
    pooled = unit_rows(load_features(features, m, (2,)), features)[file.file_rows]
    images, offsets = _images(image_features, file.facts.crops, file.file_rows, pooled)
    found = TrackBoxes.empty(table.camera_ids)
    if boxes is not None:
        found = _named(read_boxes(boxes, box_format, first_frame).boxes, table.camera_ids, boxes)
        table, found = _with_boxes(table, found, boxes)
    rules = CameraRules()
    if cameras is not None:
        told, rules = apply_rules([_camera(name) for name in table.camera_ids], cameras)
        table = _on_common_clock(table, told)
    facts = replace(file.facts, feature_rows=file.file_rows)
    return LinkInput(Gallery(table, pooled, images, offsets), facts, found, rules)


def write_links(folder: Path, given: LinkInput, matches: Matches) -> list[str]:
    """Write the tables of a run into `folder`; `cityflow.txt` and `mot/` too where there are boxes."""
    table = given.gallery.tracklets
    write_matches_csv(folder / "matches.csv", matches, table)
    write_candidates_csv(folder / "candidates.csv", matches, table)
    write_connections_csv(folder / "connections.csv", matches.camera_graph, table)
    write_tracklets_csv(folder / "tracklets.csv", table, matches.global_ids, given.facts)
    write_global_tracks_csv(folder / "global_tracks.csv", matches, table)
    if not len(given.boxes):
        return list(TABLES)
    row_of = {table.key(row): row for row in range(len(table))}
    names, ids = given.boxes.camera_ids, given.boxes.ids
    rows = [row_of[names[camera], track] for camera, track in
            zip(given.boxes.camera_rows.tolist(), ids.tolist(), strict=True)]
    vehicles = given.boxes.with_ids(matches.global_ids[rows])
    write_aicity(folder / "cityflow.txt", vehicles, camera_numbers(table.camera_ids))
    files = write_mot_folder(folder / "mot", given.boxes)
    return [*TABLES, "cityflow.txt", *(f"mot/{name}" for name in files)]


def load_features(path: Path, rows: int, axes: tuple[int, ...]) -> np.ndarray:
    """A `.npy` array of numbers with `rows` rows (any number where negative) and one of the numbers of `axes`."""
    try:
        require_regular(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise InputError(path, "a .npy file", error.strerror or str(error), "Check the path.") from error
    except (ValueError, EOFError, OverflowError, SyntaxError, TokenError, MemoryError, RecursionError) as error:
        raise InputError(path, "a .npy file of numbers", str(error), "Write it with numpy.save.") from error
    if not isinstance(array, np.ndarray):
        raise InputError(path, "a .npy file of numbers", "an archive of several (.npz)", "Write it with numpy.save.")
    if array.dtype.kind != "f":
        raise InputError(path, "floating-point numbers", str(array.dtype))
    if array.ndim not in axes or array.shape[-1] == 0:
        expected = " or ".join(map(str, axes))
        raise InputError(path, f"{expected} axes, the last one the feature", f"shape {array.shape}")
    if rows >= 0 and len(array) != rows:
        raise InputError(path, f"{rows} rows, one for each row of the tracklets", f"{len(array)}")
    return array


def unit_rows(array: np.ndarray, path: Path) -> np.ndarray:
    """float32 rows of unit length. Raises `InputError` for a row that is not finite or all zero."""
    with np.errstate(over="ignore"):  # becomes infinite, which is refused below
        values = np.asarray(array, dtype=np.float32)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise InputError(f"{path}: row {int(np.flatnonzero(~finite)[0])}", "finite numbers", "NaN or infinity",
                         "Leave this tracklet out, or embed it again.")
    lengths = np.linalg.norm(values.astype(np.float64), axis=1)
    if (lengths == 0).any():
        raise InputError(f"{path}: row {int(np.flatnonzero(lengths == 0)[0])}", "a vector with a direction", "zeros",
                         "Leave this tracklet out, or embed it again.")
    return (values / lengths[:, None]).astype(np.float32)


def _images(path: Path | None, crops: np.ndarray, file_rows: np.ndarray,
            pooled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images in the table's order and their offsets; without a file every tracklet's own vector is its only image."""
    m = len(file_rows)
    if path is None:
        return pooled, np.arange(m + 1, dtype=np.int64)
    array = load_features(path, -1, (2, 3))
    counts = np.full(m, -1)
    if array.ndim == 3:
        if len(array) != m:
            raise InputError(path, f"{m} rows, one for each row of the tracklets", f"{len(array)}")
        counts = np.full(m, array.shape[1])
        array = array.reshape(-1, array.shape[2])
    elif (crops >= 0).all() and int(crops.sum()) == len(array):
        counts[file_rows] = crops
    elif m and len(array) % m == 0:
        counts = np.full(m, len(array) // m)
    else:
        raise InputError(path, f"the same number of images for each of {m} tracklets, or a column crops that says how "
                         "many each has", f"{len(array)} rows")
    if array.shape[1] != pooled.shape[1]:
        raise InputError(path, f"{pooled.shape[1]} numbers a row, as in the features", f"{array.shape[1]}")
    starts = np.concatenate([[0], np.cumsum(counts)])
    order = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in file_rows]) if m else np.zeros(0, int)
    offsets = np.concatenate([[0], np.cumsum(counts[file_rows])]).astype(np.int64)
    return unit_rows(array[order.astype(np.int64)], path), offsets


def _named(boxes: TrackBoxes, camera_ids: Sequence[str], path: Path) -> TrackBoxes:
    """The boxes with the table's names of the cameras, which AI City files give as numbers."""
    if set(boxes.camera_ids) <= set(camera_ids):
        return boxes.over_cameras(camera_ids)
    name_of = {str(number): name for name, number in camera_numbers(camera_ids).items()}
    if set(boxes.camera_ids) <= set(name_of):
        return boxes.with_camera_names({name: name_of[name] for name in boxes.camera_ids}).over_cameras(camera_ids)
    if len(boxes.camera_ids) == 1 and len(camera_ids) == 1:
        return boxes.with_camera_names({boxes.camera_ids[0]: camera_ids[0]})
    strange = sorted(set(boxes.camera_ids) - set(camera_ids) - set(name_of))
    raise InputError(path, f"the cameras of the tracklets ({', '.join(camera_ids)})", ", ".join(strange))


def _with_boxes(table: TrackletTable, boxes: TrackBoxes, path: Path) -> tuple[TrackletTable, TrackBoxes]:
    """The table with first and last boxes, and the boxes that belong to a row of it."""
    row_of = {(int(table.camera_rows[row]), int(table.track_ids[row])): row for row in range(len(table))}
    keys = zip(boxes.camera_rows.tolist(), boxes.ids.tolist(), strict=True)
    rows = np.array([row_of.get(key, -1) for key in keys], dtype=np.int64)
    known = rows >= 0
    missing = sorted(set(range(len(table))) - set(rows[known].tolist()))
    if missing:
        camera, track = table.key(missing[0])
        raise InputError(path, "boxes of every tracklet", f"none of {camera}/{track} and {len(missing) - 1} others",
                         "The id of a box is the track_id of its tracklet.")
    kept, rows = boxes[known], rows[known]
    order = np.lexsort((kept.frames, rows))
    first = np.flatnonzero(np.diff(rows[order], prepend=-1))
    last = np.append(first[1:], len(order))[: len(first)] - 1
    corners = np.concatenate([kept.boxes_xywh[:, :2], kept.boxes_xywh[:, :2] + kept.boxes_xywh[:, 2:]], axis=1)
    starts, ends = corners[order[first]].astype(np.float32), corners[order[last]].astype(np.float32)
    return replace(table, start_boxes_xyxy=starts, end_boxes_xyxy=ends), kept


def _camera(name: str) -> Camera:
    return Camera(name, Path(name), 0.0, 1.0, np.zeros((0, 0), bool), 0.0, np.zeros((3, 3)))


def _on_common_clock(table: TrackletTable, cameras: Sequence[Camera]) -> TrackletTable:
    """The table's times, which count from each recording's first frame where `cameras.yaml` says when that was."""
    by_name = {camera.camera_id: camera for camera in cameras}
    told = [by_name[name] for name in table.camera_ids]
    start = np.array([camera.start_s for camera in told])[table.camera_rows] if len(table) else np.zeros(0)
    rate = np.array([camera.clock_rate for camera in told])[table.camera_rows] if len(table) else np.zeros(0)
    return replace(table, start_s=start + rate * table.start_s, end_s=start + rate * table.end_s)

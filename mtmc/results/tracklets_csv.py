"""`tracklets.csv`: one row a tracklet. Its first four columns are all that linking somebody's tracklets needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from detectors.detections import UNKNOWN_VEHICLE, VEHICLE_CLASSES
from mtmc.errors import InputError
from mtmc.results.csv_tables import (
    COUNT,
    INTEGER,
    PIXELS,
    SECONDS,
    SHARE,
    TEXT,
    Column,
    Kind,
    names_of,
    read_table,
    write_table,
)
from mtmc.tracklets import Tracklet, TrackletTable

_METRES = Kind(2)
_FIRST_BOX = ("first_left_px", "first_top_px", "first_right_px", "first_bottom_px")
_LAST_BOX = ("last_left_px", "last_top_px", "last_right_px", "last_bottom_px")
_IMAGE = ("image_width_px", "image_height_px")
_GROUND_START = ("start_ground_x_m", "start_ground_y_m")
_GROUND_END = ("end_ground_x_m", "end_ground_y_m")
_COLUMNS = (
    Column("camera_id", TEXT),
    Column("track_id", INTEGER),
    Column("start_s", SECONDS),
    Column("end_s", SECONDS),
    Column("global_id", COUNT),
    Column("first_frame_index", COUNT),
    Column("last_frame_index", COUNT),
    Column("frames", COUNT),
    Column("detected_frames", COUNT),
    Column("interpolated_frames", COUNT),
    Column("class", TEXT),
    Column("class_share", SHARE),
    Column("mean_score", SHARE),
    *(Column(name, PIXELS) for name in _FIRST_BOX + _LAST_BOX),
    *(Column(name, COUNT) for name in _IMAGE),
    Column("crops", COUNT),
    Column("feature_row", COUNT),
    *(Column(name, _METRES) for name in _GROUND_START + _GROUND_END),
)
TRACKLET_COLUMNS = names_of(_COLUMNS)
REQUIRED_TRACKLET_COLUMNS = TRACKLET_COLUMNS[:4]


@dataclass(frozen=True, eq=False)
class TrackletFacts:
    """What the table says of M tracklets beyond `TrackletTable`; -1 or NaN where not known.

    first_frame_indices, last_frame_indices: int64 (M,), 0-based. frames, interpolated_frames, crops: int64 (M,).
    class_shares, mean_scores: float64 (M,), 0 to 1. feature_rows: int64 (M,), the row of the tracklet's vector in
    the feature file that lies beside the table.
    """

    first_frame_indices: np.ndarray
    last_frame_indices: np.ndarray
    frames: np.ndarray
    interpolated_frames: np.ndarray
    class_shares: np.ndarray
    mean_scores: np.ndarray
    crops: np.ndarray
    feature_rows: np.ndarray

    @classmethod
    def unknown(cls, m: int) -> TrackletFacts:
        """Nothing known of `m` tracklets but that their features stand in the table's order."""
        none, nan = np.full(m, -1), np.full(m, np.nan)
        return cls(none, none, none, none, nan, nan, none, np.arange(m))

    @classmethod
    def of(
        cls, tracklets: Sequence[Tracklet], crops: Sequence[int], feature_rows: Sequence[int] | None = None
    ) -> TrackletFacts:
        """The facts of `tracklets` (in the table's order), `crops[i]` pictures chosen of each.

        feature_rows: by default each tracklet's place.
        """
        rows = range(len(tracklets)) if feature_rows is None else feature_rows
        return cls(
            first_frame_indices=np.array([t.frame_indices[0] for t in tracklets], dtype=np.int64),
            last_frame_indices=np.array([t.frame_indices[-1] for t in tracklets], dtype=np.int64),
            frames=np.array([len(t) for t in tracklets], dtype=np.int64),
            interpolated_frames=np.array([t.interpolated.sum() for t in tracklets], dtype=np.int64),
            class_shares=np.array([t.class_share for t in tracklets], dtype=np.float64),
            mean_scores=np.array([t.scores.mean(dtype=np.float64) for t in tracklets], dtype=np.float64),
            crops=np.array(crops, dtype=np.int64),
            feature_rows=np.array(rows, dtype=np.int64),
        )

    def __getitem__(self, rows: np.ndarray) -> TrackletFacts:
        return TrackletFacts(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, eq=False)
class TrackletsFile:
    """What `tracklets.csv` holds. table: M tracklets, sorted. global_ids: int64 (M,), -1 where the file has
    none. facts: the rest. file_rows: int64 (M,), the row of each in the file, counted from 0."""

    table: TrackletTable
    global_ids: np.ndarray
    facts: TrackletFacts
    file_rows: np.ndarray


def write_tracklets_csv(path: Path, table: TrackletTable, global_ids: np.ndarray, facts: TrackletFacts,
                        attributes: Mapping[str, tuple[Sequence[str], np.ndarray]] | None = None) -> None:
    """Write one row a tracklet, in the table's order, atomically.

    attributes: name → (M words, M confidences 0 to 1), which add the columns NAME and NAME_confidence at the end.
    """
    values: dict[str, Any] = {
        "camera_id": [table.camera_id(row) for row in range(len(table))],
        "track_id": table.track_ids,
        "start_s": table.start_s,
        "end_s": table.end_s,
        "global_id": global_ids,
        "first_frame_index": facts.first_frame_indices,
        "last_frame_index": facts.last_frame_indices,
        "frames": facts.frames,
        "detected_frames": np.where(facts.frames < 0, -1, facts.frames - facts.interpolated_frames),
        "interpolated_frames": facts.interpolated_frames,
        "class": [class_name(int(class_id)) for class_id in table.class_ids],
        "class_share": facts.class_shares,
        "mean_score": facts.mean_scores,
        "crops": facts.crops,
        "feature_row": facts.feature_rows,
    }
    for names, block in _blocks_of(table):
        values.update({name: block[:, place] for place, name in enumerate(names)})
    extra: list[Column] = []
    for name, (words, confidences) in (attributes or {}).items():
        extra += [Column(name, TEXT), Column(f"{name}_confidence", SHARE)]
        values |= {name: words, f"{name}_confidence": confidences}
    write_table(path, (*_COLUMNS, *extra), values)


def read_tracklets_csv(path: Path) -> TrackletsFile:
    """Our own table or anybody's: `camera_id, track_id, start_s, end_s` are required, the rest is optional.

    Raises `InputError` for a tracklet that stands twice, ends before it starts, or has no time.
    """
    found = read_table(path, _COLUMNS, REQUIRED_TRACKLET_COLUMNS)
    cameras = sorted(set(found["camera_id"]))
    row_of = {camera: row for row, camera in enumerate(cameras)}
    camera_rows = np.array([row_of[camera] for camera in found["camera_id"]], dtype=np.int64)
    order = np.lexsort((found["track_id"], found["start_s"], camera_rows))
    _check(found, camera_rows, path)
    get = _Getter(found, order)
    table = TrackletTable(
        camera_ids=tuple(cameras),
        camera_rows=camera_rows[order],
        track_ids=found["track_id"][order],
        start_s=found["start_s"][order],
        end_s=found["end_s"][order],
        class_ids=np.array([class_id_of(name) for name in get.texts("class")], dtype=np.int64),
        start_boxes_xyxy=get.block(_FIRST_BOX, 0).astype(np.float32),
        end_boxes_xyxy=get.block(_LAST_BOX, 0).astype(np.float32),
        image_sizes_wh=np.maximum(get.block(_IMAGE, 0), 0).astype(np.int64),
        start_ground_m=get.block(_GROUND_START, np.nan),
        end_ground_m=get.block(_GROUND_END, np.nan),
    )
    return TrackletsFile(table, get.whole("global_id"), _facts_from(get), order)


def class_name(class_id: int) -> str:
    """The name of a vehicle class; "vehicle" where the kind is unknown."""
    return VEHICLE_CLASSES.get(class_id, VEHICLE_CLASSES[UNKNOWN_VEHICLE])


def class_id_of(name: str) -> int:
    """The class of a name, however it is spelt; the unknown kind for names that are none of ours."""
    by_name = {known: class_id for class_id, known in VEHICLE_CLASSES.items()}
    return by_name.get(name.strip().lower(), UNKNOWN_VEHICLE)


def _blocks_of(table: TrackletTable) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Columns that belong together, cells that are not known emptied."""
    sizes = np.where(table.image_sizes_wh > 0, table.image_sizes_wh, -1)
    return [
        (_FIRST_BOX, _zeros_emptied(table.start_boxes_xyxy)),
        (_LAST_BOX, _zeros_emptied(table.end_boxes_xyxy)),
        (_IMAGE, sizes),
        (_GROUND_START, table.start_ground_m),
        (_GROUND_END, table.end_ground_m),
    ]


def _zeros_emptied(boxes_xyxy: np.ndarray) -> np.ndarray:
    known = (boxes_xyxy != 0).any(axis=1, keepdims=True)
    return np.where(known, boxes_xyxy.astype(np.float64), np.nan)


class _Getter:
    """Cells of optional columns in a given row order, with the value for "not known" where a column is missing."""

    def __init__(self, found: dict[str, Any], order: np.ndarray) -> None:
        self.found, self.order = found, order

    def texts(self, name: str) -> np.ndarray:
        return self.found[name][self.order] if name in self.found else np.full(len(self.order), "", dtype=object)

    def whole(self, name: str) -> np.ndarray:
        return self.found[name][self.order] if name in self.found else np.full(len(self.order), -1)

    def numbers(self, name: str, unknown: float = np.nan) -> np.ndarray:
        values = self.found[name][self.order] if name in self.found else np.full(len(self.order), np.nan)
        return np.where(np.isnan(values), unknown, values)

    def block(self, names: tuple[str, ...], unknown: float) -> np.ndarray:
        return np.stack([self.numbers(name, unknown) for name in names], axis=1)


def _facts_from(get: _Getter) -> TrackletFacts:
    has_rows = "feature_row" in get.found
    return TrackletFacts(
        first_frame_indices=get.whole("first_frame_index"),
        last_frame_indices=get.whole("last_frame_index"),
        frames=get.whole("frames"),
        interpolated_frames=get.whole("interpolated_frames"),
        class_shares=get.numbers("class_share"),
        mean_scores=get.numbers("mean_score"),
        crops=get.whole("crops"),
        feature_rows=get.whole("feature_row") if has_rows else get.order.copy(),
    )


def _check(found: dict[str, Any], camera_rows: np.ndarray, path: Path) -> None:
    keys = np.stack([camera_rows, found["track_id"]], axis=1)
    _, first, counts = np.unique(keys, axis=0, return_index=True, return_counts=True)
    if (counts > 1).any():
        row = int(first[counts > 1].min())
        found_key = f"{found['camera_id'][row]}/{found['track_id'][row]} more than once"
        raise InputError(path, "every camera_id and track_id pair once", found_key)
    wrong = ~(found["end_s"] >= found["start_s"])  # True for NaN too
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        found_times = f"{found['start_s'][row]} to {found['end_s'][row]}"
        raise InputError(f"{path}: row {row + 1}", "start_s not after end_s", found_times)

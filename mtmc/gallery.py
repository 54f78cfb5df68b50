"""All cameras' finished tracklets, read back from their folders as one `Gallery`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtmc import camera_store
from mtmc.cameras import Camera
from mtmc.embedding import Gallery
from mtmc.errors import IntegrityError
from mtmc.ground import ground_points_m
from mtmc.privacy.vault import PLAIN, Vault
from mtmc.tracklets import Tracklet, TrackletTable


@dataclass(frozen=True, eq=False)
class RunTracklets:
    """The M tracklets of a run with their boxes, row by row as in `gallery`.

    tracklets: M. crop_counts: int64 (M,), pictures kept of each.
    """

    gallery: Gallery
    tracklets: tuple[Tracklet, ...]
    crop_counts: np.ndarray


def load_run_tracklets(
    cameras: Sequence[Camera], folders: Mapping[str, Path], image_sizes_wh: Mapping[str, tuple[int, int]],
    vault: Vault = PLAIN,
) -> RunTracklets:
    """Read every camera's folder. Rows are sorted by camera name, then start, then track id.

    Raises `IntegrityError` where a folder's tables and features do not have the same rows.
    """
    cameras = sorted(cameras, key=lambda camera: camera.camera_id)
    tracklets: list[Tracklet] = []
    camera_rows, sizes, counts = [], [], []
    for row, camera in enumerate(cameras):
        own, crop_counts = camera_store.read_tracklets(camera.camera_id, folders[camera.camera_id])
        tracklets += own
        camera_rows += [row] * len(own)
        sizes += [image_sizes_wh[camera.camera_id]] * len(own)
        counts.append(crop_counts)
    places = [folders[camera.camera_id] for camera in cameras]
    crop_counts = np.concatenate(counts) if counts else np.zeros(0, np.int64)
    gallery = Gallery(
        _table(cameras, tracklets, np.array(camera_rows, np.int64), np.array(sizes, np.int64).reshape(-1, 2)),
        _stacked(places, "features.npy", [len(c) for c in counts], vault),
        _stacked(places, "image_features.npy", [int(c.sum()) for c in counts], vault),
        np.concatenate([[0], np.cumsum(crop_counts)]).astype(np.int64),
    )
    return RunTracklets(gallery, tuple(tracklets), crop_counts)


def _stacked(folders: Sequence[Path], name: str, counts: Sequence[int], vault: Vault) -> np.ndarray:
    """float32 (sum of counts, D): the cameras' arrays one after the other, filled in one by one, so that memory holds
    all of them once and not twice."""
    stacked = np.zeros((0, 1), np.float32)  # a camera without vehicles has no dimension either
    filled = 0
    for folder, count in zip(folders, counts, strict=True):
        rows = vault.load_array(folder / name)
        if count and not filled:
            stacked = np.empty((sum(counts), rows.shape[1]), np.float32)
        if len(rows) != count or (count and rows.shape[1] != stacked.shape[1]):
            raise IntegrityError(folder / name, f"{count} rows of {stacked.shape[1]}", f"{rows.shape}",
                                 "Delete the camera's folder and run again.")  # fmt: skip
        if count:
            stacked[filled : filled + count] = rows
            filled += count
    return stacked


def _table(
    cameras: Sequence[Camera], tracklets: Sequence[Tracklet], camera_rows: np.ndarray, sizes_wh: np.ndarray
) -> TrackletTable:
    first = np.array([t.boxes_xyxy[0] for t in tracklets], np.float32).reshape(-1, 4)
    last = np.array([t.boxes_xyxy[-1] for t in tracklets], np.float32).reshape(-1, 4)
    # One call for both ends, so that they share an origin.
    ground = ground_points_m(cameras, np.tile(camera_rows, 2), np.concatenate([first, last]))
    return TrackletTable(
        camera_ids=tuple(camera.camera_id for camera in cameras),
        camera_rows=camera_rows,
        track_ids=np.array([t.track_id for t in tracklets], np.int64),
        start_s=np.array([t.start_s for t in tracklets], np.float64),
        end_s=np.array([t.end_s for t in tracklets], np.float64),
        class_ids=np.array([t.class_id for t in tracklets], np.int64),
        start_boxes_xyxy=first,
        end_boxes_xyxy=last,
        image_sizes_wh=sizes_wh,
        start_ground_m=ground[: len(tracklets)],
        end_ground_m=ground[len(tracklets) :],
    )

"""What an attacker would like to read from a run's features, known from its other files: the truth of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtmc.camera_store import read_tracklets
from mtmc.errors import InputError, IntegrityError
from mtmc.privacy.colour_rule import colour_of
from mtmc.privacy.vault import Vault
from mtmc.results.tracklets_csv import class_name, read_tracklets_csv
from mtmc.run_store import RunStore
from mtmc.tracklets import Tracklet

PICTURE_PX = 16  # side of the pictures that reconstruction is tried on


@dataclass(frozen=True, eq=False)
class StoredTracklets:
    """M tracklets of a run as an attacker finds them. features: float32 (M, D). vehicles: int64 (M,), global ids.

    attributes: name → M strings, "" where unknown. pictures: float64 (P, PICTURE_PX² · 3), 0 to 1, of the tracklets
    picture_rows, int64 (P,), for which one is kept; crops: the same as they are kept, uint8 (h, w, 3) RGB each.
    """

    features: np.ndarray
    vehicles: np.ndarray
    attributes: dict[str, np.ndarray]
    pictures: np.ndarray
    picture_rows: np.ndarray
    crops: tuple[np.ndarray, ...]


def read_stored(folder: Path, vault: Vault) -> StoredTracklets:
    """Features and attributes of a finished run.

    Raises `InputError` where there is no run, `IntegrityError` where its files do not belong together, and what
    `vault` raises without the key.
    """
    store = RunStore(folder)
    cameras = sorted(store.read_run_json().get("cameras") or {})
    if not cameras:
        raise InputError(folder, "the folder of a finished run", "no cameras in its run.json")
    table = read_tracklets_csv(store.path("tracklets.csv"))
    vehicle_of = {table.table.key(row): int(vehicle) for row, vehicle in enumerate(table.global_ids)}
    tracklets: list[Tracklet] = []
    features, looks = [], []
    for camera in cameras:
        own = store.camera_folder(camera)
        found, _ = read_tracklets(camera, own)
        stored = vault.load_array(own / "features.npy")
        if len(stored) != len(found):
            raise IntegrityError(own / "features.npy", f"{len(found)} rows", f"{len(stored)}")
        tracklets += found
        if len(found):  # a camera without vehicles has no dimension either
            features.append(stored)
        looks += [_picture(own / "crops" / f"{t.track_id:06d}_0.jpg", vault) for t in found]
    missing = [t for t in tracklets if (t.camera_id, t.track_id) not in vehicle_of]
    if missing:
        raise IntegrityError(store.path("tracklets.csv"), f"{missing[0].camera_id} track {missing[0].track_id}", "none")
    pictured = [row for row, picture in enumerate(looks) if picture is not None]
    crops = tuple(picture for picture in looks if picture is not None)
    return StoredTracklets(
        np.concatenate(features) if features else np.zeros((0, 1), np.float32),
        np.array([vehicle_of[t.camera_id, t.track_id] for t in tracklets], np.int64),
        attributes_of(tracklets, looks),
        np.stack([_small(crop) for crop in crops]) if crops else np.zeros((0, PICTURE_PX**2 * 3)),
        np.array(pictured, np.int64),
        crops,
    )


def attributes_of(tracklets: Sequence[Tracklet], pictures: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
    """camera, class, colour (of the best crop), size (thirds of the run's boxes) and direction in the picture."""
    heights = np.array([float(np.median(t.boxes_xyxy[:, 3] - t.boxes_xyxy[:, 1])) for t in tracklets])
    thirds = np.digitize(heights, np.quantile(heights, [1 / 3, 2 / 3])) if len(heights) else np.zeros(0, np.int64)
    columns = {
        "camera": [t.camera_id for t in tracklets],
        "class": [class_name(t.class_id) for t in tracklets],
        "colour": ["" if picture is None else colour_of(picture) for picture in pictures],
        "size": [("small", "medium", "large")[third] for third in thirds.tolist()],
        "direction": [direction_of(t) for t in tracklets],
    }
    return {name: np.array(values, dtype=np.str_) for name, values in columns.items()}


def direction_of(tracklet: Tracklet) -> str:
    """left, right, up or down, from the first box to the last; "" where it moved by less than half its height."""
    first, last = tracklet.boxes_xyxy[0].astype(np.float64), tracklet.boxes_xyxy[-1].astype(np.float64)
    move = (last[:2] + last[2:] - first[:2] - first[2:]) / 2
    if np.linalg.norm(move) < (first[3] - first[1] + last[3] - last[1]) / 4:
        return ""
    if abs(move[0]) >= abs(move[1]):
        return "right" if move[0] > 0 else "left"
    return "down" if move[1] > 0 else "up"


def _picture(path: Path, vault: Vault) -> np.ndarray | None:
    """uint8 (H, W, 3) RGB; None where no picture is kept."""
    import cv2

    if not path.exists():
        return None
    image = cv2.imdecode(np.frombuffer(vault.read(path), np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _small(image_rgb: np.ndarray) -> np.ndarray:
    import cv2

    small = cv2.resize(image_rgb, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64).ravel() / 255

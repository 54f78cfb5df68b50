"""What one camera's folder holds, as tables: detections and pieces while work goes on, tracklets at the end.

`detections-*.parquet`  one row a detection; a frame without any has one row of class -1
`pieces-*.parquet`      one row a piece of a tracklet that closed, with its boxes, crops (JPEG) and image embeddings
`boxes.parquet`         one row a box of a final tracklet        `tracklets.parquet`  one row a final tracklet
`features.npy`          float32 (M, D)                           `image_features.npy` float32 (sum of K, D)
`crops/`                `<track_id>_<k>.jpg`, best first

Polars writes Parquet without pyarrow and is only imported when a table is touched.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.detections import Detections
from mtmc import files
from mtmc.errors import InputError
from mtmc.privacy.vault import PLAIN, Vault
from mtmc.tracklets import Tracklet

EMPTY_FRAME_CLASS = -1


@dataclass(frozen=True, eq=False)
class EmbeddedPiece:
    """A piece of a tracklet after embedding: its pixels are gone, but for K small JPEG files, best first.

    image_embeddings: float32 (K, D), unit rows. crop_frame_indices: int64 (K,). crop_qualities: float32 (K,), 0 to 1.
    crops_jpeg: K encoded pictures, or none at all where crops are not kept. image_size_wh: of the camera's picture.
    """

    tracklet: Tracklet
    crop_frame_indices: np.ndarray
    crop_qualities: np.ndarray
    image_embeddings: np.ndarray
    crops_jpeg: tuple[bytes, ...]
    image_size_wh: tuple[int, int]


class DetectionRows:
    """What was found in consecutive frames, until it is written: one flat buffer of 56 bytes a row. Thousands of small
    arrays that live for some seconds leave the heap in pieces, of which more is taken by the hour."""

    _WIDTH = 7  # frame index, box, score, class: what they hold of int64 and float32 is exact in float64

    def __init__(self) -> None:
        self._flat = array("d")

    def __len__(self) -> int:
        return len(self._flat) // self._WIDTH

    def add(self, frame_index: int, detections: Detections) -> None:
        """Note a frame (0-based index); one without detections has a row too."""
        rows = np.zeros((max(len(detections), 1), self._WIDTH))
        rows[:, 0], rows[:, 6] = frame_index, EMPTY_FRAME_CLASS
        if len(detections):
            rows[:, 1:5], rows[:, 5], rows[:, 6] = detections.boxes_xyxy, detections.scores, detections.class_ids
        self._flat.frombytes(rows.tobytes())

    def clear(self) -> None:
        """Forget all rows."""
        del self._flat[:]

    def rows(self) -> np.ndarray:
        """float64 (R, 7), a copy."""
        return np.array(self._flat, np.float64).reshape(-1, self._WIDTH)


def write_detections(path: Path, detections: DetectionRows) -> None:
    """One chunk of consecutive frames with what was found in each; a manifest is to name it."""
    import polars as pl

    rows = detections.rows()
    table = pl.DataFrame({
        "frame_index": rows[:, 0].astype(np.int64),
        **{name: rows[:, 1 + i].astype(np.float32) for i, name in enumerate(("x1", "y1", "x2", "y2"))},
        "score": rows[:, 5].astype(np.float32),
        "class_id": rows[:, 6].astype(np.int64),
    })  # fmt: skip
    with files.atomic_path(path, sync_folder=False) as temporary:
        table.write_parquet(temporary)


class StoredDetections:
    """A chunk of detections, read back; rows stay arrays until their frame is asked for: a chunk may hold hours."""

    def __init__(self, path: Path) -> None:
        import polars as pl

        table = pl.read_parquet(path)
        self._indices, self._classes = table["frame_index"].to_numpy(), table["class_id"].to_numpy()
        self._boxes, self._scores = table.select("x1", "y1", "x2", "y2").to_numpy(), table["score"].to_numpy()

    @property
    def last_index(self) -> int:
        """Of its last frame; -1 where it has none."""
        return int(self._indices[-1]) if len(self._indices) else -1

    def of_frame(self, index: int) -> Detections | None:
        """What was found in a frame; None where the chunk does not hold it."""
        start, stop = np.searchsorted(self._indices, [index, index + 1])
        if start == stop:
            return None
        rows = slice(start, stop) if self._classes[start] != EMPTY_FRAME_CLASS else slice(0, 0)
        return Detections(self._boxes[rows], self._scores[rows], self._classes[rows])


def write_pieces(path: Path, pieces: Sequence[EmbeddedPiece], vault: Vault = PLAIN) -> None:
    """One chunk of pieces, whole (lists in cells)."""
    import polars as pl

    columns = _piece_columns(pieces)
    # Arrays of one length become a column of that width, whatever is asked for: hence the cast.
    vault.write_table(path, pl.DataFrame([
        pl.Series(name, columns[name], kind).cast(kind) for name, kind in _piece_schema().items()]))  # fmt: skip


def read_piece_ids(path: Path, vault: Vault = PLAIN) -> list[int]:
    """The track ids in a table of pieces."""
    import polars as pl

    return pl.read_parquet(vault.table_source(path), columns=["track_id"])["track_id"].to_list()


def read_pieces(camera_id: str, path: Path, vault: Vault = PLAIN) -> list[EmbeddedPiece]:
    """The pieces of a table, bit for bit as they were written, but without their pictures."""
    import polars as pl

    names = [name for name in _piece_schema() if name != "crops_jpeg"]
    rows = pl.read_parquet(vault.table_source(path), columns=names).iter_rows(named=True, buffer_size=8)
    return [_piece_from_row(camera_id, {**row, "crops_jpeg": []}) for row in rows]


def read_crops(path: Path, vault: Vault = PLAIN) -> Iterator[tuple[int, list[bytes]]]:
    """(track id, JPEG files) of every piece of a table, a few hundred pieces in memory at a time."""
    import polars as pl

    source = vault.table_source(path)
    for part in pl.read_parquet(source, columns=["track_id", "crops_jpeg"], low_memory=True).iter_slices(256):
        yield from part.iter_rows()


def write_boxes(path: Path, tracklets: Sequence[Tracklet]) -> None:
    """`boxes.parquet`: one row a box, sorted by frame, then track."""
    import polars as pl

    def column(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([np.asarray(getattr(t, name)) for t in tracklets]) if tracklets else np.zeros(0, dtype)

    boxes = column("boxes_xyxy", np.float32).reshape(-1, 4)
    table = pl.DataFrame({
        "track_id": np.repeat([t.track_id for t in tracklets], [len(t) for t in tracklets]).astype(np.int64),
        "frame_index": column("frame_indices", np.int64),
        "time_s": column("times_s", np.float64),
        **{name: boxes[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))},
        "score": column("scores", np.float32),
        "interpolated": column("interpolated", np.bool_),
    }).sort("frame_index", "track_id")  # fmt: skip
    with files.atomic_path(path) as temporary:
        table.write_parquet(temporary)


def write_tracklets(path: Path, tracklets: Sequence[Tracklet], crop_counts: Sequence[int]) -> None:
    """`tracklets.parquet`: one row a tracklet, in the row order of `features.npy`."""
    import polars as pl

    table = pl.DataFrame({
        "track_id": np.array([t.track_id for t in tracklets], np.int64),
        "class_id": np.array([t.class_id for t in tracklets], np.int64),
        "class_share": np.array([t.class_share for t in tracklets], np.float64),
        "crops": np.array(crop_counts, np.int64),
    })  # fmt: skip
    with files.atomic_path(path) as temporary:
        table.write_parquet(temporary)


def read_tracklets(camera_id: str, folder: Path) -> tuple[list[Tracklet], np.ndarray]:
    """The final tracklets of a camera's folder in row order, and the number of crops of each, int64 (M,)."""
    import polars as pl

    table = pl.read_parquet(folder / "tracklets.parquet")
    boxes = pl.read_parquet(folder / "boxes.parquet").sort("track_id", "frame_index")
    ids = boxes["track_id"].to_numpy()
    columns = {name: boxes[name].to_numpy() for name in ("time_s", "frame_index", "score", "interpolated")}
    corners = boxes.select("x1", "y1", "x2", "y2").to_numpy()
    tracklets = []
    for row in table.iter_rows(named=True, buffer_size=8):
        part = slice(*np.searchsorted(ids, [row["track_id"], row["track_id"] + 1]))
        if part.start == part.stop:
            raise InputError(folder / "boxes.parquet", f"boxes of track {row['track_id']}", "none")
        tracklets.append(Tracklet(
            camera_id, row["track_id"], columns["time_s"][part], columns["frame_index"][part], corners[part],
            columns["score"][part], columns["interpolated"][part], row["class_id"], row["class_share"],
        ))  # fmt: skip
    return tracklets, table["crops"].to_numpy()


def _piece_schema() -> dict[str, Any]:
    import polars as pl

    floats, longs = pl.List(pl.Float32), pl.List(pl.Int64)
    return {
        "track_id": pl.Int64, "class_id": pl.Int64, "class_share": pl.Float64, "times_s": pl.List(pl.Float64),
        "frame_indices": longs, "boxes_xyxy": floats, "scores": floats, "interpolated": pl.List(pl.Boolean),
        "crop_frame_indices": longs, "crop_qualities": floats, "image_embeddings": floats,
        "crops_jpeg": pl.List(pl.Binary), "image_size_wh": longs,
    }  # fmt: skip


def _piece_columns(pieces: Sequence[EmbeddedPiece]) -> dict[str, list[Any]]:
    """Arrays stay arrays: as Python's numbers the embeddings of a commit would be a million objects."""
    tracklets = [piece.tracklet for piece in pieces]
    return {
        **{name: [getattr(t, name) for t in tracklets] for name in (
            "track_id", "class_id", "class_share", "times_s", "frame_indices", "scores", "interpolated")},
        "boxes_xyxy": [t.boxes_xyxy.ravel() for t in tracklets],
        "crop_frame_indices": [piece.crop_frame_indices for piece in pieces],
        "crop_qualities": [piece.crop_qualities for piece in pieces],
        "image_embeddings": [piece.image_embeddings.ravel() for piece in pieces],
        "crops_jpeg": [list(piece.crops_jpeg) for piece in pieces],
        "image_size_wh": [list(piece.image_size_wh) for piece in pieces],
    }  # fmt: skip


def _piece_from_row(camera_id: str, row: dict[str, Any]) -> EmbeddedPiece:
    tracklet = Tracklet(
        camera_id, row["track_id"], np.array(row["times_s"], np.float64), np.array(row["frame_indices"], np.int64),
        np.array(row["boxes_xyxy"], np.float32).reshape(-1, 4), np.array(row["scores"], np.float32),
        np.array(row["interpolated"], np.bool_), row["class_id"], row["class_share"],
    )  # fmt: skip
    crops = len(row["crop_frame_indices"])
    embeddings = np.array(row["image_embeddings"], np.float32)
    return EmbeddedPiece(
        tracklet, np.array(row["crop_frame_indices"], np.int64), np.array(row["crop_qualities"], np.float32),
        embeddings.reshape(crops, -1) if crops else np.zeros((0, 0), np.float32), tuple(row["crops_jpeg"]),
        (row["image_size_wh"][0], row["image_size_wh"][1]),
    )  # fmt: skip

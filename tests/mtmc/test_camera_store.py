"""Chunks of detections: what is written is what is read, for every frame of the chunk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detectors.detections import Detections
from mtmc.camera_store import (
    DetectionRows,
    EmbeddedPiece,
    StoredDetections,
    _piece_schema,
    read_crops,
    read_pieces,
    write_detections,
    write_pieces,
)
from mtmc.tracklets import Tracklet


def some(rng: np.random.Generator, count: int) -> Detections:
    return Detections(rng.random((count, 4)) * 100, rng.random(count), rng.integers(0, 4, count))


# A chunk without a frame is what is left to write when the last commit came just before the last frame.
@pytest.mark.parametrize("counts", [[], [0], [1], [0, 0], [3, 0, 2], [0, 1, 0], list(range(20))])
def test_round_trip(tmp_path: Path, counts: list[int]) -> None:
    rng = np.random.default_rng(len(counts))
    frames = {7 + 2 * i: some(rng, count) for i, count in enumerate(counts)}
    rows = DetectionRows()
    for index, found in frames.items():
        rows.add(index, found)
    assert len(rows) == sum(max(count, 1) for count in counts)
    write_detections(tmp_path / "chunk.parquet", rows)
    rows.clear()
    assert len(rows) == 0
    stored = StoredDetections(tmp_path / "chunk.parquet")
    assert stored.last_index == max(frames, default=-1)
    assert [index for index in range(100) if stored.of_frame(index) is not None] == list(frames)
    for index, wanted in frames.items():
        found = stored.of_frame(index)
        assert found is not None
        np.testing.assert_array_equal(found.boxes_xyxy, wanted.boxes_xyxy)
        np.testing.assert_array_equal(found.scores, wanted.scores)
        np.testing.assert_array_equal(found.class_ids, wanted.class_ids)


@pytest.mark.parametrize("crops", [[], [0], [2], [3, 3], [0, 1, 8], [2, 2, 2]])
def test_pieces_come_back_bit_for_bit_and_tables_have_one_schema(tmp_path: Path, crops: list[int]) -> None:
    """Also where all arrays of a chunk happen to be of one length: chunks are joined later."""
    rng = np.random.default_rng(len(crops))
    pieces = []
    for track_id, count in enumerate(crops):
        frames = np.arange(2 if crops[0] == count else 5)
        tracklet = Tracklet("c", track_id, frames / 10, frames, rng.random((len(frames), 4), np.float32) * 50,
                            rng.random(len(frames), np.float32), rng.random(len(frames)) < 0.5, 2, 0.75)
        pieces.append(EmbeddedPiece(
            tracklet, frames[:1].repeat(count), rng.random(count, np.float32), rng.random((count, 6), np.float32),
            tuple(rng.bytes(5) for _ in range(count)), (640, 360)))  # fmt: skip
    write_pieces(tmp_path / "pieces.parquet", pieces)
    assert pl.read_parquet(tmp_path / "pieces.parquet").schema == pl.Schema(_piece_schema())
    back = read_pieces("c", tmp_path / "pieces.parquet")
    assert len(back) == len(pieces)
    for found, piece in zip(back, pieces, strict=True):
        for name in ("times_s", "frame_indices", "boxes_xyxy", "scores", "interpolated"):
            np.testing.assert_array_equal(getattr(found.tracklet, name), getattr(piece.tracklet, name))
        np.testing.assert_array_equal(found.image_embeddings.ravel(), piece.image_embeddings.ravel())
        np.testing.assert_array_equal(found.crop_qualities, piece.crop_qualities)
        assert (found.tracklet.track_id, found.image_size_wh) == (piece.tracklet.track_id, (640, 360))
    pictures = [picture for _, some in read_crops(tmp_path / "pieces.parquet") for picture in some]
    assert pictures == [picture for piece in pieces for picture in piece.crops_jpeg]

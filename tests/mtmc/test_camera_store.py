"""Chunks of detections: what is written is what is read, for every frame of the chunk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.detections import Detections
from mtmc.camera_store import DetectionRows, StoredDetections, write_detections


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

"""Detections that are committed while work goes on: nothing waits in memory, and who starts again knows what counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detectors.detections import Detections
from mtmc.commit_logs import DetectionLog
from mtmc.manifest import Manifest

STAGES = ("detections", "pieces", "tracklets")


def box(left: int) -> Detections:
    return Detections(np.array([[left, 0, left + 9, 9]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))


def opened(folder: Path, stateful: bool) -> DetectionLog:
    manifest = Manifest.load(folder, STAGES)
    manifest.begin("detections", "key")
    return DetectionLog(manifest, stateful)


@pytest.mark.parametrize("stateful", [False, True])
def test_every_commit_leaves_a_chunk_and_an_earlier_run_counts_where_it_can(tmp_path: Path, stateful: bool) -> None:
    log = opened(tmp_path, stateful)
    for index in range(3):
        log.add(index, box(index))
        log.commit()
    assert len(list(tmp_path.glob("detections-*.parquet"))) == 3
    again = opened(tmp_path, stateful)  # the process was killed
    known = [again.known(index) for index in range(3)]
    if stateful:  # its memory went with the process: every frame is looked at anew
        assert known == [None] * 3
        assert list(tmp_path.glob("*.parquet")) == []
        for index in range(3):
            again.add(index, box(index))
    else:
        assert [found.boxes_xyxy[0, 0] for found in known if found] == [0, 1, 2]
    again.close({})
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["detections.parquet"]
    assert pl.read_parquet(tmp_path / "detections.parquet")["frame_index"].to_list() == [0, 1, 2]

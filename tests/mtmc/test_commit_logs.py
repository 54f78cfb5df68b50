"""Detections that are committed while work goes on: nothing waits in memory, and who starts again knows what counts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detectors.detections import Detections
from mtmc import commit_logs
from mtmc.commit_logs import DetectionLog
from mtmc.manifest import Manifest

STAGES = ("detections", "pieces", "tracklets")


def box(left: int) -> Detections:
    return Detections(np.array([[left, 0, left + 9, 9]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))


def opened(folder: Path, stateful: bool) -> DetectionLog:
    manifest = Manifest.load(folder, STAGES)
    manifest.begin("detections", "key")
    return DetectionLog(manifest, stateful)


def commit(log: DetectionLog) -> None:
    log.write_waiting()
    log._manifest.save()


@pytest.mark.parametrize("stateful", [False, True])
def test_every_commit_leaves_a_chunk_and_an_earlier_run_counts_where_it_can(tmp_path: Path, stateful: bool) -> None:
    log = opened(tmp_path, stateful)
    for index in range(3):
        log.add(index, box(index))
        commit(log)
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


@pytest.mark.parametrize("killed_at", [1, 3, 4, 5, 16, 63, 64, 90])
def test_neither_manifest_nor_folder_grow_with_the_number_of_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Four chunks become one here, so that few commits climb several levels."""
    monkeypatch.setattr(commit_logs, "CHUNKS_TO_ONE", 4)
    log, most, longest = opened(tmp_path, stateful=False), 0, 0
    for index in range(killed_at):
        log.add(index, box(index))
        commit(log)
        most = max(most, len(list(tmp_path.glob("*.parquet"))))
        longest = max(longest, (tmp_path / "manifest.json").stat().st_size)
    assert most <= 1 + 3 * math.log(max(killed_at, 4), 4)
    assert longest < 170 * most + 200
    again = opened(tmp_path, stateful=False)
    lefts = [found.boxes_xyxy[0, 0] if (found := again.known(index)) else None for index in range(killed_at + 2)]
    assert lefts == [*range(killed_at), None, None]
    again.add(killed_at, box(killed_at))
    again.close({})
    assert pl.read_parquet(tmp_path / "detections.parquet")["frame_index"].to_list() == list(range(killed_at + 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detections.parquet", "manifest.json"]


def test_large_chunks_are_not_copied_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_logs, "CHUNKS_TO_ONE", 4)
    monkeypatch.setattr(commit_logs, "_MOST_BYTES_TO_ONE", 1000)
    log = opened(tmp_path, stateful=False)
    for index in range(11):
        log.add(index, box(index))
        commit(log)
    assert len(list(tmp_path.glob("*.parquet"))) == 11


@pytest.mark.parametrize("saved", [False, True])
def test_a_kill_while_chunks_become_one_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    """Between writing the merged chunk and saving the manifest, and between that and the deletion of the others."""
    monkeypatch.setattr(commit_logs, "CHUNKS_TO_ONE", 4)
    log = opened(tmp_path, stateful=False)
    for index in range(4):
        if index == 3:
            monkeypatch.setattr(Manifest, "_delete" if saved else "save", lambda self, names=None: None)
        log.add(index, box(index))
        commit(log)
    monkeypatch.undo()
    assert len(list(tmp_path.glob("*.parquet"))) == 5
    again = opened(tmp_path, stateful=False)
    again._manifest.remove_unnamed(("*.parquet*",))
    known = [again.known(index) is not None for index in range(4)]
    assert known == [True] * (3) + [saved]
    assert len(list(tmp_path.glob("*.parquet"))) == (1 if saved else 3)

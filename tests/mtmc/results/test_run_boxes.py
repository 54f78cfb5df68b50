"""A run folder read back as boxes with vehicles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import InputError
from mtmc.results.mot import write_mot_folder
from mtmc.results.read_boxes import read_boxes
from mtmc.results.run_boxes import read_run
from mtmc.results.track_boxes import TrackBoxes
from mtmc.results.tracklets_csv import TrackletFacts, write_tracklets_csv


@pytest.fixture
def run(tmp_path: Path, table_of: Callable, tracklets_of: Callable) -> tuple[Path, TrackBoxes]:
    table = table_of(3, 12)
    tracklets = tracklets_of(4, table)
    global_ids = np.random.default_rng(5).integers(1, 6, 12)
    write_tracklets_csv(tmp_path / "tracklets.csv", table, global_ids, TrackletFacts.of(tracklets, [1] * 12))
    write_mot_folder(tmp_path / "mot", TrackBoxes.of_tracklets(tracklets, table.track_ids, table.camera_ids))
    return tmp_path, TrackBoxes.of_tracklets(tracklets, global_ids, table.camera_ids)


@pytest.mark.parametrize("name", ["", "tracklets.csv", "matches.csv"])
def test_a_run_is_its_boxes_under_its_vehicles(run: tuple[Path, TrackBoxes], name: str) -> None:
    folder, expected = run
    (folder / "matches.csv").touch()
    found = read_boxes(folder / name).boxes
    assert found.camera_ids == expected.camera_ids
    a, b = (np.lexsort((x.boxes_xywh[:, 0], x.ids, x.frames, x.camera_rows)) for x in (found, expected))
    assert np.array_equal(found.ids[a], expected.ids[b])
    np.testing.assert_allclose(found.boxes_xywh[a], expected.boxes_xywh[b], atol=6e-3)
    np.testing.assert_allclose(found.times_s[a], expected.times_s[b], atol=1.1e-3)


def test_other_vehicles_for_the_same_boxes(run: tuple[Path, TrackBoxes]) -> None:
    read = read_run(run[0])
    mine = np.arange(12) * 10
    assert np.array_equal(read.with_global_ids(mine).ids, read.boxes.ids * 10)
    assert sorted(read.camera_numbers.values()) == list(range(1, 8))


def test_the_runs_own_camera_numbers_win(run: tuple[Path, TrackBoxes]) -> None:
    folder, boxes = run
    numbers = {camera: i + 5 for i, camera in enumerate(boxes.camera_ids)}
    (folder / "run.json").write_text(json.dumps({"camera_numbers": numbers}))
    assert read_boxes(folder).camera_numbers[boxes.camera_ids[0]] == 5


def test_a_track_without_a_row_is_refused(run: tuple[Path, TrackBoxes]) -> None:
    folder, _ = run
    path = next(p for p in sorted((folder / "mot").iterdir()) if p.stat().st_size)
    path.write_text(path.read_text() + "9,99999,1,1,5,5,1,-1,-1,-1\n")
    with pytest.raises(InputError, match="99999"):
        read_boxes(folder)


def test_a_folder_with_a_submission_only(tmp_path: Path) -> None:
    (tmp_path / "cityflow.txt").write_text("1 7 3 10 20 30 40 -1 -1\n")
    assert read_boxes(tmp_path).boxes.ids.tolist() == [7]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing there"):
        read_boxes(tmp_path / "absent.txt")

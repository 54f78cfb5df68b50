"""tracklets.csv (ours and anybody's) and global_tracks.csv."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import InputError
from mtmc.results.global_tracks_csv import GLOBAL_TRACK_COLUMNS, read_global_tracks_csv, write_global_tracks_csv
from mtmc.results.tracklets_csv import TRACKLET_COLUMNS, TrackletFacts, read_tracklets_csv, write_tracklets_csv


def test_the_first_columns_are_those_that_linking_needs() -> None:
    assert TRACKLET_COLUMNS[:4] == ("camera_id", "track_id", "start_s", "end_s")


@pytest.mark.parametrize("m", [0, 1, 9])
def test_a_table_comes_back_whole(tmp_path: Path, table_of: Callable, tracklets_of: Callable, m: int) -> None:
    table = table_of(m, m)
    tracklets = tracklets_of(m, table)
    facts = TrackletFacts.of(tracklets, crops=list(range(m)))
    global_ids = np.arange(m)[::-1] + 1
    write_tracklets_csv(tmp_path / "tracklets.csv", table, global_ids, facts)
    found = read_tracklets_csv(tmp_path / "tracklets.csv")
    assert found.table.camera_ids == tuple(table.camera_ids[row] for row in np.unique(table.camera_rows))
    assert [found.table.key(row) for row in range(m)] == [table.key(row) for row in range(m)]
    for field in fields(table)[2:]:
        np.testing.assert_allclose(getattr(found.table, field.name), getattr(table, field.name), atol=6e-3)
    for field in fields(facts):
        np.testing.assert_allclose(getattr(found.facts, field.name), getattr(facts, field.name), atol=6e-4)
    assert found.global_ids.tolist() == global_ids.tolist()
    assert found.file_rows.tolist() == list(range(m))


def test_anybodys_table_needs_four_columns_and_keeps_its_row_numbers(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("start_s,end_s,camera_id,track_id,class,colour\n9,9.5,b,4,Truck,red\n1,2,b,7,van,red\n0,5,a,1,,\n")
    found = read_tracklets_csv(path)
    assert [found.table.key(row) for row in range(3)] == [("a", 1), ("b", 7), ("b", 4)]
    assert found.file_rows.tolist() == [2, 1, 0]
    assert found.facts.feature_rows.tolist() == [2, 1, 0]
    assert found.table.class_ids.tolist() == [0, 0, 7]
    assert found.global_ids.tolist() == [-1, -1, -1]
    assert not found.table.start_boxes_xyxy.any()
    assert np.isnan(found.table.start_ground_m).all()


@pytest.mark.parametrize(("row", "named"), [("c,1,2,1", "row 2"), ("a,1,5,6", "more than once"), ("c,2,,6", "row 2")])
def test_impossible_tracklets_are_refused(tmp_path: Path, row: str, named: str) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(f"camera_id,track_id,start_s,end_s\na,1,0,1\n{row}\n")
    with pytest.raises(InputError, match=named):
        read_tracklets_csv(path)


@pytest.mark.parametrize("m", [0, 1, 9])
def test_vehicles_agree_with_a_plain_count(tmp_path: Path, table_of: Callable, matches_of: Callable, m: int) -> None:
    table = table_of(m, m, ("a", "b", "c"))
    matches = matches_of(m, table)
    write_global_tracks_csv(tmp_path / "g.csv", matches, table)
    found = read_global_tracks_csv(tmp_path / "g.csv")
    assert tuple(found) == GLOBAL_TRACK_COLUMNS
    assert found["global_id"].tolist() == sorted(set(matches.global_ids.tolist()))
    for i, vehicle in enumerate(found["global_id"]):
        rows = [r for r in range(m) if matches.global_ids[r] == vehicle]
        rows.sort(key=lambda r: (table.start_s[r], table.key(r)))
        route: list[str] = []
        for r in rows:
            if not route or route[-1] != table.camera_id(r):
                route.append(table.camera_id(r))
        assert found["route"][i] == ">".join(route)
        assert found["cameras"][i] == len(set(route))
        assert found["tracklets"][i] == len(rows)
        assert found["start_s"][i] == pytest.approx(min(table.start_s[rows]), abs=6e-4)
        assert found["end_s"][i] == pytest.approx(max(table.end_s[rows]), abs=6e-4)
        links = [k for k in matches.links if matches.global_ids[matches.candidates.pairs[k, 0]] == vehicle]
        if links:
            assert found["weakest_distance"][i] == pytest.approx(
                max(matches.candidates.tracklet_distances[links]), abs=6e-5)
        else:
            assert np.isnan(found["weakest_distance"][i])
        known = [p for p in matches.candidates.probabilities[links] if not np.isnan(p)]
        if known:
            assert found["weakest_probability"][i] == pytest.approx(min(known), abs=6e-5)
        else:
            assert np.isnan(found["weakest_probability"][i])


def test_a_vehicle_is_what_it_was_longest_but_never_unknown_for_want_of_time(
        tmp_path: Path, table_of: Callable, matches_of: Callable) -> None:
    table = table_of(1, 3, ("a", "b", "c"))
    table = replace(table, start_s=np.zeros(3), end_s=np.array([9.0, 2.0, 3.0]), class_ids=np.array([0, 2, 7]))
    matches = replace(matches_of(1, table), global_ids=np.ones(3, dtype=np.int64))
    write_global_tracks_csv(tmp_path / "g.csv", matches, table)
    assert read_global_tracks_csv(tmp_path / "g.csv")["class"].tolist() == ["truck"]

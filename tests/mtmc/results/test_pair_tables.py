"""matches.csv and candidates.csv: columns as promised, order, orientation, round trips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtmc.results.candidates_csv import candidate_columns, candidate_values, read_candidates_csv, write_candidates_csv
from mtmc.results.matches_csv import MATCH_COLUMNS, match_columns, read_matches_csv, write_matches_csv

SIZES = (0, 1, 2, 12)


def test_the_columns_are_those_that_were_promised() -> None:
    assert ", ".join(MATCH_COLUMNS) == (
        "global_id, camera_a, track_a, start_a_s, end_a_s, camera_b, track_b, start_b_s, end_b_s, travel_s, "
        "tracklet_distance, image_distance_ab, image_distance_ba, rank_ab, rank_ba, probability")
    last = ("log_odds_time", "log_odds_looks", "global_id_a", "global_id_b")
    assert candidate_columns(("time", "looks"))[-4:] == last


@pytest.mark.parametrize("m", SIZES)
def test_matches_are_sorted_oriented_and_come_back(tmp_path: Path, table_of: Callable, matches_of: Callable,
                                                   m: int) -> None:
    table = table_of(m, m)
    matches = matches_of(m + 1, table)
    write_matches_csv(tmp_path / "matches.csv", matches, table)
    found = read_matches_csv(tmp_path / "matches.csv")
    assert tuple(found) == MATCH_COLUMNS
    assert len(found["track_a"]) == len(matches.links)
    rows = list(zip(*(found[n] for n in MATCH_COLUMNS), strict=True))
    keys = [(r[0], r[3], r[1], r[2], r[7], r[5], r[6]) for r in rows]
    assert keys == sorted(keys)
    for row in rows:
        assert (row[3], row[1], row[2]) <= (row[7], row[5], row[6])
        assert row[9] == pytest.approx(row[7] - row[4], abs=1e-9)
    linked = {frozenset([table.key(a), table.key(b)]) for a, b in matches.candidates.pairs[matches.links]}
    assert {frozenset([(r[1], r[2]), (r[5], r[6])]) for r in rows} == linked


def test_times_that_differ_by_a_rounding_error_are_a_tie(table_of: Callable, matches_of: Callable) -> None:
    table = table_of(3, 2, ("a", "b"))
    start_s, end_s = np.array([2.1 + 4e-16, 2.1]), np.array([5.0, 9.0])
    table = replace(table, camera_rows=np.array([0, 1]), start_s=start_s, end_s=end_s)
    matches = matches_of(0, table)
    candidates = replace(matches.candidates, pairs=np.array([[1, 0]]), gates=np.array([""], dtype=object),
                         image_distances_ab=np.array([0.25]), image_distances_ba=np.array([0.5]),
                         ranks_ab=np.array([3]), ranks_ba=np.array([4]))
    matches = replace(matches, candidates=candidates, links=np.array([0]))
    values = match_columns(matches, table)
    assert (values["camera_a"][0], values["camera_b"][0]) == ("a", "b")
    assert (values["image_distance_ab"][0], values["image_distance_ba"][0]) == (0.5, 0.25)
    assert (values["rank_ab"][0], values["rank_ba"][0]) == (4, 3)
    assert values["travel_s"][0] == pytest.approx(2.1 - 5.0)


@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize("terms", [(), ("time", "looks", "place")])
def test_candidates_come_back_whole(tmp_path: Path, table_of: Callable, matches_of: Callable, m: int,
                                    terms: tuple[str, ...]) -> None:
    table = table_of(m, m)
    matches = matches_of(m + 1, table, terms)
    write_candidates_csv(tmp_path / "candidates.csv", matches, table)
    found = read_candidates_csv(tmp_path / "candidates.csv")
    assert tuple(found) == candidate_columns(terms)
    expected = candidate_values(matches, table)
    for name, values in expected.items():
        if values.dtype == object:
            assert list(found[name]) == list(values)
        else:
            np.testing.assert_allclose(found[name], values.astype(float), atol=6e-4, equal_nan=True)
    assert np.array_equal(found["accepted"] == 1, found["gate"] == "")


def test_the_same_matches_give_the_same_bytes_whatever_the_order_of_candidates(
        tmp_path: Path, table_of: Callable, matches_of: Callable) -> None:
    table = table_of(5, 10)
    matches = matches_of(6, table)
    p = len(matches.candidates)
    shuffled = np.random.default_rng(0).permutation(p)
    fields = {name: getattr(matches.candidates, name)[shuffled] for name in (
        "pairs", "tracklet_distances", "image_distances_ab", "image_distances_ba", "ranks_ab", "ranks_ba", "travel_s",
        "probabilities", "gates", "term_log_odds")}
    moved = replace(matches.candidates, **fields)
    again = replace(matches, candidates=moved, links=np.flatnonzero(moved.accepted)[::-1])
    for name, write in (("m", write_matches_csv), ("c", write_candidates_csv)):
        write(tmp_path / f"{name}1", matches, table)
        write(tmp_path / f"{name}2", again, table)
        assert (tmp_path / f"{name}1").read_bytes() == (tmp_path / f"{name}2").read_bytes()

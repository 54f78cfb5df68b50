"""The plain table: cells, decimals, round trips, refusals."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtmc.errors import InputError
from mtmc.results.csv_tables import (
    COUNT,
    INTEGER,
    SECONDS,
    TEXT,
    Column,
    guard_text,
    read_table,
    table_text,
    unguard_text,
    write_table,
)

COLUMNS = (Column("name", TEXT), Column("id", INTEGER), Column("frames", COUNT), Column("start_s", SECONDS))


@given(st.text())
def test_guarded_text_is_no_formula_and_comes_back(text: str) -> None:
    cell = guard_text(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguard_text(cell) == text


def test_a_cell_that_we_did_not_guard_is_left_alone() -> None:
    assert unguard_text("'s-Hertogenbosch") == "'s-Hertogenbosch"
    assert guard_text("c001") == "c001"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(), st.integers(-(2**62), 2**62), st.integers(-1, 10**6),
                          st.floats(-1e6, 1e6).map(lambda v: round(v, 3))), max_size=8))
def test_what_is_written_is_read(rows: list[tuple[str, int, int, float]]) -> None:
    path = Path(tempfile.mkdtemp()) / "table.csv"
    values = dict(zip(("name", "id", "frames", "start_s"), zip(*rows, strict=True) if rows else ((),) * 4, strict=True))
    write_table(path, COLUMNS, values)
    found = read_table(path, COLUMNS)
    assert list(found["name"]) == list(values["name"])
    assert found["id"].tolist() == list(values["id"])
    assert found["frames"].tolist() == list(values["frames"])
    assert found["start_s"] == pytest.approx(np.array(values["start_s"], dtype=float), abs=1e-9)
    first = path.read_bytes()
    write_table(path, COLUMNS, found)
    assert path.read_bytes() == first


def test_decimals_are_fixed_and_unknown_is_empty() -> None:
    text = table_text(COLUMNS, {"name": ["a"] * 3, "id": [1, 2, -3], "frames": [-1, 0, 5],
                                "start_s": [-0.0001, np.nan, 1234.5]})
    assert text == "name,id,frames,start_s\na,1,,0.000\na,2,0,\na,-3,5,1234.500\n"


def test_no_row_leaves_the_header() -> None:
    assert table_text(COLUMNS, {c.name: [] for c in COLUMNS}) == "name,id,frames,start_s\n"


def test_columns_may_stand_in_any_order_and_strangers_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_bytes(b"\xef\xbb\xbfstart_s,note,name\r\n1.5,x,c001\r\n")
    found = read_table(path, COLUMNS, required=("name", "start_s"))
    assert set(found) == {"name", "start_s"}
    assert found["start_s"].tolist() == [1.5]


@pytest.mark.parametrize(("content", "named"), [
    ("name,id,frames\na,1,2\n", "start_s"),
    ("name,id,frames,start_s\na,1,2\n", ":2"),
    ("name,id,frames,start_s\na,1.5,2,3\n", "row 1, column id"),
    ("name,id,frames,start_s\na,,2,3\n", "row 1, column id"),
    ("name,id,frames,start_s\na,1,2,3\nb,1,2,soon\n", "row 2, column start_s"),
    ("name,id,frames,start_s\na,1,2,inf\n", "row 1, column start_s"),
    ("name,id,id,start_s\na,1,2,3\n", "distinct"),
    ('name,id,frames,start_s\n"a"b,1,2,3\n', ":2"),
    ("", "name"),
])
def test_a_broken_table_is_refused_with_its_place(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=named):
        read_table(path, COLUMNS)


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    name = b"cam\xff".decode("utf-8", "surrogateescape")
    write_table(tmp_path / "t.csv", COLUMNS[:1], {"name": [name]})
    assert read_table(tmp_path / "t.csv", COLUMNS[:1])["name"][0] == name


def test_long_tables_are_written_in_blocks_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    from mtmc.results import csv_tables
    values = {"name": [f"c{i}" for i in range(7)], "id": range(7), "frames": range(7), "start_s": np.arange(7.0)}
    values = {k: np.asarray(v) if k != "name" else v for k, v in values.items()}
    whole = table_text(COLUMNS, values)
    monkeypatch.setattr(csv_tables, "_ROWS_AT_ONCE", 3)
    assert table_text(COLUMNS, values) == whole

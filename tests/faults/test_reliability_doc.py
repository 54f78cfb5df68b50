"""docs/reliability.md names tests that exist, and forgets no row of the matrix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.running import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = {"A": 22, "B": 16, "C": 20, "D": 18, "E": 13, "F": 9, "G": 10}  # 108 in all
TABLE = re.findall(r"^\| ([A-G]\d+) \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
NAMES = sorted(set(re.findall(r"`((?:tests/[\w/]+/)?test_\w+\.py(?:::\w+|\[\w+\]))`", PAGE)))


def not_covered() -> set[str]:
    """Rows of the second table, ranges spelled out."""
    rows: set[str] = set()
    for cell in re.findall(r"^\| ((?:[A-G]\d+(?:, | to )?)+) \|", PAGE.split("## Not covered")[1], re.MULTILINE):
        first, *last = cell.split(" to ")
        if last:
            rows |= {f"{first[0]}{n}" for n in range(int(first[1:]), int(last[0][1:]) + 1)}
        else:
            rows |= set(cell.split(", "))
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_every_test_that_is_named_exists(name: str) -> None:
    path, mark, rest = re.split(r"(::|\[)", name, maxsplit=1)
    text = (ROOT / (path if "/" in path else f"tests/faults/{path}")).read_text(encoding="utf-8")
    assert f"def {rest}(" in text if mark == "::" else f'"{rest.rstrip("]")}"' in text


def test_every_row_is_covered_or_said_not_to_be() -> None:
    covered = [row for row, _ in TABLE]
    assert len(covered) == len(set(covered))
    assert not set(covered) & not_covered()
    assert set(covered) | not_covered() == {f"{part}{n + 1}" for part, count in ROWS.items() for n in range(count)}


def test_seventy_rows_are_real_faults_of_the_command() -> None:
    here = [row for row, tests in TABLE if re.search(r"`test_\w+\.py", tests)]
    assert len(here) >= 70
    assert all("`" in tests for _, tests in TABLE)
    said = re.search(r"(\d+) of the 108 rows are covered, (\d+) of them by tests in `tests/faults/`", PAGE)
    assert said is not None
    assert (int(said[1]), int(said[2])) == (len(TABLE), len(here))


def test_the_page_is_linked() -> None:
    assert "docs/reliability.md" in Path(ROOT / "README.md").read_text(encoding="utf-8")

"""The plain table that all our CSV files share: columns with a kind each, fixed decimals, safe cells.

A file is UTF-8, comma-separated, with a header and `\\n` line ends; the same rows give the same bytes. Text comes
from file names, so a cell that a spreadsheet would take for a formula gets a leading `'`, which the reader
takes away again.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtmc import files
from mtmc.config import did_you_mean
from mtmc.errors import InputError

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_GUARD = "'"
_NEEDS_QUOTES = frozenset(',"\r\n')
_ROWS_AT_ONCE = 50_000  # cells become strings in blocks, so that a long table does not fill the memory


@dataclass(frozen=True)
class Kind:
    """How a column's cells are written. decimals: places of a number, -1 for text.

    optional: a negative whole number stands for "not known" and is an empty cell (numbers with places use NaN).
    """

    decimals: int
    optional: bool = False


TEXT = Kind(-1)
INTEGER = Kind(0)
COUNT = Kind(0, optional=True)
SECONDS = Kind(3)
DISTANCE = Kind(4)
PROBABILITY = Kind(4)
LOG_ODDS = Kind(3)
SHARE = Kind(3)
PIXELS = Kind(2)


@dataclass(frozen=True)
class Column:
    """One column: its name, with the unit in it, and the kind of its cells."""

    name: str
    kind: Kind


def names_of(columns: Sequence[Column]) -> tuple[str, ...]:
    """The names of `columns`, in order."""
    return tuple(column.name for column in columns)


def guard_text(text: str) -> str:
    """`text` such that no spreadsheet runs it; `unguard_text` gives it back exactly."""
    return _GUARD + text if text.startswith((*_FORMULA_STARTS, _GUARD)) else text


def unguard_text(cell: str) -> str:
    """The text that `guard_text` was given; any other cell as it is."""
    return cell[1:] if cell.startswith(_GUARD) and cell[1:].startswith((*_FORMULA_STARTS, _GUARD)) else cell


def table_text(columns: Sequence[Column], values: Mapping[str, Sequence[Any] | np.ndarray]) -> str:
    """The whole table. values: column name → N cells (text, whole numbers, or numbers with NaN = empty)."""
    return "".join(_blocks(columns, values))


def write_table(path: Path, columns: Sequence[Column], values: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    """Write the table, atomically."""
    with files.atomic_path(path) as temporary, temporary.open("wb") as file:
        for block in _blocks(columns, values):
            file.write(block.encode("utf-8", "surrogateescape"))


def read_table(path: Path, columns: Sequence[Column], required: Sequence[str] | None = None) -> dict[str, Any]:
    """Column name → cells of those of `columns` that the file has, in the file's row order.

    Text columns are object arrays of str, whole numbers int64 (empty cells of optional ones -1), others
    float64 (empty = NaN). required: the columns that must be there, by default all. Columns may stand in any
    order; unknown ones are passed over. Raises `InputError` with line and column for what cannot be used.
    """
    header, rows = _read_rows(Path(path))
    required = names_of(columns) if required is None else required
    for name in required:
        if name not in header:
            raise InputError(f"{path}: column {name}", "the column", "none of that name", did_you_mean(name, header))
    place_of = {name: header.index(name) for name in names_of(columns) if name in header}
    return {c.name: _parse(c, [row[place_of[c.name]] for row in rows], path) for c in columns if c.name in place_of}


def header_of(path: Path) -> list[str]:
    """The column names of a CSV file, in order."""
    return _read_rows(Path(path), only_header=True)[0]


def _blocks(columns: Sequence[Column], values: Mapping[str, Sequence[Any] | np.ndarray]) -> Iterator[str]:
    lengths = {len(values[column.name]) for column in columns}
    if len(lengths) > 1:
        raise InputError("table", "columns of one length", f"lengths {sorted(lengths)}")
    yield ",".join(_quoted(name) for name in names_of(columns)) + "\n"
    for start in range(0, lengths.pop() if lengths else 0, _ROWS_AT_ONCE):
        cells = [_format(values[c.name][start : start + _ROWS_AT_ONCE], c.kind) for c in columns]
        yield "".join(",".join(row) + "\n" for row in zip(*cells, strict=True))


def _format(values: Sequence[Any] | np.ndarray, kind: Kind) -> list[str]:
    if kind.decimals < 0:
        ready = {text: _quoted(guard_text(text)) for text in {str(value) for value in values}}
        return [ready[str(value)] for value in values]
    if kind.decimals == 0:
        whole = np.asarray(values).astype(np.int64).tolist()
        return [str(value) if value >= 0 or not kind.optional else "" for value in whole]
    # Rounding first and adding zero turns -0.0001 into 0.000, not into -0.000.
    numbers = (np.round(np.asarray(values, dtype=np.float64), kind.decimals) + 0.0).tolist()
    return [f"{value:.{kind.decimals}f}" if value == value else "" for value in numbers]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if not _NEEDS_QUOTES.isdisjoint(text) else text


def _read_rows(path: Path, only_header: bool = False) -> tuple[list[str], list[list[str]]]:
    try:
        files.require_regular(path)
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise InputError(path, "a CSV file", error.strerror or str(error), "Check the path.") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        rows = []
        for row in reader if not only_header else ():
            if row and len(row) != len(header):
                raise InputError(f"{path}:{reader.line_num}", f"{len(header)} cells", f"{len(row)}")
            if row:
                rows.append(row)
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}", "a well-formed CSV line", str(error)) from error
    if len(set(header)) != len(header):
        raise InputError(path, "distinct column names", ", ".join(header))
    return [name.strip() for name in header], rows


def _parse(column: Column, cells: list[str], path: Path) -> np.ndarray:
    if column.kind.decimals < 0:
        texts = np.empty(len(cells), dtype=object)
        texts[:] = [unguard_text(cell) for cell in cells]
        return texts
    convert = _whole if column.kind.decimals == 0 else _number
    try:
        converted = [convert(cell, column.kind) for cell in cells]
    except (ValueError, OverflowError) as error:
        row, cell = next((i, cell) for i, cell in enumerate(cells) if not _usable(convert, cell, column.kind))
        expected = "a whole number" if column.kind.decimals == 0 else "a number"
        raise InputError(f"{path}: row {row + 1}, column {column.name}", expected, repr(cell[:40])) from error
    return np.array(converted, dtype=np.int64 if column.kind.decimals == 0 else np.float64)


def _number(cell: str, kind: Kind) -> float:
    value = float(cell) if cell.strip() else math.nan
    if math.isinf(value):
        raise ValueError(cell)
    return value


def _whole(cell: str, kind: Kind) -> int:
    if not cell.strip():
        if not kind.optional:
            raise ValueError(cell)
        return -1
    value = float(cell)
    if value != int(value) or abs(value) >= 2**63:  # int() refuses NaN and infinity
        raise ValueError(cell)
    return int(value) if "." in cell or "e" in cell.lower() else int(cell)


def _usable(convert: Callable[[str, Kind], float], cell: str, kind: Kind) -> bool:
    try:
        convert(cell, kind)
    except (ValueError, OverflowError):
        return False
    return True

"""Lines of numbers, as the text formats of tracking hold them; the one place that parses them.

Separators are commas (with or without spaces), spaces or tabs. Whatever cannot be used is refused with its
line number, so that a broken file is found before it becomes a low score.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from mtmc.files import require_regular

_LARGEST_INTEGER = 2**53  # above it float64 no longer holds every integer


def decode_text(data: bytes, source: object) -> str:
    """UTF-8 text, with or without a byte-order mark. Raises `InputError` for anything else."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(source, "a text file in UTF-8", f"byte {data[error.start]:#04x} at {error.start}") from error


def read_bytes(path: Path) -> bytes:
    """The file's content. Raises `InputError` where it cannot be read."""
    try:
        require_regular(path)
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, "a file that can be read", error.strerror or str(error), "Check the path.") from error


def parse_rows(text: str, source: object, least_columns: int) -> np.ndarray:
    """float64 (N, C): every non-empty line of `text`, C = the columns that all of them have (0 for no line).

    Raises `InputError` with the line number for a line of fewer than `least_columns` or with a field that
    is no number.
    """
    rows = [(number, _fields(line)) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not rows:
        return np.zeros((0, least_columns))
    columns = min(len(fields) for _, fields in rows)
    if columns < least_columns:
        number, fields = next(row for row in rows if len(row[1]) < least_columns)
        raise InputError(f"{source}:{number}", f"at least {least_columns} numbers", f"{len(fields)}")
    try:
        return np.array([fields[:columns] for _, fields in rows], dtype=np.float64)
    except ValueError as error:
        for number, fields in rows:
            for field in fields[:columns]:
                if not _is_number(field):
                    raise InputError(f"{source}:{number}", "numbers only", repr(field[:40])) from error
        raise


def line_numbers(text: str) -> list[int]:
    """The line number of every row that `parse_rows` gives; used only to name a bad one."""
    return [number for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def whole_numbers(values: np.ndarray, what: str, text: str, source: object) -> np.ndarray:
    """`values` as int64. Raises `InputError` naming the first line where one is not a whole number."""
    wrong = ~((values == np.round(values)) & (np.abs(values) < _LARGEST_INTEGER))  # True for NaN too
    refuse_first(wrong, f"a whole number as {what}", values, text, source)
    return values.astype(np.int64)


def refuse_first(
    wrong: np.ndarray, expected: str, values: np.ndarray, text: str, source: object, remedy: str = ""
) -> None:
    """Raise `InputError` with line and value for the first row marked `wrong`; nothing where none is."""
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        found = " ".join(f"{value:g}" for value in np.atleast_1d(values[row]))
        raise InputError(f"{source}:{line_numbers(text)[row]}", expected, found, remedy)


def check_boxes(boxes_xywh: np.ndarray, text: str, source: object) -> None:
    """Refuse boxes that are not finite or of negative size, with their line."""
    wrong = ~(np.isfinite(boxes_xywh).all(axis=1) & (boxes_xywh[:, 2:] >= 0).all(axis=1))
    refuse_first(wrong, "a box with a finite place and no negative size", boxes_xywh, text, source)


def frames_from_one(frames: np.ndarray, first_frame: int, text: str, source: object) -> np.ndarray:
    """Frame numbers counted from 1, from a file that counts from `first_frame` (0 or 1)."""
    remedy = "If the file counts frames from 0, say so." if first_frame == 1 else ""
    refuse_first(frames < first_frame, f"frames counted from {first_frame}", frames, text, source, remedy)
    return frames + (1 - first_frame)


def _fields(line: str) -> list[str]:
    if "," not in line:
        return line.split()
    fields = [field.strip() for field in line.split(",")]
    while fields and not fields[-1]:
        fields.pop()
    return fields


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True

"""What a training writes down: one CSV row a step, and TensorBoard where it is installed."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from mtmc.files import no_space_is_an_output_error, write_text

COLUMNS = ("step", "seconds", "learning_rate", "loss", "metric_loss", "identity_loss", "gradient_norm",
           "images_per_s", "validation_map", "validation_r1")


class TrainingLog:
    """Appends to `folder/log.csv`; a resumed run first cuts off what the lost steps had written, in a copy that takes
    the log's place once it is whole. Raises `OutputError` where the folder cannot be written or is full."""

    def __init__(self, folder: Path, first_step: int) -> None:
        self._path = Path(folder) / "log.csv"
        kept = [row for row in read_log(self._path) if int(row["step"]) <= first_step] if first_step else []
        with no_space_is_an_output_error(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._path, _as_text(kept) if kept else "")
            self._file = self._path.open("a", newline="", encoding="utf-8")
        self._writer = _writer(self._file, kept[0]) if kept else None
        self._board = _tensorboard(Path(folder))

    def write(self, values: dict[str, float]) -> None:
        """One row; keys out of the columns, absent ones stay empty. The first row's keys beyond `COLUMNS` are columns
        too, after them."""
        with no_space_is_an_output_error(self._path):
            if self._writer is None:
                self._writer = _writer(self._file, values)
                self._writer.writeheader()
            self._writer.writerow({key: _text(value) for key, value in values.items()})
            self._file.flush()
        if self._board is not None:
            for key, value in values.items():
                if key != "step":
                    self._board.add_scalar(key, value, int(values["step"]))

    def close(self) -> None:
        """Finish the files; what could not be written has been said before."""
        with contextlib.suppress(OSError):
            self._file.close()
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[dict[str, str]]:
    """The whole rows of a log, without a last one that a crash cut off; none where there is no file."""
    if not Path(path).is_file():
        return []
    whole = Path(path).read_bytes().rpartition(b"\n")[0].decode("utf-8", "replace").replace("\0", "")
    return [row for row in csv.DictReader(whole.splitlines()) if (row.get("step") or "").isdecimal()]


def _as_text(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = _writer(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _writer(file: TextIO, names: Iterable[str]) -> csv.DictWriter:
    columns = [*COLUMNS, *(name for name in names if name not in COLUMNS)]
    return csv.DictWriter(file, columns, restval="", lineterminator="\n")


def _text(value: float) -> str:
    # repr keeps every digit, so that curves of two runs can be compared exactly.
    return repr(value)


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))

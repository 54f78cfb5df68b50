"""What a training writes down: one CSV row a step, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mtmc.errors import OutputError

COLUMNS = ("step", "seconds", "learning_rate", "loss", "metric_loss", "identity_loss", "gradient_norm",
           "images_per_s", "validation_map", "validation_r1")


class TrainingLog:
    """Appends to `folder/log.csv`; a resumed run first cuts off what the lost steps had written. Raises `OutputError`
    where the folder cannot be written."""

    def __init__(self, folder: Path, first_step: int) -> None:
        self._path = Path(folder) / "log.csv"
        kept = [row for row in read_log(self._path) if int(row["step"]) <= first_step] if first_step else []
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise OutputError(self._path, "a folder that can be written", str(error),
                              "Choose another --out.") from error
        self._writer: csv.DictWriter | None = None
        if kept:
            self._begin(kept[0])
            self._writer.writerows(kept)  # type: ignore[attr-defined]
        self._board = _tensorboard(Path(folder))

    def write(self, values: dict[str, float]) -> None:
        """One row; keys out of the columns, absent ones stay empty. The first row's keys beyond `COLUMNS` are columns
        too, after them."""
        if self._writer is None:
            self._begin(values)
        self._writer.writerow({key: _text(value) for key, value in values.items()})  # type: ignore[union-attr]
        self._file.flush()
        if self._board is not None:
            for key, value in values.items():
                if key != "step":
                    self._board.add_scalar(key, value, int(values["step"]))

    def _begin(self, names: Iterable[str]) -> None:
        columns = [*COLUMNS, *(name for name in names if name not in COLUMNS)]
        self._writer = csv.DictWriter(self._file, columns, restval="", lineterminator="\n")
        self._writer.writeheader()

    def close(self) -> None:
        """Finish the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of a log; none where there is no file."""
    if not Path(path).is_file():
        return []
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _text(value: float) -> str:
    # repr keeps every digit, so that curves of two runs can be compared exactly.
    return repr(value)


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))

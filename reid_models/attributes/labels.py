"""What is known of vehicles in pictures: a word an attribute, or nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtmc.config import did_you_mean
from mtmc.errors import InputError
from mtmc.files import require_regular

ATTRIBUTES = ("type", "make", "model", "colour")
MISSING = -1


@dataclass(frozen=True, eq=False)
class AttributeLabels:
    """N vehicles. words: attribute → its distinct words, sorted. places: attribute → int64 (N,), the place of each
    vehicle's word, `MISSING` where nobody told. An attribute that no vehicle has does not appear."""

    words: dict[str, tuple[str, ...]]
    places: dict[str, np.ndarray]

    @classmethod
    def of(cls, told: Mapping[str, Sequence[str]]) -> AttributeLabels:
        """From attribute → N words, "" where not known. Raises `InputError` where the numbers differ."""
        counts = {len(own) for own in told.values()}
        if len(counts) > 1:
            raise InputError("attributes", "the same number of words each", f"{sorted(counts)}")
        words, places = {}, {}
        for name, own in told.items():
            distinct = tuple(sorted({word for word in own if word}))
            if distinct:
                place = {word: number for number, word in enumerate(distinct)}
                words[name] = distinct
                places[name] = np.array([place.get(word, MISSING) for word in own], np.int64)
        return cls(words, places)

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that are known of some vehicle, in the order of `ATTRIBUTES`, then others by name."""
        return tuple(sorted(self.words, key=lambda n: (ATTRIBUTES.index(n) if n in ATTRIBUTES else len(ATTRIBUTES), n)))

    def __len__(self) -> int:
        return len(next(iter(self.places.values()))) if self.places else 0

    def select(self, rows: np.ndarray) -> AttributeLabels:
        """Some of the vehicles; the words stay as they are."""
        return AttributeLabels(dict(self.words), {name: own[rows] for name, own in self.places.items()})

    def told(self) -> dict[str, list[str]]:
        """Attribute → N words, "" where not known: what `of` takes."""
        return {name: [self.words[name][p] if p != MISSING else "" for p in own] for name, own in self.places.items()}


def read_attribute_table(path: Path) -> tuple[tuple[Path, ...], AttributeLabels]:
    """The pictures and labels of a CSV with the column `path` (from the CSV's folder, or absolute) and one or more of
    `type`, `make`, `model`, `colour`; empty cells are not known.

    Raises `InputError` naming the file and what is wrong: no such column, no label, a picture that is not there.
    """
    path = Path(path)
    try:
        require_regular(path)
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "a CSV of pictures and their attributes, in UTF-8", str(error)) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = header
    for name in header:
        if name not in ("path", *ATTRIBUTES):
            raise InputError(f"{path}: column {name}", "path or an attribute", "none of that name",
                             did_you_mean(name, ("path", *ATTRIBUTES)))
    if "path" not in header or len(header) < 2:
        raise InputError(path, "the column path and one of " + ", ".join(ATTRIBUTES), ", ".join(header) or "no header")
    rows = list(reader)
    if any(None in row or None in row.values() for row in rows):
        raise InputError(path, f"{len(header)} cells in every row", "another number in some")
    pictures = tuple(path.parent / row["path"].strip() for row in rows)
    absent = [picture for picture in pictures if not picture.is_file()]
    if absent:
        raise InputError(absent[0], f"a picture that {path.name} lists", f"no such file ({len(absent)} are missing)")
    labels = AttributeLabels.of({name: [row[name].strip() for row in rows] for name in header if name != "path"})
    if not labels.words:
        raise InputError(path, "at least one label", "none")
    return pictures, labels

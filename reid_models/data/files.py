"""Reading the files of data sets, with errors that name the file that was expected."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mtmc.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_REMEDY = "Is --data the folder that holds it, and is the data set wholly unpacked?"


def expect_file(path: Path, what: str) -> Path:
    """`path`, or an `InputError` that says which file is missing and what it is."""
    if not path.is_file():
        raise InputError(path, what, "no such file", _REMEDY)
    return path


def expect_folder(path: Path, what: str) -> Path:
    """`path`, or an `InputError` that says which folder is missing and what it is."""
    if not path.is_dir():
        raise InputError(path, what, "no such folder", _REMEDY)
    return path


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without blanks at their ends; empty lines are left out. UTF-8, bad bytes kept."""
    text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    return [line.strip() for line in text.splitlines() if line.strip()]


def index_images(folder: Path) -> dict[str, Path]:
    """File name → path of every image below `folder`; a name that lies there twice is an `InputError`."""
    expect_folder(folder, "the folder of the images")
    found: dict[str, Path] = {}
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if not name.lower().endswith(IMAGE_SUFFIXES):
                continue
            if name in found:
                raise InputError(Path(parent) / name, "one file of that name", f"another at {found[name]}")
            found[name] = Path(parent) / name
    return found


def find_root(root: Path, marker: str, what: str) -> Path:
    """The folder that holds `marker` (a file or folder): `root`, or the only one up to two levels below it.

    Archives unpack into folders of their own (`VeRi/`, `AIC20_track2/AIC20_ReID/`); a user may name either.
    """
    if (root / marker).exists():
        return root
    holders = [found.parent for depth in ("*", "*/*") for found in sorted(root.glob(f"{depth}/{marker}"))]
    if len(holders) == 1:
        return holders[0]
    if not holders:
        raise InputError(root / marker, what, "nothing of that name", _REMEDY)
    raise InputError(root, f"one data set with {marker}", ", ".join(str(place) for place in holders),
                     "Give --data the one to use.")


def existing_images(folder: Path, names: Sequence[str], list_name: str) -> tuple[Path, ...]:
    """`folder / name` of every name; an `InputError` names the first that is missing and counts the rest."""
    expect_folder(folder, f"the images that {list_name} lists")
    there = {entry.name for entry in os.scandir(folder)}
    missing = [name for name in names if name not in there]
    if missing:
        raise InputError(folder / missing[0], f"an image that {list_name} lists",
                         f"no such file ({len(missing)} of {len(names)} are missing)", "Unpack the data set again.")
    return tuple(folder / name for name in names)

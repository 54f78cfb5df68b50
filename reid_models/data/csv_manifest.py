"""A plain table of images: one CSV with a header, for data sets of one's own.

Columns: `path` (from the CSV's folder, or absolute) and `identity`; where known `camera`, `tracklet` (names that
mean one passage inside a camera), `kind`, `split` ("train" where the column is absent), and `role`: "query" or
"gallery" (empty: both). Names are numbered in sorted order; identities that are all whole numbers stay as they are.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from mtmc.config import did_you_mean
from mtmc.errors import InputError
from reid_models.data.files import expect_file
from reid_models.data.relevance import JUNK_SAME_IDENTITY_AND_CAMERA, RowLists, judge, row_lists
from reid_models.data.samples import UNKNOWN, ReidSamples, ReidTask, number_identities, number_words

SPLITS: tuple[str, ...] = ()  # the table names its own
TASKS: tuple[str, ...] = ()

COLUMNS = ("path", "identity", "camera", "tracklet", "kind", "split", "role")
_REQUIRED = ("path", "identity")
_ROLES = ("", "query", "gallery")
_DEFAULT_NAME = "manifest.csv"


def load_split(root: Path, split: str) -> ReidSamples:
    """The images of one split, in file order. `root`: the CSV, or a folder that holds `manifest.csv`."""
    return _load(root, split)[0]


def load_tasks(root: Path, split: str) -> tuple[ReidTask, ...]:
    """The rows with role query among the rows with role gallery; a row without a role is both."""
    samples, roles = _load(root, split)
    query, gallery = samples.select(roles != "gallery"), samples.select(roles != "query")
    relevance = judge(query.identities, gallery.identities, query.cameras, gallery.cameras)
    relevance = relevance.leaving_out(_own_passage(query, gallery))
    return (ReidTask(f"csv/{split}", query, gallery, relevance, ("",) * len(query),
                     f"{JUNK_SAME_IDENTITY_AND_CAMERA}, and the query's own file and tracklet"),)


def _own_passage(query: ReidSamples, gallery: ReidSamples) -> RowLists:
    """The gallery rows that are the query's own file or tracklet: trivial answers where cameras are unknown."""
    same: dict[Path | int, list[int]] = {}
    for row, (path, tracklet) in enumerate(zip(gallery.paths, gallery.tracklets.tolist(), strict=True)):
        same.setdefault(path, []).append(row)
        same.setdefault(tracklet, []).append(row)
    same.pop(UNKNOWN, None)
    return row_lists([same.get(path, []) + same.get(tracklet, [])
                      for path, tracklet in zip(query.paths, query.tracklets.tolist(), strict=True)])


def _load(root: Path, split: str) -> tuple[ReidSamples, np.ndarray]:
    table = root if root.is_file() else expect_file(root / _DEFAULT_NAME, f"a table with {', '.join(COLUMNS)}")
    rows = _read_rows(table)
    splits = sorted({row["split"] for row in rows})
    if split not in splits:
        raise InputError(f"{table}: split", "one of " + ", ".join(splits), split, did_you_mean(split, splits))
    identities = number_identities([row["identity"] for row in rows])
    cameras = number_words([row["camera"] for row in rows])
    passages = number_words([f"{row['camera']}\0{row['tracklet']}" if row["tracklet"] else "" for row in rows])
    every = ReidSamples(tuple(table.parent / row["path"] for row in rows), identities, cameras, passages,
                        tuple(row["kind"] for row in rows))
    mask = np.array([row["split"] == split for row in rows])
    missing = [path for path in every.select(mask).paths if not path.is_file()]
    if missing:
        raise InputError(missing[0], f"an image that {table.name} lists",
                         f"no such file ({len(missing)} of {int(mask.sum())} are missing)")
    return every.select(mask), np.array([row["role"] for row in rows])[mask]


def _read_rows(table: Path) -> list[dict[str, str]]:
    text = table.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = [name.strip() for name in reader.fieldnames or []]
    for name in header:
        if name not in COLUMNS:
            raise InputError(f"{table}: column {name}", "a known column", "none of that name",
                             did_you_mean(name, COLUMNS))
    for name in _REQUIRED:
        if name not in header:
            raise InputError(table, f"a column {name}", ", ".join(header) or "an empty file")
    reader.fieldnames = header
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise InputError(f"{table} line {reader.line_num}", f"{len(header)} fields", "another number")
        full = {name: (row.get(name) or "").strip() for name in COLUMNS}
        full["split"] = full["split"] or "train"
        if full["role"] not in _ROLES:
            raise InputError(f"{table} line {reader.line_num}: role", "query, gallery or empty", full["role"])
        rows.append(full)
    return rows

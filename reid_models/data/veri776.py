"""VeRi-776 (Liu et al.): `VVVV_cCCC_FFFFFFFF_N.jpg` in `image_{train,query,test}/`, listed by `name_*.txt`.

`gt_image.txt` and `jk_image.txt` give the right and the junk gallery images of every query; older releases
hold 1-based gallery numbers in `gt_index_776.txt` and `jk_index_776.txt`. Without them both follow from the
names: right = same vehicle in another camera, junk = same vehicle in the same camera. `test_track.txt` holds
the gallery's tracks; a training track is one vehicle in one camera, as VKD groups them.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.data.files import existing_images, expect_file, find_root, read_lines
from reid_models.data.label_xml import read_label_items
from reid_models.data.relevance import JUNK_SAME_IDENTITY_AND_CAMERA, Relevance, judge, row_lists
from reid_models.data.samples import UNKNOWN, ReidSamples, ReidTask
from reid_models.data.tracks import read_track_file

SPLITS = ("train", "query", "test")
TASKS = ("test",)

_NAME = re.compile(r"(\d+)_c(\d+)")  # as fast-reid reads it; the rest of the name is a frame number and a box number


def load_split(root: Path, split: str) -> ReidSamples:
    """The images of `name_<split>.txt`, in its order; tracklets of "query" are unknown."""
    root = find_root(root, f"name_{split}.txt", f"the list of {split} images")
    names = read_lines(root / f"name_{split}.txt")
    vehicles, cameras = _parse(root, split, names)
    return ReidSamples(existing_images(root / f"image_{split}", names, f"name_{split}.txt"), vehicles, cameras,
                       _tracklets(root, split, names, vehicles, cameras), _kinds(root, split, names))


def load_tasks(root: Path, split: str) -> tuple[ReidTask, ...]:
    """The official task: 1,678 queries among 11,579 gallery images."""
    query, gallery = load_split(root, "query"), load_split(root, split)
    root = find_root(root, "name_query.txt", "the list of query images")
    by_name = judge(query.identities, gallery.identities, query.cameras, gallery.cameras)
    for good, junk, first_row in (("gt_image.txt", "jk_image.txt", None), ("gt_index_776.txt", "jk_index_776.txt", 1)):
        if (root / good).exists():
            expect_file(root / junk, f"the junk images that go with {good}")
            right, left_out = (_read_lists(root / name, query, gallery, first_row) for name in (good, junk))
            # An image that both lists name is left out: the junk list is the later word on it.
            relevance = Relevance(row_lists([np.setdiff1d(r, j) for r, j in zip(right, left_out, strict=True)]),
                                  row_lists(left_out), len(gallery))
            note = "" if _same(relevance, by_name) else f"{good} and {junk} differ from the names; the files win"
            return (_task(query, gallery, relevance, f"{good} and {junk}", note),)
    return (_task(query, gallery, by_name, JUNK_SAME_IDENTITY_AND_CAMERA, ""),)


def _task(query: ReidSamples, gallery: ReidSamples, relevance: Relevance, junk_rule: str, note: str) -> ReidTask:
    return ReidTask("veri-776/test", query, gallery, relevance, ("",) * len(query), junk_rule, note=note)


def _parse(root: Path, split: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    matches = [_NAME.match(name) for name in names]
    for name, match in zip(names, matches, strict=True):
        if match is None:
            raise InputError(root / f"name_{split}.txt", "names like 0002_c002_00030600_0.jpg", name)
    numbers = np.array([[int(m[1]), int(m[2])] for m in matches if m], dtype=np.int64).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def _tracklets(root: Path, split: str, names: list[str], vehicles: np.ndarray, cameras: np.ndarray) -> np.ndarray:
    if split == "train":
        _, tracklets = np.unique(np.stack([vehicles, cameras], axis=1), axis=0, return_inverse=True)
        return tracklets.reshape(-1)
    if split == "test" and (root / "test_track.txt").exists():
        return read_track_file(root / "test_track.txt", names)
    return np.full(len(names), UNKNOWN)


def _kinds(root: Path, split: str, names: list[str]) -> tuple[str, ...]:
    """The words of `list_type.txt` ("1 sedan" …) for the types in `<split>_label.xml`, "" where either is absent."""
    labels, words = root / f"{split}_label.xml", root / "list_type.txt"
    if not labels.exists() or not words.exists():
        return ("",) * len(names)
    word_of = {match[1]: match[2].strip() for line in read_lines(words) if (match := re.match(r"(\d+)\W+(.+)", line))}
    type_of = {item["imageName"]: item.get("typeID", "") for item in read_label_items(labels, "labels")}
    return tuple(word_of.get(type_of.get(name, ""), "") for name in names)


def _read_lists(path: Path, query: ReidSamples, gallery: ReidSamples, first_row: int | None) -> list[np.ndarray]:
    """Gallery rows of each query line; `first_row` is what numbers count from, None where the file holds names."""
    lines = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    lines += [[]] * (len(query) - len(lines))  # the last queries may have empty lines
    if len(lines) != len(query):
        raise InputError(path, f"{len(query)} lines, one a query", str(len(lines)))
    place = {name.name: row for row, name in enumerate(gallery.paths)}
    rows = []
    for own, words in zip(query.paths, lines, strict=True):
        if first_row is not None:
            rows.append(np.array([int(word) - first_row for word in words if word != "0"], dtype=np.int64))
            continue
        unknown = [word for word in words if word not in place and word != own.name]
        if unknown:
            raise InputError(path, "images of name_test.txt", unknown[0])
        rows.append(np.array([place[word] for word in words if word in place], dtype=np.int64))
    return rows


def _same(one: Relevance, two: Relevance) -> bool:
    return all(np.array_equal(a.offsets, b.offsets) and np.array_equal(a.rows, b.rows)
               for a, b in ((one.good, two.good), (one.junk, two.junk)))

"""The two-view set: `images/**/KIND_NNNN_camK.jpg`, one photograph of each vehicle in each of two cameras.

`train.txt` and `val.txt` list file names; their identities are disjoint. The number NNNN counts inside a
kind, so an identity is (kind, number).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.data.files import expect_file, index_images, read_lines
from reid_models.data.relevance import JUNK_SAME_CAMERA, judge
from reid_models.data.samples import UNKNOWN, ReidSamples, ReidTask, number_words

SPLITS = ("train", "val")
TASKS = SPLITS

_NAME = re.compile(r"(?P<kind>[A-Za-z]+)_(?P<number>\d+)_cam(?P<camera>\d+)\.(?:jpg|jpeg|png)$", re.IGNORECASE)


def load_split(root: Path, split: str) -> ReidSamples:
    """The photographs of one list, sorted by name. Identities are numbered over both lists."""
    images = index_images(root / "images")
    names = {name: read_lines(expect_file(root / f"{name}.txt", "the list of its photographs")) for name in SPLITS
             if name == split or (root / f"{name}.txt").exists()}
    every = [_vehicle(root, name) for listed in names.values() for name in listed]
    place = dict(zip(every, number_words(every).tolist(), strict=True))
    chosen = sorted(names[split])
    for name in chosen:
        if name not in images:
            raise InputError(root / "images" / name, f"the photograph that {split}.txt lists", "no such file",
                             "Unpack the data set again.")
    matches = [_parse(root, name) for name in chosen]
    return ReidSamples(
        tuple(images[name] for name in chosen),
        np.array([place[_vehicle(root, name)] for name in chosen], dtype=np.int64),
        np.array([int(match["camera"]) for match in matches], dtype=np.int64),
        np.full(len(chosen), UNKNOWN),
        tuple(match["kind"].lower() for match in matches),
    )


def load_tasks(root: Path, split: str) -> tuple[ReidTask, ...]:
    """Every photograph is a query, all photographs of the other cameras are its gallery."""
    samples = load_split(root, split)
    relevance = judge(samples.identities, samples.identities, samples.cameras, samples.cameras, JUNK_SAME_CAMERA)
    cameras = np.unique(samples.cameras)
    others = {int(c): ",".join(f"cam{o}" for o in cameras if o != c) for c in cameras}
    groups = tuple(f"cam{camera}->{others[camera]}" for camera in samples.cameras.tolist())
    return (ReidTask(f"two-view/{split}", samples, samples, relevance, groups, JUNK_SAME_CAMERA),)


def _parse(root: Path, name: str) -> re.Match[str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(root / name, "a name like car_0001_cam1.jpg", name)
    return match


def _vehicle(root: Path, name: str) -> str:
    match = _parse(root, name)
    return f"{match['kind'].lower()}_{int(match['number']):06d}"

"""VERI-Wild (Lou et al., CVPR 2019): `images/<vehicle>/<image>.jpg`, lists in `train_test_split/`.

`vehicle_info.txt` has a header and lines "vehicle/image;camera;time;model;type;colour". Images of the query's
vehicle from its camera are junk, as fast-reid scores it (the authors' own rule could not be checked).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.data.files import expect_file, expect_folder, find_root, read_lines
from reid_models.data.relevance import JUNK_SAME_IDENTITY_AND_CAMERA, judge
from reid_models.data.samples import UNKNOWN, ReidSamples, ReidTask

TASKS = ("test-3000", "test-5000", "test-10000")
SPLITS = ("train", *TASKS, *(f"{task}-query" for task in TASKS))


def load_split(root: Path, split: str) -> ReidSamples:
    """The images of one list, in its order."""
    root = find_root(root, "train_test_split", "the folder of the image lists")
    lists = root / "train_test_split"
    listed = lists / ("train_list.txt" if split == "train" else split.replace("-", "_") + ".txt")
    info = _read_info(expect_file(lists / "vehicle_info.txt", "camera and type of every image"))
    expect_folder(root / "images", "the images, a folder a vehicle")
    paths, vehicles, cameras, kinds = [], [], [], []
    for line in read_lines(expect_file(listed, f"the list of {split} images")):
        name = line.split()[0].removesuffix(".jpg")
        vehicle, slash, image = name.partition("/")
        if not slash or not vehicle.isdecimal():
            raise InputError(listed, "lines vehicle/image", line)
        if name not in info:
            raise InputError(lists / "vehicle_info.txt", f"a line for {name}", "none")
        paths.append(root / "images" / vehicle / f"{image}.jpg")
        vehicles.append(int(vehicle))
        cameras.append(info[name][0])
        kinds.append(info[name][1])
    _expect_images(paths, listed.name)
    return ReidSamples(tuple(paths), np.array(vehicles, dtype=np.int64), np.array(cameras, dtype=np.int64),
                       np.full(len(paths), UNKNOWN), tuple(kinds))


def load_tasks(root: Path, split: str) -> tuple[ReidTask, ...]:
    """The queries of `test_<size>_query.txt` among the images of `test_<size>.txt`."""
    query, gallery = load_split(root, f"{split}-query"), load_split(root, split)
    relevance = judge(query.identities, gallery.identities, query.cameras, gallery.cameras)
    return (ReidTask(f"veri-wild/{split}", query, gallery, relevance, ("",) * len(query),
                     JUNK_SAME_IDENTITY_AND_CAMERA),)


def _read_info(path: Path) -> dict[str, tuple[int, str]]:
    """vehicle/image → camera number and type."""
    info = {}
    for number, line in enumerate(read_lines(path), start=1):
        fields = [field.strip() for field in line.split(";")]
        if number == 1 and not fields[0][:1].isdecimal():
            continue
        if len(fields) < 2 or not fields[1].isdecimal():
            raise InputError(f"{path} line {number}", "vehicle/image;camera;time;model;type;colour", line)
        info[fields[0]] = int(fields[1]), fields[4].lower() if len(fields) > 4 else ""
    return info


def _expect_images(paths: list[Path], listed: str) -> None:
    there: dict[Path, set[str]] = {}
    for path in paths:
        if path.parent not in there:
            there[path.parent] = {p.name for p in path.parent.iterdir()} if path.parent.is_dir() else set()
    missing = [path for path in paths if path.name not in there[path.parent]]
    if missing:
        raise InputError(missing[0], f"an image that {listed} lists",
                         f"no such file ({len(missing)} of {len(paths)} are missing)", "Unpack the data set again.")

"""CityFlow-ReID in the layouts of AI City 2020 (Track 2) and 2021 (CityFlowV2-ReID).

`image_{train,query,test}/000001.jpg …`, `train_label.xml` with vehicle and camera, `train_track.txt` and
`test_track.txt` with one track a line. The labels of queries and test images are not public; the release of
2021 adds their cameras (`query_label.xml`, `test_label.xml`), that of 2020 lists them in `name_*.txt`.

Splits: "train", "query" and "test" as published; "local-scene" holds out the training identities 1 to 95,
which come from one scene, and "local-train" is the rest. Scores on "local-scene" stand beside no published row.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.data.files import IMAGE_SUFFIXES, existing_images, expect_file, expect_folder, find_root, read_lines
from reid_models.data.label_xml import read_label_items
from reid_models.data.relevance import JUNK_NONE, JUNK_SAME_IDENTITY_AND_CAMERA, Relevance, judge, row_lists
from reid_models.data.samples import UNKNOWN, ReidSamples, ReidTask
from reid_models.data.tracks import read_track_file

SPLITS = ("train", "local-train", "local-scene", "query", "test")
TASKS = ("local-scene", "test")

# The identities that VOC-ReID (second in 2020) held out of the 2020 training set; consecutive numbers are one scene.
LAST_LOCAL_IDENTITY = 95


def load_split(root: Path, split: str) -> ReidSamples:
    """The images of one split, sorted by name."""
    if split in ("query", "test"):
        return _load_unlabelled(root, split)
    train = _load_train(root)
    held_out = (train.identities >= 1) & (train.identities <= LAST_LOCAL_IDENTITY)
    if split == "train":
        return train
    if held_out.all() or not held_out.any():
        raise InputError(root / "train_label.xml", f"vehicles numbered up to {LAST_LOCAL_IDENTITY} and others, "
                         "of which the first are held out", f"{int(held_out.sum())} of {len(train)} images held out")
    return train.select(held_out if split == "local-scene" else ~held_out)


def load_tasks(root: Path, split: str) -> tuple[ReidTask, ...]:
    """The local task with answers, or the official one without."""
    return (_local_task(root) if split == "local-scene" else _official_task(root),)


def _local_task(root: Path) -> ReidTask:
    """One query for each vehicle in each camera: the middle image of its first track; gallery: all images."""
    gallery = load_split(root, "local-scene")
    query = gallery.select(middle_images(gallery))
    trained = np.unique(load_split(root, "local-train").cameras)
    shared = np.intersect1d(trained, gallery.cameras)
    note = (f"local split (identities 1 to {LAST_LOCAL_IDENTITY}), not the published test; {len(shared)} of its "
            f"{len(np.unique(gallery.cameras))} cameras are also in local-train")
    relevance = judge(query.identities, gallery.identities, query.cameras, gallery.cameras)
    return ReidTask("cityflow-reid/local-scene", query, gallery, relevance, ("",) * len(query),
                    JUNK_SAME_IDENTITY_AND_CAMERA, note=note)


def middle_images(samples: ReidSamples) -> np.ndarray:
    """int64: for each (identity, camera), in sorted order, the row of the middle image of its first tracklet."""
    order = np.lexsort((np.arange(len(samples)), samples.tracklets, samples.cameras, samples.identities))
    chosen = []
    keys = np.stack([samples.identities, samples.cameras, samples.tracklets], axis=1)[order]
    tracks = np.split(order, np.flatnonzero((np.diff(keys, axis=0) != 0).any(axis=1)) + 1)
    seen: set[tuple[int, int]] = set()
    for rows in tracks:
        if len(rows) and (key := (int(samples.identities[rows[0]]), int(samples.cameras[rows[0]]))) not in seen:
            seen.add(key)
            chosen.append(int(rows[len(rows) // 2]))
    return np.array(chosen, dtype=np.int64)


def _official_task(root: Path) -> ReidTask:
    query, gallery = load_split(root, "query"), load_split(root, "test")
    nothing = row_lists([[]] * len(query))
    return ReidTask("cityflow-reid/test", query, gallery, Relevance(nothing, nothing, len(gallery)), ("",) * len(query),
                    JUNK_NONE, labelled=False, note="the answers of the official test are not public")


def _load_train(root: Path) -> ReidSamples:
    root = find_root(root, "train_label.xml", "the labels of the training images (vehicleID, cameraID)")
    items = sorted(read_label_items(root / "train_label.xml", "training labels"), key=lambda item: item["imageName"])
    names = [item["imageName"] for item in items]
    return ReidSamples(
        existing_images(root / "image_train", names, "train_label.xml"),
        np.array([_number(root / "train_label.xml", item, "vehicleID") for item in items], dtype=np.int64),
        np.array([_number(root / "train_label.xml", item, "cameraID") for item in items], dtype=np.int64),
        read_track_file(expect_file(root / "train_track.txt", "the tracks of the training images"), names),
        ("",) * len(names),
    )


def _load_unlabelled(root: Path, split: str) -> ReidSamples:
    root = find_root(root, f"image_{split}", f"the folder of the {split} images")
    labels, listed = root / f"{split}_label.xml", root / f"name_{split}.txt"
    cameras: dict[str, int] = {}
    if labels.exists():
        items = read_label_items(labels, f"cameras of the {split} images")
        cameras = {item["imageName"]: _number(labels, item, "cameraID") for item in items if "cameraID" in item}
    listed_names = read_lines(listed) if listed.exists() else list(cameras)
    names = sorted(listed_names) or _images_in(root / f"image_{split}")
    tracklets = np.full(len(names), UNKNOWN, dtype=np.int64)
    if split == "test":
        tracklets = read_track_file(expect_file(root / "test_track.txt", "the tracks of the test images"), names)
    return ReidSamples(
        existing_images(root / f"image_{split}", names, listed.name if listed.exists() else labels.name),
        np.full(len(names), UNKNOWN, dtype=np.int64),
        np.array([cameras.get(name, UNKNOWN) for name in names], dtype=np.int64), tracklets, ("",) * len(names))


def _images_in(folder: Path) -> list[str]:
    names = [name for name in os.listdir(expect_folder(folder, "images")) if name.lower().endswith(IMAGE_SUFFIXES)]
    if not names:
        raise InputError(folder, "images such as 000001.jpg", "none", "Unpack the data set again.")
    return sorted(names)


def _number(path: Path, item: dict[str, str], key: str) -> int:
    """The number in "0095" or "c006"."""
    text = item.get(key, "").strip()
    digits = text[1:] if text[:1] in ("c", "C") else text
    if not digits.isdecimal():
        raise InputError(f"{path}: {item['imageName']}", f"a number in {key}", repr(text))
    return int(digits)

"""PKU VehicleID: `image/<number>.jpg`, lists of "image vehicle" lines in `train_test_split/`; no cameras.

A test of one size puts one random image of each vehicle into the gallery and makes the others queries, ten
times over; the scores are averaged (Liu et al., CVPR 2016). The draws come from a fixed seed here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.data.files import existing_images, expect_file, find_root, read_lines
from reid_models.data.relevance import JUNK_NONE, judge
from reid_models.data.samples import UNKNOWN, ReidSamples, ReidTask

TASKS = ("test-800", "test-1600", "test-2400")
SPLITS = ("train", *TASKS)

REPETITIONS = 10  # as the authors' protocol
SEED = 0  # of the draws, so that two scorings of one model agree


def load_split(root: Path, split: str) -> ReidSamples:
    """The images of one list, in its order."""
    root = find_root(root, "train_test_split", "the folder of the image lists")
    name = "train_list.txt" if split == "train" else split.replace("test-", "test_list_") + ".txt"
    listed = root / "train_test_split" / name
    names, vehicles = [], []
    for number, line in enumerate(read_lines(expect_file(listed, f"the list of {split} images")), start=1):
        words = line.split()
        if len(words) != 2 or not all(word.isdecimal() for word in words):
            raise InputError(f"{listed} line {number}", "an image number and a vehicle number", line)
        names.append(f"{words[0]}.jpg")
        vehicles.append(int(words[1]))
    unknown = np.full(len(names), UNKNOWN)
    return ReidSamples(existing_images(root / "image", names, listed.name), np.array(vehicles, dtype=np.int64),
                       unknown, unknown, ("",) * len(names))


def load_tasks(root: Path, split: str) -> tuple[ReidTask, ...]:
    """Ten tasks with galleries of one image a vehicle."""
    samples = load_split(root, split)
    draws = np.random.default_rng(SEED)
    tasks = []
    for repetition in range(REPETITIONS):
        in_gallery = np.zeros(len(samples), dtype=bool)
        shuffled = draws.permutation(len(samples))
        _, first = np.unique(samples.identities[shuffled], return_index=True)
        in_gallery[shuffled[first]] = True
        query, gallery = samples.select(~in_gallery), samples.select(in_gallery)
        relevance = judge(query.identities, gallery.identities, query.cameras, gallery.cameras, JUNK_NONE)
        tasks.append(ReidTask(f"vehicleid/{split} draw {repetition + 1}", query, gallery, relevance,
                              ("",) * len(query), JUNK_NONE))
    return tuple(tasks)

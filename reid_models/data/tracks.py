"""Track files: one passage a line, image names apart by blanks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.data.files import read_lines
from reid_models.data.samples import UNKNOWN


def read_track_file(path: Path, names: Sequence[str]) -> np.ndarray:
    """int64 (N,): for each image name the number of its line (from 0), -1 where no line has it.

    A first word that is no image (VeRi-776 starts with the track's name) is passed over; images that are
    not among `names` (a subset of the split) are passed over too if they look like images. Raises `InputError` for an
    image on two lines, or a file that names none of the images.
    """
    place = {name: row for row, name in enumerate(names)}
    tracklets = np.full(len(names), UNKNOWN, dtype=np.int64)
    for number, line in enumerate(read_lines(path)):
        for word in line.split():
            row = place.get(word)
            if row is None:
                continue
            if tracklets[row] not in (UNKNOWN, number):
                raise InputError(f"{path} line {number + 1}", "each image on one line",
                                 f"{word} also on line {tracklets[row] + 1}")
            tracklets[row] = number
    if len(names) and (tracklets == UNKNOWN).all():
        raise InputError(path, f"tracks of images such as {names[0]}", "none of them",
                         "Does the file belong to this data set?")
    return tracklets

"""Attributes of training images: which there are, and each image's labels as numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.attributes.labels import MISSING, AttributeLabels, read_attribute_table
from reid_models.data.samples import ReidSamples

Vocabulary = tuple[tuple[str, tuple[str, ...]], ...]


def labels_of(samples: ReidSamples, table: str = "") -> AttributeLabels:
    """The samples' kinds as "type", and what a CSV (path, type, make, model, colour) says of the same files; where both
    speak, the table. Raises `InputError` where the table knows none of the files."""
    told = {"type": list(samples.kinds)}
    if table:
        pictures, known = read_attribute_table(Path(table))
        place = {picture.resolve(): row for row, picture in enumerate(pictures)}
        rows = [place.get(path.resolve(), MISSING) for path in samples.paths]
        if len(samples) and all(row == MISSING for row in rows):
            raise InputError(table, "labels of the training images", f"none of its {len(pictures)} pictures is one")
        for name, words in known.told().items():
            before = told.get(name, [""] * len(samples))
            told[name] = [words[row] if row != MISSING and words[row] else other
                          for row, other in zip(rows, before, strict=True)]
    return AttributeLabels.of(told)


def vocabulary_of(samples: ReidSamples, table: str = "") -> Vocabulary:
    """Every attribute of the samples with its words, for `ModelConfig.attributes`."""
    labels = labels_of(samples, table)
    return tuple((name, labels.words[name]) for name in labels.names)


def places_of(samples: ReidSamples, vocabulary: Vocabulary, table: str = "") -> np.ndarray:
    """int64 (N, A): the place of each image's word in the vocabulary, `MISSING` where unknown; (N, 0) without one."""
    if not vocabulary:
        return np.zeros((len(samples), 0), np.int64)
    told = labels_of(samples, table).told()
    columns = []
    for name, words in vocabulary:
        place = {word: number for number, word in enumerate(words)}
        columns.append([place.get(word, MISSING) for word in told.get(name, [""] * len(samples))])
    return np.array(columns, np.int64).T.reshape(len(samples), len(vocabulary))

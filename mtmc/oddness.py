"""Crops and tracklets that are like no other of the run, found without labels (seeds_digest H2): a quality gate before
pooling, and marks in the report. Both are off by default, and then torch is not imported for them.

It finds what stands alone. Mistakes that resemble each other, such as the same piece of street cut out again and
again, are a group of their own and pass (docs/methods.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from mtmc.embedding import Gallery
from mtmc.errors import ConfigError
from mtmc.results.csv_tables import COUNT, INTEGER, TEXT, Column, Kind, write_table
from mtmc.tracklets import TrackletTable
from reid_models.temporal import pool

COLUMNS = (Column("camera_id", TEXT), Column("track_id", INTEGER), Column("normality", Kind(4)), Column("odd", INTEGER),
           Column("odd_crops", COUNT))
NAME = "odd.csv"


@dataclass(frozen=True)
class OddConfig:
    """flag: write `odd.csv` and mark odd tracklets in the report. gate: leave odd crops out of a tracklet's mean vector
    (all of them odd: the most normal one stays). least: normality below which a crop or tracklet is odd, -1 to 1; -1
    finds none. clusters: kinds of normal crops. epochs: of the auto-encoder."""

    flag: bool = False
    gate: bool = False
    # On two-view-dev 0.5 % of crops of vehicles lie below it, and leaving out more of them costs accuracy.
    least: float = 0.3
    clusters: int = 9
    epochs: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if not -1 <= self.least <= 1 or self.clusters < 1 or self.epochs < 1:
            raise ConfigError("odd", "least of -1 to 1, clusters and epochs of 1 or more",
                              f"{self.least}, {self.clusters}, {self.epochs}")

    @property
    def wanted(self) -> bool:
        """Whether anything is to be done."""
        return self.flag or self.gate


@dataclass(frozen=True, eq=False)
class Oddness:
    """crops: float64 (sum of K,), the normality of each crop. tracklets: float64 (M,), the mean over a tracklet's
    crops, NaN for one without. odd: bool (M,). odd_crops: int64 (M,)."""

    crops: np.ndarray
    tracklets: np.ndarray
    odd: np.ndarray
    odd_crops: np.ndarray


def find_odd(gallery: Gallery, config: OddConfig) -> Oddness:
    """Judge all crops of a run against each other."""
    from reid_models.clustering.normality import odd
    from reid_models.clustering.oddness import OddnessConfig, normalities_of

    settings = OddnessConfig(config.clusters)
    settings = replace(settings, network=replace(settings.network, epochs=config.epochs, seed=config.seed))
    crops = normalities_of(np.asarray(gallery.image_embeddings, np.float32), settings)
    parts = [crops[a:b] for a, b in pairwise(gallery.image_offsets.tolist())]
    means = np.array([part.mean() if len(part) else np.nan for part in parts])
    odd_crops = np.array([int(odd(part, config.least).sum()) for part in parts], np.int64)
    return Oddness(crops, means, odd(means, config.least), odd_crops)


def gated(gallery: Gallery, oddness: Oddness, least: float) -> Gallery:
    """The gallery, its tracklets' vectors pooled again without the crops below `least`; a tracklet that loses none
    keeps its vector to the bit. Vectors of single crops stay."""
    embeddings = gallery.embeddings.copy()
    for row, (a, b) in enumerate(pairwise(gallery.image_offsets.tolist())):
        if oddness.odd_crops[row]:
            own = oddness.crops[a:b]
            kept = own >= min(least, float(own.max()))
            embeddings[row] = pool(np.asarray(gallery.image_embeddings[a:b], np.float32)[kept])
    return replace(gallery, embeddings=embeddings)


def write_odd_csv(path: Path, table: TrackletTable, oddness: Oddness) -> None:
    """One row a tracklet, in the table's order: how normal it looks, 1 where it is odd, and how many of its crops."""
    write_table(path, COLUMNS, {
        "camera_id": [table.camera_id(row) for row in range(len(table))], "track_id": table.track_ids,
        "normality": oddness.tracklets, "odd": oddness.odd.astype(np.int64), "odd_crops": oddness.odd_crops,
    })  # fmt: skip


def odd_rows(oddness: Oddness) -> Mapping[int, float]:
    """Row of every odd tracklet → its normality, oddest first."""
    rows = np.flatnonzero(oddness.odd)
    order = rows[np.argsort(oddness.tracklets[rows], kind="stable")]
    return {int(row): float(oddness.tracklets[row]) for row in order}

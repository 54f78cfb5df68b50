"""The conditional GAN against a run's stored features: `tools/privacy_audit.py RUN --generator` (seeds_digest C3)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtmc.config import build
from mtmc.embedder_choice import settle
from mtmc.errors import InputError
from mtmc.privacy.early_maps import early_maps
from mtmc.privacy.folds import fold_numbers
from mtmc.privacy.inversion_attack import InversionResult, Known, invert
from mtmc.privacy.inversion_training import InversionConfig
from mtmc.privacy.run_attributes import StoredTracklets
from mtmc.run_store import RunStore
from reid_models.embedder import Embedder
from reid_models.registry import EmbedderConfig, build_embedder

_FOLDS = 5  # one part of the vehicles is judged


def invert_run(folder: Path, stored: StoredTracklets, config: InversionConfig, own_pictures: Path | None = None
               ) -> tuple[InversionResult, np.ndarray]:
    """Draw the best crops of `stored`, read from the run in `folder`, from their tracklets' vectors.

    own_pictures: a folder of the attacker's own photographs, about which the run's model is asked (the published
    setting); None: the attacker has four fifths of the run's vehicles, and the others are judged. Raises `InputError`
    where no pictures are kept or the run's model makes other vectors than are stored.
    """
    if not len(stored.crops):
        raise InputError(folder, "pictures to judge by", "none kept")
    embedder = embedder_of(folder)
    if embedder.dimension != stored.features.shape[1]:
        raise InputError(folder, f"vectors of {embedder.dimension} numbers, as its embedder makes",
                         f"{stored.features.shape[1]}")  # fmt: skip
    features, vehicles = stored.features[stored.picture_rows], stored.vehicles[stored.picture_rows]
    if own_pictures is not None:
        own, judged = asked_about(own_pictures, embedder), np.ones(len(features), bool)
    else:
        judged = fold_numbers(np.zeros(len(vehicles), np.int64), vehicles, _FOLDS, config.seed) == 0
        own = Known(features[~judged], [stored.crops[row] for row in np.flatnonzero(~judged)])
    intercepted = Known(features[judged], [stored.crops[row] for row in np.flatnonzero(judged)])
    return invert(own, intercepted, embedder.embed, config, early_maps() if config.feature else None)


def asked_about(folder: Path, embedder: Embedder) -> Known:
    """The model's vectors of the pictures below `folder`."""
    from mtmc.archive.pictures import pictures_below, read_picture

    pictures = [read_picture(path) for path in pictures_below(folder)]
    return Known(embedder.embed(pictures), pictures)


def embedder_of(folder: Path) -> Embedder:
    """The embedder that the run in `folder` was made with."""
    told = RunStore(folder).read_run_json()
    config = build(EmbedderConfig, told["config"]["embedder"], f"{folder}/run.json")
    return build_embedder(settle(config, told).config)

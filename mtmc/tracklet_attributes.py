"""Type, make, model and colour of a run's tracklets: each crop is recognised, a vote gives one answer a tracklet.

Off unless a source is named. From labelled pictures (a CSV) the crops' stored vectors are compared with the pictures'
vectors, made by the run's own embedder; from a network's weights file the stored pictures of the crops are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from mtmc.errors import ConfigError, InputError, IntegrityError
from mtmc.gallery import RunTracklets
from mtmc.privacy.vault import Vault
from reid_models.attributes.exemplars import Recognised
from reid_models.attributes.voting import vote
from reid_models.registry import EmbedderConfig


@dataclass(frozen=True)
class AttributesConfig:
    """source: a CSV of labelled pictures (path, type, make, model, colour) or a network's .safetensors with attribute
    heads; "" is off."""

    source: str = ""
    neighbours: int = 1  # nearest pictures that are asked; 1 as published
    per_class: int = 100  # labelled pictures used of each class, as published: classes of equal size
    seed: int = 0  # of the choice among more
    # How much agreement counts as evidence that two tracklets are one vehicle, 0 (off) to 1. Attributes come from the
    # same pictures as the vectors, so they are no independent witness: 1 counts much of it twice.
    matching_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.per_class < 1 or not 0 <= self.matching_weight <= 1:
            raise ConfigError("attributes", "neighbours and per_class of 1 or more, matching_weight 0 to 1",
                              f"{self.neighbours}, {self.per_class}, {self.matching_weight}")


@dataclass(frozen=True, eq=False)
class TrackletAttributes:
    """Of M tracklets, by attribute: answers (M words, "" where there was no crop), confidences float64 (M,), the share
    of the vote behind the answer (NaN where none), and shares float64 (M, C) over the attribute's words (zeros there).
    """

    answers: dict[str, list[str]]
    confidences: dict[str, np.ndarray]
    shares: dict[str, np.ndarray]


def is_network(source: str) -> bool:
    """Whether a source is a network's weights file and not a table of pictures."""
    return Path(source).suffix.lower() == ".safetensors"


def attributes_of(run: RunTracklets, folders: Mapping[str, Path], config: AttributesConfig, embedder: EmbedderConfig,
                  vault: Vault) -> TrackletAttributes:
    """Recognise and vote. folders: camera → its folder, for a network that looks at the stored pictures.

    Raises `InputError` or `WeightsError` where the source cannot be used, or there are no pictures to look at.
    """
    offsets = run.gallery.image_offsets
    if is_network(config.source):
        recognised, reliability = _by_network(run, folders, Path(config.source), embedder, vault)
    else:
        recognised, reliability = _by_exemplars(run.gallery.image_embeddings, config, embedder)
    answers: dict[str, list[str]] = {}
    confidences, shares = {}, {}
    for name, found in recognised.items():
        votes = [vote(found, np.arange(first, last), reliability.get(name)) for first, last in pairwise(offsets)]
        answers[name] = [answer.word for answer, _ in votes]
        confidences[name] = np.array([answer.confidence if answer.word else np.nan for answer, _ in votes], np.float64)
        shares[name] = np.array([own for _, own in votes]).reshape(len(votes), len(found.words))
    return TrackletAttributes(answers, confidences, shares)


def _by_exemplars(vectors: np.ndarray, config: AttributesConfig, embedder: EmbedderConfig,
                  ) -> tuple[dict[str, Recognised], dict[str, np.ndarray]]:
    from reid_models.attributes.exemplars import recognise
    from reid_models.attributes.reading import read_exemplars
    from reid_models.attributes.voting import exemplar_reliability
    from reid_models.registry import build_embedder

    made_by = build_embedder(embedder, compared=True)  # the run's own settings, its back end settled
    exemplars = read_exemplars(Path(config.source), made_by, config.per_class, config.seed)
    if len(vectors) and vectors.shape[1] != exemplars.vectors.shape[1]:
        raise InputError("attributes.source", f"vectors of {vectors.shape[1]} numbers", f"{exemplars.vectors.shape[1]}")
    rows = np.asarray(vectors, np.float32) if len(vectors) else np.zeros((0, exemplars.vectors.shape[1]), np.float32)
    names = exemplars.labels.names
    return ({name: recognise(rows, exemplars, name, config.neighbours) for name in names},
            {name: exemplar_reliability(exemplars, name) for name in names})


def _by_network(run: RunTracklets, folders: Mapping[str, Path], source: Path, embedder: EmbedderConfig,
                vault: Vault) -> tuple[dict[str, Recognised], dict[str, np.ndarray]]:
    import cv2

    from reid_models.attributes.network import AttributeNetwork

    network = AttributeNetwork.load(source, embedder.batch_size, embedder.device, embedder.threads)
    crops = []
    for tracklet, count in zip(run.tracklets, run.crop_counts.tolist(), strict=True):
        for number in range(count):
            path = folders[tracklet.camera_id] / "crops" / f"{tracklet.track_id:06d}_{number}.jpg"
            if not path.is_file():
                raise InputError(path, "the picture of a crop, which the attribute network looks at", "no such file",
                                 "Run without --no-crops, or give labelled pictures (a CSV) in place of a network.")
            image = cv2.imdecode(np.frombuffer(vault.read(path), np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise IntegrityError(path, "a JPEG", "none", "Delete the camera's folder and run again.")
            crops.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    return network.recognise(crops), {}

"""The answer file of AI City Track 2 (2019 to 2021): one line a query, the 100 nearest test images, nearest first.

Images are named by their number, which counts from 1 (`000001.jpg` is 1); lines come in the order of the queries'
names. The answers of that test are not public, so this is all that can be made of it here.
"""

from __future__ import annotations

from pathlib import Path

from mtmc.errors import ConfigError
from mtmc.files import write_text
from reid_models.data.samples import ReidTask
from reid_models.evaluation.features import ImageVectors
from reid_models.evaluation.metrics import TOP
from reid_models.evaluation.protocols import (
    IMAGE_TO_IMAGE,
    IMAGE_TO_TRACKLET_PROPAGATED,
    TRACKLET_TO_TRACKLET,
    apply_protocol,
)
from reid_models.evaluation.ranking import nearest_columns, nearest_of_distances
from reid_models.reranking import RerankConfig, rerank_features


def write_submission(path: Path, protocol: str, task: ReidTask, vectors: ImageVectors, renormalise: bool = True,
                     rerank: RerankConfig | None = None) -> None:
    """Write the answer file. Tracks are spelt out as their images, in the order of the images.

    Raises `ConfigError` for tracklet-to-tracklet: the tracks of the queries are not known.
    """
    if protocol == TRACKLET_TO_TRACKLET:
        raise ConfigError(f"--protocol {protocol}", "a protocol with single images as queries",
                          "queries whose tracks are not public")
    if protocol != IMAGE_TO_IMAGE:
        protocol = IMAGE_TO_TRACKLET_PROPAGATED  # the list must name images
    retrieval = apply_protocol(protocol, task, vectors.of(task.query), vectors.of(task.gallery), renormalise)
    if rerank is None:
        nearest = nearest_columns(retrieval.query_vectors, retrieval.entry_vectors, retrieval.columns, TOP)
    else:
        distances = rerank_features(retrieval.query_vectors, retrieval.entry_vectors, rerank)
        nearest = nearest_of_distances(distances[:, retrieval.columns], TOP)
    numbers = [int(image.stem) if image.stem.isdecimal() else row + 1 for row, image in enumerate(task.gallery.paths)]
    write_text(path, "".join(" ".join(str(numbers[column]) for column in row) + "\n" for row in nearest.tolist()))

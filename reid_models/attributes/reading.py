"""What attributes come from, read from disk without torch: labelled pictures, and whether a network has heads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtmc.errors import WeightsError
from reid_models.attributes.exemplars import PER_CLASS, Exemplars, sample_exemplars
from reid_models.attributes.labels import read_attribute_table
from reid_models.data.images import read_image_rgb
from reid_models.embedder import Embedder
from reid_models.weights_file import read_info


def read_exemplars(table: Path, embedder: Embedder, per_class: int = PER_CLASS, seed: int = 0) -> Exemplars:
    """Up to `per_class` pictures of each word in the table, embedded. Raises `InputError` as `read_attribute_table`
    does, and where a picture is none."""
    pictures, labels = read_attribute_table(table)
    rows = sample_exemplars(labels, per_class, seed)
    step = max(embedder.batch_size, 1)
    parts = [np.zeros((0, embedder.dimension), np.float32)]
    for start in range(0, len(rows), step):
        parts.append(embedder.embed([read_image_rgb(pictures[row]) for row in rows[start : start + step]]))
    return Exemplars(np.concatenate(parts), labels.select(rows))


def require_attribute_heads(weights: Path) -> None:
    """Raises `WeightsError` where a weights file cannot be read or its network knows no attributes."""
    info = read_info(weights)
    if not info.model.attributes:
        raise WeightsError(weights, "a network with attribute heads (multi-task or repnet)", info.model.architecture,
                           "Train one with configs/reid_multi_task.yaml, or give a CSV of labelled pictures.")

"""From pictures to a fitted encoding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.embedder import FINAL_AXES, FINAL_MEAN, local_sets, normalised
from reid_models.encodings.local_set import LocalSet
from reid_models.encodings.registry import Extractor, encoding_class
from reid_models.encodings.storage import EncodingInfo, save_encoding
from reid_models.encodings.whitening import fit_projection

MOST_PICTURES = 2000  # for fitting; more change 256 directions of whitening little and cost a network run each
FEWEST_PICTURES = 8  # below, a whitening says more about chance than about vehicles


def fit_encoding(name: str, config: EncodingConfig, extractor: Extractor, crops_rgb: Sequence[np.ndarray],
                 training_data: str = "") -> tuple[EncodingInfo, dict[str, np.ndarray]]:
    """The encoding `name` fitted on K crops (uint8 h×w×3 RGB); the same crops and settings give the same arrays.

    Raises `InputError` where there are too few crops, or they have too few local features.
    """
    if len(crops_rgb) < FEWEST_PICTURES:
        raise InputError(f"pictures to fit {name} on", f"{FEWEST_PICTURES} or more", str(len(crops_rgb)),
                         "Give more pictures.")
    return fit_sets(name, config, local_sets(extractor, crops_rgb), extractor.backbone_sha256, training_data)


def fit_sets(name: str, config: EncodingConfig, sets: Sequence[LocalSet], backbone_sha256: str = "",
             training_data: str = "") -> tuple[EncodingInfo, dict[str, np.ndarray]]:
    """The same, from local features."""
    encoding = encoding_class(name)(config)
    arrays = encoding.fit(sets)
    rows = np.stack([normalised(encoding.encode(s, arrays), config) for s in sets])
    if config.dimension:
        arrays[FINAL_MEAN], arrays[FINAL_AXES] = fit_projection(rows, config.dimension, config.whiten, config.ridge)
    dimension = arrays[FINAL_AXES].shape[1] if FINAL_AXES in arrays else rows.shape[1]
    return EncodingInfo(name, config, backbone_sha256, training_data, dimension), arrays


def evenly(items: Sequence, most: int = MOST_PICTURES) -> list:
    """At most `most` of the items, evenly taken, in order."""
    if len(items) <= most:
        return list(items)
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, most)]


def fit_to_file(path: Path, name: str, config: EncodingConfig, extractor: Extractor,
                crops_rgb: Sequence[np.ndarray], training_data: str = "") -> EncodingInfo:
    """Fit and write; returns the description."""
    info, arrays = fit_encoding(name, config, extractor, crops_rgb, training_data)
    save_encoding(path, info, arrays)
    return info

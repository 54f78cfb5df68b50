"""Encodings by name. Each name is one module with one class: `default`, `fit` and `encode`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from mtmc.config import did_you_mean
from mtmc.errors import ConfigError
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet
from reid_models.encodings.names import ENCODINGS as ENCODINGS

_CLASSES = {
    "bag-of-words": ("bag_of_words", "BagOfWords"),
    "vlad": ("vlad", "Vlad"),
    "fisher": ("fisher", "Fisher"),
    "mop-cnn": ("mop_cnn", "MopCnn"),
    "spoc": ("spoc", "Spoc"),
    "regions": ("regions", "Regions"),
    "second-order": ("second_order", "SecondOrder"),
}


class Encoding(Protocol):
    """One way to gather local features into a vector."""

    default: EncodingConfig

    def __init__(self, config: EncodingConfig) -> None: ...

    def fit(self, sets: Sequence[LocalSet]) -> dict[str, np.ndarray]:
        """What must be learned from the local features of some pictures, as named float32 arrays."""
        ...

    def encode(self, features: LocalSet, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """float32 (D,), of any length, D the same whatever the set holds. `arrays`: what `fit` gave."""
        ...


class Extractor(Protocol):
    """Crops to local features. backbone_sha256: of the network behind it, "" without one."""

    input_hw: tuple[int, int]
    batch_size: int
    backbone_sha256: str

    def extract(self, crops_rgb: Sequence[np.ndarray]) -> list[LocalSet]:
        """One set a crop, in order; a crop's set does not depend on its companions."""
        ...


def encoding_class(name: str) -> type[Encoding]:
    """The class of a name. Raises `ConfigError` for an unknown one."""
    if name not in _CLASSES:
        raise ConfigError("encoding", "one of " + ", ".join(ENCODINGS), name, did_you_mean(name, ENCODINGS))
    module, cls = _CLASSES[name]
    return getattr(importlib.import_module(f"reid_models.encodings.{module}"), cls)


def build_extractor(config: EncodingConfig, backbone: Path, batch_size: int = 32, device: str = "auto",
                    threads: int = 0) -> Extractor:
    """What `config.features` asks for; torch and `backbone` are only touched for a network's."""
    if config.features in ("sift", "dense-sift"):
        from reid_models.encodings.sift import SiftFeatures

        return SiftFeatures(config, batch_size)
    from reid_models.encodings.conv_features import ConvFeatures

    return ConvFeatures(config, backbone, batch_size, device, threads)

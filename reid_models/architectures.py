"""Networks by the name that `model.architecture` gives. The only place that knows the names; needs no torch itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reid_models.embedding_network import EmbeddingNetwork
    from reid_models.model_config import ModelConfig


@dataclass(frozen=True)
class Architecture:
    """Where a network's class stands, and the length of its vectors. The class is built from
    (ModelConfig, identities, kinds); 0 of either leaves that classifier out. learns_attributes: it has a head for each
    of `ModelConfig.attributes`. needs_kinds: it learns from the vehicles' kinds alone."""

    module: str
    name: str
    dimension: Callable[[ModelConfig], int]
    learns_attributes: bool = False
    needs_kinds: bool = False


def _all_taps(config: ModelConfig) -> int:
    return sum(config.embedding_dim or config.channels[tap - 1] for tap in config.taps)


def _regional(config: ModelConfig) -> int:
    return config.channels[3] + config.stripes * config.stripe_channels


def _one_level(config: ModelConfig) -> int:
    return config.embedding_dim


ARCHITECTURES = {
    "multilevel": Architecture("reid_models.multilevel_resnet", "MultilevelResNet", _all_taps),
    "global-regional": Architecture("reid_models.global_regional_resnet", "GlobalRegionalResNet", _regional),
    "learned-fusion": Architecture("reid_models.learned_fusion_resnet", "LearnedFusionResNet", _one_level),
    "mixed-difference": Architecture("reid_models.mixed_difference_resnet", "MixedDifferenceResNet", _one_level),
    "multi-task": Architecture("reid_models.attributes.multi_task_resnet", "MultiTaskResNet", _all_taps,
                               learns_attributes=True),
    "cross-level": Architecture("reid_models.attributes.cross_level_resnet", "CrossLevelResNet", _one_level,
                                needs_kinds=True),
    "repnet": Architecture("reid_models.attributes.repnet", "RepNetResNet", _one_level, learns_attributes=True),
}


def dimension_of(config: ModelConfig) -> int:
    """Length of the vectors of a network."""
    return ARCHITECTURES[config.architecture].dimension(config)


def build_network(config: ModelConfig, identities: int = 0, kinds: int = 0) -> EmbeddingNetwork:
    """The network of a configuration with random weights. identities, kinds: how many classes training tells apart;
    0 for a network in use. Raises `ConfigError` where the settings do not fit the architecture."""
    architecture = ARCHITECTURES[config.architecture]
    return getattr(importlib.import_module(architecture.module), architecture.name)(config, identities, kinds)

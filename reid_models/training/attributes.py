"""Attributes in training: the network learns those that its images have, where it has heads for them."""

from __future__ import annotations

from dataclasses import replace

from mtmc.errors import ConfigError, InputError
from reid_models.architectures import ARCHITECTURES
from reid_models.attributes.multi_task import attribute_hits
from reid_models.attributes.training_labels import vocabulary_of
from reid_models.data.marks import Marks
from reid_models.data.samples import ReidSamples
from reid_models.embedding_network import Levels
from reid_models.losses.objective import Parts
from reid_models.training.config import TrainConfig


def with_attributes(config: TrainConfig, training: ReidSamples) -> TrainConfig:
    """`config` with the attributes of the training images written into the model, where its architecture learns them.

    Raises `InputError` where there are none, or no kinds for an architecture that learns from nothing else, and
    `ConfigError` for shares of another number of attributes.
    """
    architecture = ARCHITECTURES[config.model.architecture]
    if architecture.needs_kinds and not any(training.kinds):
        raise InputError("training images", "kinds, which are all that this network learns from", "none")
    if not architecture.learns_attributes:
        return config
    found = config.model.attributes or vocabulary_of(training, config.data.attributes)
    if not found:
        raise InputError("training images", "kinds or a table of attributes (data.attributes)", "neither")
    if config.loss.attribute_shares and len(config.loss.attribute_shares) != len(found):
        raise ConfigError("loss.attribute_shares", f"one for each of {', '.join(name for name, _ in found)}",
                          str(config.loss.attribute_shares))
    return replace(config, model=replace(config.model, attributes=found))


def with_accuracies(parts: Parts, levels: Levels, marks: Marks, config: TrainConfig) -> Parts:
    """The parts with each attribute's share found right in this batch, for the log; 0 where no label is known."""
    if not levels.attributes:
        return parts
    hits = attribute_hits(levels.attributes, marks.attributes)
    for (name, _), (right, known) in zip(config.model.attributes, hits, strict=True):
        parts = parts.plus(f"{name}_accuracy", parts.total.new_tensor(right / max(known, 1)), 0.0)
    return parts

"""Fine-tuning an embedder on a run's own tracklets, without labels, and judging it on a part it never saw (E7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mtmc.errors import ConfigError, InputError
from reid_models.adaptation.holding_out import families_of, held_out
from reid_models.adaptation.judging import Comparison, compare, judge_part
from reid_models.adaptation.mining import NOISE, MiningConfig, from_sure_negatives, mine_groups, without_doubt
from reid_models.adaptation.run_passages import Passages, pooled, read_passages
from reid_models.data.sampler import SamplerConfig
from reid_models.data.samples import ReidSamples
from reid_models.data.transits import TransitConfig, sure_negatives
from reid_models.network_embedder import resolve_device
from reid_models.training.config import DataConfig, OptimiserConfig, TrainConfig
from reid_models.training.loop import Trainer
from reid_models.training.validation import embed_samples
from reid_models.weights import WeightsInfo, load_weights

ADAPTED = "adapted.safetensors"
_FEWEST = 2  # vehicles to learn from; below that there is nobody to tell apart


def _fine_tuning() -> TrainConfig:
    return TrainConfig(
        data=DataConfig(dataset="run", split="all", validation_share=0.0, augmentation="cameras", workers=0),
        sampler=SamplerConfig(identities=8, images_per_identity=4),
        # A tenth of what training from scratch takes: the network is to move, not to forget.
        optimiser=OptimiserConfig(learning_rate=1e-4, ema=0.95),
        steps=200,
    )


@dataclass(frozen=True)
class AdaptConfig:
    """How a run is learned from.

    linked: where the run's matcher linked tracklets, by looks and travel times together, they count as one vehicle
    beside the mined groups; False uses looks and sure negatives alone. holdout_share: of the tracklets, the latest
    vehicles, kept for judging. training: as in train_reid; its model is that of the weights.
    """

    mining: MiningConfig = field(default_factory=MiningConfig)
    linked: bool = False
    holdout_share: float = 0.3
    training: TrainConfig = field(default_factory=_fine_tuning)


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned from: the crops with their pseudo-identities. threshold: that was used. groups: of two tracklets
    or more. tracklets: used of those that were not held out (`available`)."""

    samples: ReidSamples
    threshold: float
    groups: int
    tracklets: int
    available: int


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What came of it. weights: the adapted file as trained, whether it helped or not."""

    lesson: Lesson
    held_out: int
    comparison: Comparison
    weights: Path


def adapt(run: Path, weights: Path, out: Path, config: AdaptConfig, stop: Iterable[bool] = ()) -> Adaptation:
    """Learn from `run` starting with `weights`; everything is written below `out`. The given weights are only read.

    Raises `InputError` where the run holds too little, `TrainingStopped` after a signal; the same call continues.
    """
    model, info = load_weights(weights)
    if dataclasses.asdict(config.training.model) != dataclasses.asdict(TrainConfig().model):
        raise ConfigError("training.model", "none, since it is that of the weights", str(config.training.model))
    training = dataclasses.replace(config.training, model=info.model)
    device = resolve_device(training.device)
    if training.threads:
        torch.set_num_threads(training.threads)
    passages = read_passages(run)
    negatives = sure_negatives(passages.cameras, passages.spans_s, TransitConfig(overlapping_views=True))
    before = embed_samples(model.to(device), passages.samples, device, torch.float32)
    lesson, part = prepare_lesson(passages, pooled(passages, before), negatives, config)
    training = _with_room_for(training, lesson)
    described = f"{len(lesson.samples)} unlabelled crops of the run {Path(run).resolve().name}, from {info.name}"
    trainer = Trainer(training, lesson.samples, lesson.samples.select(np.zeros(0, np.int64)), Path(out) / "training",
                      WeightsInfo(info.model, f"{info.name}-adapted", info.licence, described), start=model)
    result = trainer.run(stop)
    adapted, _ = load_weights(result.weights)
    after = embed_samples(adapted.to(device), passages.samples, device, torch.float32)
    old, new = (judge_part(passages, part, negatives, vectors) for vectors in (before, after))
    return Adaptation(lesson, int(part.sum()), compare(passages, part, old, new), result.weights)


def prepare_lesson(
    passages: Passages, embeddings: np.ndarray, negatives: np.ndarray, config: AdaptConfig
) -> tuple[Lesson, np.ndarray]:
    """The crops to learn from, and which tracklets are held out, bool (M,). embeddings: (M, D)."""
    threshold = from_sure_negatives(embeddings, negatives, config.mining)
    groups = mine_groups(embeddings, passages.kinds, negatives, threshold)
    part = held_out(passages.spans_s[:, 0], (groups, passages.identities), config.holdout_share)
    rows = np.flatnonzero(~part)
    own = join_linked(groups[rows], passages.identities[rows], negatives[np.ix_(rows, rows)]) if config.linked else (
        groups[rows])
    kept = without_doubt(embeddings[rows], own, negatives[np.ix_(rows, rows)], config.mining.doubt * threshold)
    identity = np.full(len(passages), -1, np.int64)
    identity[rows[kept]] = _identities(own[kept])
    labels = identity[passages.samples.tracklets]
    chosen = labels >= 0
    samples = dataclasses.replace(passages.samples, identities=labels).select(chosen)
    groups_used = len(np.unique(own[kept][own[kept] != NOISE]))
    if len(np.unique(labels[chosen])) < _FEWEST:
        raise InputError("tracklets to learn from", f"{_FEWEST} vehicles that can be told apart or more",
                         str(len(np.unique(labels[chosen]))), "Give a longer run.")
    return Lesson(samples, threshold, groups_used, len(kept), len(rows)), part


def join_linked(groups: np.ndarray, identities: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """int64 (M,): mined groups joined over what a matcher calls one vehicle, `NOISE` alone. A family that holds a pair
    of sure negatives falls back to its mined groups."""
    families = families_of((groups, identities), len(groups))
    joined, used = groups.copy(), int(groups.max(initial=-1)) + 1
    for family in np.unique(families):
        members = np.flatnonzero(families == family)
        if len(members) > 1 and not negatives[np.ix_(members, members)].any():
            joined[members] = used
            used += 1
    return joined


def _identities(groups: np.ndarray) -> np.ndarray:
    """A number a group, and one of its own for each tracklet of none."""
    return np.where(groups == NOISE, int(groups.max(initial=-1)) + 1 + np.arange(len(groups)), groups)


def _with_room_for(training: TrainConfig, lesson: Lesson) -> TrainConfig:
    """No more vehicles a batch than there are."""
    count = len(np.unique(lesson.samples.identities))
    if training.sampler.identities <= count:
        return training
    return dataclasses.replace(training, sampler=dataclasses.replace(training.sampler, identities=count))

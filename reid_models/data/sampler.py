"""Batches of P identities × K images, each a pure function of (seed, step): a resumed run draws the same batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from mtmc.errors import ConfigError, InputError
from reid_models.data.marks import MEMBER
from reid_models.data.samples import UNKNOWN, ReidSamples
from reid_models.data.transits import TransitConfig


@dataclass(frozen=True)
class PairConfig:
    """How many pairs of two vehicles are drawn for each pair of one (seeds_digest E1, A9)."""

    growth: float = 1.01  # of the ratio, each epoch: many different pairs at once would drown the few equal ones
    most: float = 4.0  # reached after 140 epochs

    def __post_init__(self) -> None:
        if self.growth < 1 or self.most < 1:
            raise ConfigError("sampler.pairs", "a growth and a highest ratio of 1 or more",
                              f"{self.growth}, {self.most}")


@dataclass(frozen=True)
class SamplerConfig:
    """16 × 4 is the batch of most published recipes (reid.md 6)."""

    identities: int = 16  # P; pairs, or weakly labelled queries, for samplers of those
    images_per_identity: int = 4  # K; 2 for pairs; a weak query with its positives and negatives
    kind: Literal["identities", "hard-negatives", "pairs", "transits"] = "identities"  # of reid_models/data/samplers.py
    group: int = 4  # of hard-negatives: so many identities of one kind stand together in a batch
    pairs: PairConfig = field(default_factory=PairConfig)
    transits: TransitConfig = field(default_factory=TransitConfig)

    def __post_init__(self) -> None:
        if self.identities < 2 or self.images_per_identity < 2:
            raise ConfigError("sampler", "2 or more identities of 2 or more images", str(self),
                              "Metric losses need both positives and negatives.")


class BatchSampler(Protocol):
    """What the training loop asks of a sampler. Batches depend on seed and step (and on a cache of vectors, for those
    that keep one, which is in the checkpoint)."""

    identities: np.ndarray  # int64, sorted: all that may be drawn
    roles: np.ndarray  # int64 (K,): what each image of a slot is to the slot's first (reid_models/data/marks.py)
    labelled: bool  # whether identities are true; then new ones may be made out of them
    refresh_steps: int  # 0, or every how many steps `refresh` is called

    @property
    def batches_per_epoch(self) -> int:
        """Steps that show the data once."""

    def batch(self, step: int) -> np.ndarray:
        """int64 (slots, K): rows of the samples; a slot's images were drawn together."""

    def refresh(self, embed: Callable[[np.ndarray], np.ndarray]) -> None:
        """Renew what the sampler keeps of the network's vectors; `embed` takes rows, gives (rows, D)."""

    def state(self) -> dict[str, np.ndarray]:
        """What `refresh` has left; {} for samplers that keep nothing."""

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Put back what `state` gave."""


class Stateless:
    """The part of `BatchSampler` that is the same for samplers of true identities that keep nothing."""

    labelled = True
    refresh_steps = 0
    roles: np.ndarray

    def refresh(self, embed: Callable[[np.ndarray], np.ndarray]) -> None:
        """Nothing to renew."""

    def state(self) -> dict[str, np.ndarray]:
        """Nothing."""
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Nothing to put back."""


class IdentitySampler(Stateless):
    """Draws rows of `samples`; rows of unknown identity are never drawn.

    An epoch is one random order of all identities, cut into batches; the last few that fill no batch wait for another
    epoch's order. The K rows of an identity are spread first over its cameras, then over the tracklets of a camera,
    then over the images of a tracklet; an identity with fewer than K images repeats, every image as often as another
    give or take one.
    """

    def __init__(self, samples: ReidSamples, config: SamplerConfig, seed: int) -> None:
        """Raises `InputError` where there are fewer than P identities."""
        self.config, self.seed = config, seed
        self.roles = np.full(config.images_per_identity, MEMBER)
        known = np.flatnonzero(samples.identities != UNKNOWN)
        order = known[np.argsort(samples.identities[known], kind="stable")]
        self.identities, starts = np.unique(samples.identities[order], return_index=True)
        self._rows = np.split(order, starts[1:])
        self._cameras, self._tracklets = samples.cameras, samples.tracklets
        if len(self.identities) < config.identities:
            raise InputError("training images", f"{config.identities} identities or more, one batch",
                             f"{len(self.identities)}", "Lower sampler.identities or give more data.")

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches in one order of the identities."""
        return len(self.identities) // self.config.identities

    def batch(self, step: int) -> np.ndarray:
        """int64 (P, K): rows of the samples; row p is one identity, all P differ."""
        epoch, place = divmod(step, self.batches_per_epoch)
        order = self._order(np.random.default_rng([self.seed, 0, epoch]))
        chosen = order[place * self.config.identities : (place + 1) * self.config.identities]
        rng = np.random.default_rng([self.seed, 1, step])
        return np.stack([self._spread(self._rows[identity], rng) for identity in chosen])

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        """Places of `identities` in the order of one epoch."""
        return rng.permutation(len(self.identities))

    def _spread(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        wanted = self.config.images_per_identity
        rounds = [self._in_turn(rows, rng) for _ in range(-(-wanted // len(rows)))]
        return np.concatenate(rounds)[:wanted]

    def _in_turn(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """All `rows` in random order such that any first part of it is spread over cameras, then tracklets."""
        rows = rng.permutation(rows)
        tracklets = np.where(self._tracklets[rows] == UNKNOWN, -2 - rows, self._tracklets[rows])
        cameras = self._cameras[rows]
        rows, cameras = _by_turn(rows, tracklets, cameras)
        return _by_turn(rows, cameras, cameras)[0]


def _by_turn(rows: np.ndarray, groups: np.ndarray, carried: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`rows` (and `carried` with them) reordered: first the first of every group, then the second of every group …"""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    first_of_group = np.searchsorted(ordered, ordered)
    turn = np.empty(len(rows), dtype=np.int64)
    turn[order] = np.arange(len(rows)) - first_of_group
    again = np.argsort(turn, kind="stable")
    return rows[again], carried[again]

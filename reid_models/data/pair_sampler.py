"""Pairs of images, of one vehicle or of two, at a ratio that grows with the epochs (seeds_digest E1, A9)."""

from __future__ import annotations

import numpy as np

from mtmc.errors import ConfigError, InputError
from reid_models.data.marks import MEMBER
from reid_models.data.sampler import PairConfig, SamplerConfig, Stateless
from reid_models.data.samples import UNKNOWN, ReidSamples


def negative_ratio(config: PairConfig, epoch: int) -> float:
    """Pairs of two vehicles for each pair of one: growth^epoch, at most `most`."""
    return min(config.most, config.growth**epoch)


class PairSampler(Stateless):
    """Every image in random order is the first of a pair; its partner is drawn anew: another image of its vehicle, from
    another camera where there is one, or an image of any other vehicle. An image without a second of its vehicle is
    always paired with another vehicle."""

    def __init__(self, samples: ReidSamples, config: SamplerConfig, seed: int) -> None:
        """Raises `InputError` where there are fewer images than pairs in a batch, or fewer than two vehicles."""
        if config.images_per_identity != 2:
            raise ConfigError("sampler.images_per_identity", "2, a pair", str(config.images_per_identity))
        self.config, self.seed = config, seed
        self.roles = np.full(2, MEMBER)
        self._identities, self._cameras = samples.identities, samples.cameras
        self._rows = np.flatnonzero(samples.identities != UNKNOWN)
        self.identities = np.unique(samples.identities[self._rows])
        if len(self._rows) < config.identities or len(self.identities) < 2:
            raise InputError("training images", f"{config.identities} images of 2 vehicles or more, one batch of pairs",
                             f"{len(self._rows)} images of {len(self.identities)}", "Lower sampler.identities.")
        order = self._rows[np.argsort(samples.identities[self._rows], kind="stable")]
        starts = np.searchsorted(samples.identities[order], self.identities)
        self._of = dict(zip(self.identities.tolist(), np.split(order, starts[1:]), strict=True))

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches in which every image is first once."""
        return len(self._rows) // self.config.identities

    def batch(self, step: int) -> np.ndarray:
        """int64 (P, 2)."""
        epoch, place = divmod(step, self.batches_per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(self._rows)
        firsts = order[place * self.config.identities:(place + 1) * self.config.identities]
        ratio = negative_ratio(self.config.pairs, epoch)
        rng = np.random.default_rng([self.seed, 1, step])
        return np.stack([[first, self._partner(int(first), ratio / (1 + ratio), rng)] for first in firsts])

    def _partner(self, first: int, negative_share: float, rng: np.random.Generator) -> int:
        mine = self._of[int(self._identities[first])]
        if rng.random() < negative_share or len(mine) < 2:
            return self._stranger(first, rng)
        others = mine[mine != first]
        elsewhere = others[self._cameras[others] != self._cameras[first]]
        return int(rng.choice(elsewhere if len(elsewhere) else others))

    def _stranger(self, first: int, rng: np.random.Generator) -> int:
        while True:  # two vehicles or more: some draw succeeds
            row = int(self._rows[rng.integers(len(self._rows))])
            if self._identities[row] != self._identities[first]:
                return row

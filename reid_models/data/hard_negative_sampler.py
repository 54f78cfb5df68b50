"""Batches whose negatives look alike: identities of one kind stand together (seeds_digest A9).

Random negatives teach little once a car is told from a lorry; another vehicle of the same kind keeps teaching.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtmc.errors import ConfigError, InputError
from reid_models.data.sampler import IdentitySampler, SamplerConfig
from reid_models.data.samples import UNKNOWN, ReidSamples


class HardNegativeSampler(IdentitySampler):
    """As `IdentitySampler`, but each batch is made of groups of `config.group` identities of one kind, so that every
    identity has negatives of its own kind. A kind with fewer identities than a group, and identities of unknown kind,
    are not drawn; of a kind's identities the few that fill no group wait for another epoch's order."""

    def __init__(self, samples: ReidSamples, config: SamplerConfig, seed: int) -> None:
        """Raises `ConfigError` where groups do not fill a batch, `InputError` where too few kinds are known."""
        if config.group < 2 or config.identities % config.group:
            raise ConfigError("sampler.group", f"2 or more, a divisor of sampler.identities {config.identities}",
                              str(config.group))
        kind_of = dict(zip(samples.identities.tolist(), samples.kinds, strict=True))
        numbers = np.array([identity for identity in sorted(kind_of) if kind_of[identity]], dtype=np.int64)
        kinds = np.array([kind_of[int(identity)] for identity in numbers])
        names, counts = np.unique(kinds, return_counts=True)
        drawn = numbers[np.isin(kinds, names[counts >= config.group])]
        groups = int((counts // config.group).sum()) * config.group
        if groups < config.identities:
            raise InputError("training images", f"{config.identities} identities in groups of {config.group} of a kind",
                             f"{groups}", "Lower sampler.group, or use sampler.kind: identities.")
        undrawn = ~np.isin(samples.identities, drawn)
        super().__init__(replace(samples, identities=np.where(undrawn, UNKNOWN, samples.identities)), config, seed)
        self._kinds = np.array([kind_of[int(identity)] for identity in self.identities])
        self._groups = groups // config.group

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches of whole groups."""
        return self._groups * self.config.group // self.config.identities

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        size, groups = self.config.group, []
        for kind in np.unique(self._kinds):
            places = rng.permutation(np.flatnonzero(self._kinds == kind))
            groups += [places[start:start + size] for start in range(0, len(places) - size + 1, size)]
        return np.concatenate([groups[i] for i in rng.permutation(len(groups))])

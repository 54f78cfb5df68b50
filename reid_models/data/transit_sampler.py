"""Weakly labelled queries: a passage, some that may be the same vehicle's, some that cannot (seeds_digest E4).

Which of many possible positives and sure negatives are drawn is decided by vectors of all passages, renewed now and
then: the nearest possible positives are the likely ones, the nearest negatives teach most.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtmc.errors import ConfigError, InputError
from reid_models.data.marks import MEMBER, POSSIBLE_POSITIVE, SURE_NEGATIVE
from reid_models.data.sampler import SamplerConfig
from reid_models.data.samples import UNKNOWN, ReidSamples
from reid_models.data.transits import possible_positives, sure_negatives


class TransitSampler:
    """Slots of one query image, `transits.possible` possible positives (the nearest half, the others at random) and
    sure negatives up to `images_per_identity`. Identities are not looked at."""

    labelled = False

    def __init__(self, samples: ReidSamples, config: SamplerConfig, seed: int) -> None:
        """Raises `InputError` where passages have no times, or too few have both positives and negatives."""
        self.config, self.seed = config, seed
        transits, slot = config.transits, config.images_per_identity
        if slot < 2 + transits.possible:
            raise ConfigError("sampler.images_per_identity", f"{2 + transits.possible} or more: a query, "
                              f"{transits.possible} possible positives, a negative", str(slot))
        self.roles = np.array([MEMBER] + [POSSIBLE_POSITIVE] * transits.possible
                              + [SURE_NEGATIVE] * (slot - 1 - transits.possible))
        self.refresh_steps = transits.refresh_steps
        timed = np.flatnonzero((samples.tracklets != UNKNOWN) & np.isfinite(samples.spans_s).all(axis=1))
        self.identities = np.unique(samples.identities[timed])
        order = timed[np.argsort(samples.tracklets[timed], kind="stable")]
        _, starts = np.unique(samples.tracklets[order], return_index=True)
        self._rows = np.split(order, starts[1:]) if len(order) else []
        self.first_rows = order[starts]
        cameras, spans = samples.cameras[self.first_rows], samples.spans_s[self.first_rows]
        self._possible = possible_positives(cameras, spans, transits)
        self._sure = sure_negatives(cameras, spans, transits)
        self.queries = np.flatnonzero(self._possible.any(axis=1) & self._sure.any(axis=1))
        if len(self.queries) < config.identities:
            raise InputError("training images", f"{config.identities} passages or more with possible positives and "
                             "sure negatives", f"{len(self.queries)} of {len(self._rows)} passages with times",
                             "Give a run with tracklets.csv, or mend sampler.transits.window_s.")
        self._vectors = np.zeros((len(self._rows), 0), np.float32)

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches in which every query stands once."""
        return len(self.queries) // self.config.identities

    def batch(self, step: int) -> np.ndarray:
        """int64 (queries, K), in the order of `roles`."""
        epoch, place = divmod(step, self.batches_per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(self.queries)
        rng = np.random.default_rng([self.seed, 1, step])
        chosen = order[place * self.config.identities:(place + 1) * self.config.identities]
        return np.stack([self._slot(int(query), rng) for query in chosen])

    def refresh(self, embed: Callable[[np.ndarray], np.ndarray]) -> None:
        """Vectors of the first image of every passage."""
        self._vectors = embed(self.first_rows)

    def state(self) -> dict[str, np.ndarray]:
        """The vectors as they are."""
        return {"vectors": self._vectors}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Put the vectors back."""
        self._vectors = state["vectors"]

    def _slot(self, query: int, rng: np.random.Generator) -> np.ndarray:
        transits = self.config.transits
        negatives = int((self.roles == SURE_NEGATIVE).sum())
        possible = rng.permutation(np.flatnonzero(self._possible[query]))
        likely = self._nearest(query, possible)[:(transits.possible + 1) // 2]
        others = possible[~np.isin(possible, likely)]
        sure = rng.permutation(np.flatnonzero(self._sure[query]))[:transits.pool * negatives]
        passages = [query, *_filled(np.concatenate([likely, others]), transits.possible),
                    *_filled(self._nearest(query, sure), negatives)]
        return np.array([rng.choice(self._rows[passage]) for passage in passages], dtype=np.int64)

    def _nearest(self, query: int, passages: np.ndarray) -> np.ndarray:
        """`passages` by distance from the query; as they are before the first vectors."""
        distances = np.linalg.norm(self._vectors[passages] - self._vectors[query], axis=1)
        return passages[np.argsort(distances, kind="stable")]


def _filled(values: np.ndarray, count: int) -> np.ndarray:
    """The first `count`, again from the start where there are fewer."""
    return np.resize(values, count)

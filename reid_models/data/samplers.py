"""Samplers by the name that `sampler.kind` gives. The only place that knows the names."""

from __future__ import annotations

from collections.abc import Callable

from reid_models.data.hard_negative_sampler import HardNegativeSampler
from reid_models.data.pair_sampler import PairSampler
from reid_models.data.sampler import BatchSampler, IdentitySampler, SamplerConfig
from reid_models.data.samples import ReidSamples
from reid_models.data.transit_sampler import TransitSampler

SAMPLERS: dict[str, Callable[[ReidSamples, SamplerConfig, int], BatchSampler]] = {
    "identities": IdentitySampler,
    "hard-negatives": HardNegativeSampler,
    "pairs": PairSampler,
    "transits": TransitSampler,
}


def build_sampler(samples: ReidSamples, config: SamplerConfig, seed: int) -> BatchSampler:
    """The sampler of a configuration. Raises `InputError` where the images do not fill a batch."""
    return SAMPLERS[config.kind](samples, config, seed)

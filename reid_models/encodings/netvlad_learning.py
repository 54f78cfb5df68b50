"""Learning the NetVLAD layer from times alone (seeds_digest F3, E4): one of the passages that may be the same vehicle's
must come nearer than all that cannot be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mtmc.errors import InputError
from reid_models.encodings.netvlad import NetVlad
from reid_models.encodings.soft_vlad import SoftVlad
from reid_models.losses.weak_triplet import weak_triplet

MOST_QUERIES = 64  # passages asked in a step; more make a step slow, not better
RATE, MARGIN = 1e-3, 0.1  # the authors' margin; a rate at which 100 steps move the layer without tearing it
CLIP = 1.0


def learn_layer(start: SoftVlad, frames: Sequence[np.ndarray], possible: np.ndarray, sure: np.ndarray, steps: int,
                seed: int = 0) -> SoftVlad:
    """The layer after `steps` of Adam on the frames of M passages, (T, d) each.

    possible, sure: bool (M, M), which passages may be, and which cannot be, one vehicle's. The loss of a query q is
    Σ_n [min_p d²(q, p) + margin − d²(q, n)]+, its mean over the queries with both. Raises `InputError` without any.
    """
    queries = np.flatnonzero(possible.any(axis=1) & sure.any(axis=1))
    if not len(queries):
        raise InputError("passages to learn the aggregator from", "one with possible positives and sure negatives",
                         "none", "Leave out aggregation.learn_steps, or give footage of several cameras.")
    layer = _module(start)
    padded, mask = _padded(frames)
    optimiser = torch.optim.Adam(layer.parameters(), lr=RATE)
    may, cannot = torch.from_numpy(possible), torch.from_numpy(sure)
    for step in range(steps):
        drawn = np.random.default_rng([seed, step]).permutation(queries)[:MOST_QUERIES]
        rows = np.unique(np.concatenate([drawn, np.flatnonzero((possible | sure)[drawn].any(axis=0))]))
        place = {int(row): i for i, row in enumerate(rows)}
        vectors = layer(padded[rows], mask[rows])
        loss = vectors.new_zeros(())
        for query in drawn.tolist():
            squared = (vectors - vectors[place[query]]).square().sum(dim=1)
            loss = loss + weak_triplet(squared[may[query, rows]], squared[cannot[query, rows]], MARGIN)
        optimiser.zero_grad(set_to_none=True)
        (loss / len(drawn)).backward()
        torch.nn.utils.clip_grad_norm_(layer.parameters(), CLIP)
        optimiser.step()
    return SoftVlad(*(p.detach().numpy().copy() for p in (layer.centres, layer.weight, layer.bias)))


def _module(start: SoftVlad) -> NetVlad:
    layer = NetVlad(*start.centres.shape)
    with torch.no_grad():
        for parameter, value in zip((layer.centres, layer.weight, layer.bias),
                                    (start.centres, start.weight, start.bias), strict=True):
            parameter.copy_(torch.from_numpy(value))
    return layer


def _padded(frames: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """(M, T, d) with zeros behind, and which frames count."""
    longest = max(len(own) for own in frames)
    stacked = np.zeros((len(frames), longest, frames[0].shape[1]), np.float32)
    mask = np.zeros((len(frames), longest), bool)
    for i, own in enumerate(frames):
        stacked[i, : len(own)] = own
        mask[i, : len(own)] = True
    return torch.from_numpy(stacked), torch.from_numpy(mask)

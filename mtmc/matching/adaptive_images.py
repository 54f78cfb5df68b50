"""Image-to-tracklet distances by query-adaptive matching (optional; seeds_digest F7): not to the nearest picture of a
tracklet but to the mix of its pictures that is most like the other tracklet, so that two partly hidden views count."""

from __future__ import annotations

import numpy as np

from mtmc.matching.looks import Looks
from reid_models.encodings.query_adaptive import adaptive_distances

_AT_ONCE = 64


def adaptive_image(looks: Looks) -> np.ndarray:
    """float32 (M, M): mean of both directions of the distance from one tracklet's vector to the best mix of the other's
    images. Quadratic in the number of tracklets, with some fifty small steps a pair."""
    m = len(looks.pooled)
    mixed = np.zeros((m, m), np.float32)
    for start in range(0, m, _AT_ONCE):
        images, offsets = looks.images_of(np.arange(start, min(start + _AT_ONCE, m)))
        mixed[start : start + _AT_ONCE] = adaptive_distances(looks.pooled, images, offsets).T
    return (mixed + mixed.T) / 2

"""What times alone say of pairs of passages: which may show one vehicle, and which cannot (seeds_digest E4).

A vehicle that left one camera may be whatever another camera sees a plausible time later; what is seen in two places at
once, or too soon after, is two vehicles. Neither needs a label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.errors import ConfigError


@dataclass(frozen=True)
class TransitConfig:
    """Travel times in seconds from the end of one passage to the start of the next, and how a weak query is drawn."""

    # A kilometre at 60 km/h is a minute. The longer, the more strangers stand among the possible positives.
    window_s: tuple[float, float] = (2.0, 120.0)
    # Rows of (from camera, to camera, earliest, latest), where roads are known; then the only ones. Cameras by the
    # numbers that the data set gives them (a run: place in the sorted order of names, from 0).
    roads: tuple[tuple[int, int, float, float], ...] = ()
    overlapping_views: bool = False  # True: cameras may see one vehicle at the same time, which then proves nothing
    possible: int = 2  # possible positives of each query in a batch
    pool: int = 4  # sure negatives are the nearest out of so many times as many random ones
    refresh_steps: int = 100  # after so many steps the vectors that choose positives and negatives are renewed

    def __post_init__(self) -> None:
        spans = [self.window_s, *((low, high) for _, _, low, high in self.roads)]
        if any(not 0 <= low <= high for low, high in spans):
            raise ConfigError("sampler.transits", "0 <= earliest <= latest", str(spans))
        if self.possible < 1 or self.pool < 1 or self.refresh_steps < 1:
            raise ConfigError("sampler.transits", "possible, pool and refresh_steps of 1 or more",
                              f"{self.possible}, {self.pool}, {self.refresh_steps}")


def possible_positives(cameras: np.ndarray, spans_s: np.ndarray, config: TransitConfig) -> np.ndarray:
    """bool (M, M), symmetric: passages of two cameras (int64 (M,)) with a plausible travel time between them.

    spans_s: float64 (M, 2), start and end on the common clock; NaN is plausible with nothing.
    """
    onward = np.zeros((len(cameras), len(cameras)), dtype=bool)
    gap = _gaps(spans_s)
    if not config.roads:
        low, high = config.window_s
        onward = (cameras[:, None] != cameras[None]) & (gap >= low) & (gap <= high)
    for start, end, low, high in config.roads:
        onward |= (cameras == start)[:, None] & (cameras == end)[None] & (gap >= low) & (gap <= high)
    return onward | onward.T


def sure_negatives(cameras: np.ndarray, spans_s: np.ndarray, config: TransitConfig) -> np.ndarray:
    """bool (M, M), symmetric: passages that cannot be one vehicle's: at the same time before one camera, or before two
    at the same time or with less than the shortest travel time between them."""
    gap = _gaps(spans_s)
    between = np.maximum(gap, gap.T)  # the pause, whichever passed first; below 0: both at once
    same_camera = cameras[:, None] == cameras[None]
    shortest = min([low for _, _, low, _ in config.roads], default=config.window_s[0])
    apart = ~same_camera & (between < shortest) & (not config.overlapping_views)
    negatives = (same_camera & (between < 0)) | apart
    np.fill_diagonal(negatives, False)
    return negatives & ~possible_positives(cameras, spans_s, config)


def _gaps(spans_s: np.ndarray) -> np.ndarray:
    """(M, M): start of the column's passage − end of the row's."""
    return spans_s[None, :, 0] - spans_s[:, None, 1]

"""Which tracklets are not worth matching: hardly seen, never moving, or a part of another vehicle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.boxes import areas
from mtmc.errors import ConfigError
from mtmc.mending import centres, sizes
from mtmc.tracklets import Tracklet

# In the order in which they are asked; each is a counter of `JoinCounts`.
REASONS = ("too_short", "static", "part", "without_crop")


@dataclass(frozen=True)
class GateConfig:
    """When a tracklet is dropped.

    min_s: shorter ones. min_sightings: fewer boxes of the detector (two tell a vehicle from a flicker).
    min_travel: box sizes that its middle must travel, or min_growth: the factor by which its size must change
    (a vehicle that comes straight at the camera hardly shifts). A tracklet is a part (a cabin, a rear half) of
    another one when it lies in it by part_inside of its own area during part_share of its frames, and the other
    one's mean score is part_score times its own: a small vehicle in front of a large one is as sure as that one.
    """

    min_s: float = 0.4
    min_sightings: int = 2
    min_travel: float = 0.5
    min_growth: float = 1.4
    part_inside: float = 0.7
    part_share: float = 0.8
    part_score: float = 1.2

    def __post_init__(self) -> None:
        if self.min_s < 0 or self.min_sightings < 1 or self.min_travel < 0 or self.min_growth < 1:
            raise ConfigError("gates", "min_s and min_travel of 0 or more, min_sightings and min_growth of 1 or more",
                              str(self))


def refusals(tracklets: Sequence[Tracklet], crop_counts: Sequence[int], config: GateConfig) -> list[str]:
    """For each tracklet of one camera why it is dropped (one of `REASONS`), or "" for keep."""
    parts = parts_of_others(tracklets, config)
    return [_refusal(tracklet, count, bool(part), config)
            for tracklet, count, part in zip(tracklets, crop_counts, parts, strict=True)]


def _refusal(tracklet: Tracklet, crop_count: int, part: bool, config: GateConfig) -> str:
    sightings = int((~tracklet.interpolated).sum())
    if sightings < config.min_sightings or tracklet.end_s - tracklet.start_s < config.min_s:
        return "too_short"
    travel, growth = movement(tracklet.boxes_xyxy)
    if travel < config.min_travel and growth < config.min_growth:
        return "static"
    if part:
        return "part"
    return "" if crop_count else "without_crop"


def parts_of_others(tracklets: Sequence[Tracklet], config: GateConfig) -> np.ndarray:
    """bool (M,), True for tracklets that are a part of another one's vehicle (see `GateConfig`)."""
    found = np.zeros(len(tracklets), dtype=bool)
    order = sorted(range(len(tracklets)), key=lambda i: tracklets[i].start_s)
    ends = np.array([tracklets[i].end_s for i in order])
    starts = np.array([tracklets[i].start_s for i in order])
    for i, part in enumerate(tracklets):
        near = np.flatnonzero((starts <= part.end_s) & (ends >= part.start_s))
        found[i] = any(order[k] != i and _is_part(part, tracklets[order[k]], config) for k in near)
    return found


def _is_part(part: Tracklet, whole: Tracklet, config: GateConfig) -> bool:
    if whole.scores.mean() < config.part_score * part.scores.mean():
        return False
    _, ours, theirs = np.intersect1d(part.frame_indices, whole.frame_indices, assume_unique=True, return_indices=True)
    if len(ours) < config.part_share * len(part):
        return False
    a, b = part.boxes_xyxy[ours], whole.boxes_xyxy[theirs]
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
    inside = np.prod(sides, axis=1) >= config.part_inside * areas(a)
    return bool(inside.sum() >= config.part_share * len(part))


def movement(boxes_xyxy: np.ndarray, stretches: int = 8) -> tuple[float, float]:
    """(travel in box sizes, growth as a factor of 1 or more) over a tracklet's life.

    The life is divided into equal stretches; medians inside each take out jitter and single wrong boxes.
    Travel is the largest distance between any two stretches' middles, growth the largest ratio of sizes.
    """
    parts = np.array_split(np.arange(len(boxes_xyxy)), min(stretches, len(boxes_xyxy)))
    middles = np.stack([np.median(centres(boxes_xyxy[part]), axis=0) for part in parts])
    spans = np.array([np.median(sizes(boxes_xyxy[part])) for part in parts])
    apart = np.linalg.norm(middles[:, None] - middles[None, :], axis=2).max()
    return float(apart / np.median(spans)), float(spans.max() / spans.min())

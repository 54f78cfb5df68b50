"""How the crops of a tracklet become the vector that the matcher compares: their mean, or a NetVLAD layer.

The layer begins as soft VLAD over a codebook of the run's own crops and may be trained on the run's own times: what
appears in another camera a plausible time later may be the same vehicle, what is seen at once cannot. No label, no
second look at the pictures: stored vectors are all that it reads, and what is stored stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from mtmc.embedding import Gallery
from mtmc.errors import ConfigError
from mtmc.tracklets import TrackletTable
from reid_models.encodings.soft_vlad import SoftVlad
from reid_models.encodings.whitening import fit_projection, project, unit


@dataclass(frozen=True)
class AggregationConfig:
    """kind: "mean" (as it was stored) or "netvlad"."""

    kind: Literal["mean", "netvlad"] = "mean"
    clusters: int = 8  # a tracklet has some eight crops: with more centres most would have none
    alpha: float = 5.0  # sharpness at the start: crops of one vehicle are about 0.3 apart squared, vehicles about 1
    learn_steps: int = 0  # of training on the run's own times; 0 leaves the layer as it begins (and needs no torch)
    window_s: tuple[float, float] = (2.0, 120.0)  # travel times that make a passage a possible positive
    dimension: int = 512  # of the vector, by PCA over the run's tracklets; 0 leaves it at clusters × D
    seed: int = 0

    def __post_init__(self) -> None:
        if self.clusters < 1 or self.alpha <= 0 or self.learn_steps < 0 or self.dimension < 0:
            raise ConfigError("aggregation", "clusters >= 1, alpha > 0, learn_steps and dimension >= 0",
                              f"{self.clusters}, {self.alpha}, {self.learn_steps}, {self.dimension}")
        if not 0 <= self.window_s[0] <= self.window_s[1]:
            raise ConfigError("aggregation.window_s", "0 <= earliest <= latest", str(self.window_s))


def aggregated(gallery: Gallery, config: AggregationConfig) -> Gallery:
    """The gallery with other vectors for tracklets and images (an image is a tracklet of one frame); the same gallery
    where the mean is asked for or there is nothing to aggregate. Raises `InputError` for fewer crops than clusters."""
    if config.kind == "mean" or not len(gallery):
        return gallery
    images = np.asarray(gallery.image_embeddings, np.float32)
    frames = [images[a:b] if b > a else gallery.embeddings[i:i + 1]
              for i, (a, b) in enumerate(pairwise(gallery.image_offsets.tolist()))]
    layer = SoftVlad.fitted(np.concatenate(frames), config.clusters, config.alpha, config.seed)
    if config.learn_steps:
        layer = _learned(layer, frames, gallery.tracklets, config)
    pooled = np.stack([layer.encode(own) for own in frames])
    shrink = _shrinking(pooled, config.dimension)
    single = [shrink(layer.encode(images[row:row + 1])) for row in range(len(images))]
    empty = np.zeros((0, len(shrink(pooled[0]))), np.float32)
    return replace(gallery, embeddings=np.stack([shrink(row) for row in pooled]),
                   image_embeddings=np.stack(single) if single else empty)


def _learned(layer: SoftVlad, frames: list[np.ndarray], table: TrackletTable, config: AggregationConfig) -> SoftVlad:
    from reid_models.data.transits import TransitConfig, possible_positives, sure_negatives
    from reid_models.encodings.netvlad_learning import learn_layer

    spans = np.stack([table.start_s, table.end_s], axis=1)
    transits = TransitConfig(window_s=config.window_s)
    return learn_layer(layer, frames, possible_positives(table.camera_rows, spans, transits),
                       sure_negatives(table.camera_rows, spans, transits), config.learn_steps, config.seed)


class _Same:
    def __call__(self, row: np.ndarray) -> np.ndarray:
        return row


@dataclass(frozen=True, eq=False)
class _Projected:
    mean: np.ndarray
    axes: np.ndarray

    def __call__(self, row: np.ndarray) -> np.ndarray:
        return unit(project(row, self.mean, self.axes))


def _shrinking(pooled: np.ndarray, dimension: int) -> _Same | _Projected:
    """PCA without whitening: distances stay what they were, but for the directions left out."""
    if not dimension or len(pooled) < 3:
        return _Same()
    return _Projected(*fit_projection(pooled, dimension, whiten=False))

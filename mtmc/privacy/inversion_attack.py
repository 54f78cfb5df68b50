"""Pictures back from features by a conditional GAN (seeds_digest C3), judged as its source does: by the cosine distance
between the features of the true picture and of the drawn one. Far stronger than the ridge of `reconstruction_attack`.

The attacker has vectors and may ask the model about pictures of their own; the model's inside is never used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mtmc.errors import InputError
from mtmc.privacy.inversion_training import Inversion, InversionConfig, Maps, train_inversion

Embed = Callable[[Sequence[np.ndarray]], np.ndarray]  # crops → unit vectors (N, D): the model that is asked


@dataclass(frozen=True, eq=False)
class Known:
    """Vectors float (N, D) and the pictures uint8 (h, w, 3) RGB, of any size, that they belong to."""

    features: np.ndarray
    pictures: Sequence[np.ndarray]


@dataclass(frozen=True)
class InversionResult:
    """Mean cosine distances, 0 to 2, of an intercepted vector to the model's vector of: the picture drawn from it, its
    true picture, the mean picture of the attacker, the true pictures of all other rows. error, error_of_mean: mean
    squared errors of pixels, 0 to 1, of the drawn and of the mean picture. rows: judged; learned_from: the attacker's
    pairs."""

    rows: int
    learned_from: int
    drawn: float
    true: float
    mean_picture: float
    other: float
    error: float
    error_of_mean: float

    @property
    def recovered(self) -> float:
        """Share of the way from the mean picture's distance to the true picture's; 0 where nothing is gained."""
        way = self.mean_picture - self.true
        return max(0.0, (self.mean_picture - self.drawn) / way) if way > 0 else 0.0


def invert(own: Known, intercepted: Known, embed: Embed, config: InversionConfig, maps: Maps | None
           ) -> tuple[InversionResult, np.ndarray]:
    """Learn from `own`, draw what `intercepted` shows; also the drawn pictures uint8 (N, H, W, 3).

    The true pictures of `intercepted` serve only to judge. Raises `InputError` for fewer than two rows on either side.
    """
    if min(len(own.features), len(intercepted.features)) < 2:
        raise InputError("inversion", "two vectors or more to learn from and to judge",
                         f"{len(own.features)} and {len(intercepted.features)}")
    size_hw = config.shape.picture_hw
    learned, wanted = resized(own.pictures, size_hw), resized(intercepted.pictures, size_hw)
    attack: Inversion = train_inversion(own.features, learned, config, maps)
    drawn = attack.draw(intercepted.features)
    mean = learned.mean(axis=0).round().astype(np.uint8)
    vectors, truths = intercepted.features, embed(intercepted.pictures)
    result = InversionResult(
        len(vectors), len(own.features),
        cosine_distance(vectors, embed(list(drawn))), cosine_distance(vectors, truths),
        cosine_distance(vectors, np.repeat(embed([mean]), len(vectors), axis=0)),
        _distance_to_others(vectors, truths),
        _error(drawn, wanted), _error(np.broadcast_to(mean, wanted.shape), wanted),
    )  # fmt: skip
    return result, drawn


def cosine_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Mean over rows of 1 − cosine of (N, D) and (N, D)."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((1 - (first * second).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())


def _distance_to_others(vectors: np.ndarray, truths: np.ndarray) -> float:
    units = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (vectors, truths)]
    cosines, count = units[0] @ units[1].T, len(vectors)
    return float(1 - (cosines.sum() - np.trace(cosines)) / (count * (count - 1)))


def resized(pictures: Sequence[np.ndarray], size_hw: tuple[int, int]) -> np.ndarray:
    """uint8 (N, H, W, 3) of pictures of any size, squashed."""
    height, width = size_hw
    small = [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.stack(small) if small else np.zeros((0, height, width, 3), np.uint8)


def _error(drawn: np.ndarray, wanted: np.ndarray) -> float:
    return float(((drawn.astype(np.float64) - wanted) ** 2).mean() / 255**2)

"""Attributes by retrieval (Ni and Huttunen 2021; seeds_digest D1): a crop has the labels of the labelled pictures that
look most like it.

A new class is a few more pictures; no network is trained again. 1-NN by cosine over up to 100 pictures a class, as
published; the classes stay balanced, so that the commonest does not win by its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.errors import InputError
from reid_models.attributes.labels import MISSING, AttributeLabels

PER_CLASS = 100  # of the published recogniser


@dataclass(frozen=True, eq=False)
class Exemplars:
    """vectors: float32 (G, D), unit rows; labels: of the same G pictures. Never changed: see `added`, `without`."""

    vectors: np.ndarray
    labels: AttributeLabels

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.labels):
            raise InputError("exemplars", f"{len(self.labels)} vectors", f"{self.vectors.shape}")
        if len(self.vectors) and not (np.abs(np.linalg.norm(self.vectors, axis=1) - 1) < 1e-3).all():
            raise InputError("exemplars", "unit vectors", "others")

    def added(self, other: Exemplars) -> Exemplars:
        """With more pictures, of known classes or of new ones."""
        mine, theirs = self.labels.told(), other.labels.told()
        told = {name: mine.get(name, [""] * len(self.labels)) + theirs.get(name, [""] * len(other.labels))
                for name in dict.fromkeys([*mine, *theirs])}
        return Exemplars(np.concatenate([self.vectors, other.vectors]), AttributeLabels.of(told))

    def without(self, name: str, word: str) -> Exemplars:
        """Without the pictures of one class."""
        kept = np.array([own != word for own in self.labels.told()[name]], bool)
        told = {n: [w for w, k in zip(own, kept, strict=True) if k] for n, own in self.labels.told().items()}
        return Exemplars(self.vectors[kept], AttributeLabels.of(told))


@dataclass(frozen=True, eq=False)
class Recognised:
    """What single crops look like, for one attribute. words: C. shares: float64 (K, C), rows sum to 1. weights:
    float64 (K,), how clear each crop is, 0 (another class is as near) to 1."""

    words: tuple[str, ...]
    shares: np.ndarray
    weights: np.ndarray


def sample_per_class(places: np.ndarray, per_class: int = PER_CLASS, seed: int = 0) -> np.ndarray:
    """int64 rows, sorted: `per_class` random pictures of each class, all of a class that has fewer. The same seed gives
    the same rows, and a class's choice does not depend on the other classes."""
    chosen = []
    for word in np.unique(places[places != MISSING]).tolist():
        rows = np.flatnonzero(places == word)
        draw = np.random.default_rng([seed, int(word)]).permutation(len(rows))[:per_class]
        chosen.append(rows[draw])
    return np.sort(np.concatenate(chosen)).astype(np.int64) if chosen else np.zeros(0, np.int64)


def sample_exemplars(labels: AttributeLabels, per_class: int = PER_CLASS, seed: int = 0) -> np.ndarray:
    """int64 rows, sorted: enough for `per_class` of each word of each attribute."""
    parts = [sample_per_class(labels.places[name], per_class, seed) for name in labels.names]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))


def recognise(vectors: np.ndarray, exemplars: Exemplars, name: str, neighbours: int = 1) -> Recognised:
    """One attribute of (K, D) unit vectors, from the exemplars whose label is known.

    shares: of the `neighbours` nearest, each counting alike. weights: 1 − d₁/d₂ with d₁ the distance to the nearest
    exemplar and d₂ to the nearest of another class than the winner (Lowe's ratio); 1 where there is one class only.
    Ties go to the earlier exemplar. Raises `InputError` for an attribute that no exemplar has.
    """
    if name not in exemplars.labels.words:
        raise InputError(f"attribute {name}", "exemplars that show it", "none")
    places = exemplars.labels.places[name]
    known = np.flatnonzero(places != MISSING)
    places, words = places[known], exemplars.labels.words[name]
    cosines = np.asarray(vectors, np.float64) @ exemplars.vectors[known].astype(np.float64).T
    distances = np.sqrt(np.maximum(2 - 2 * cosines, 0.0))
    order = np.argsort(distances, axis=1, kind="stable")[:, :neighbours]
    shares = np.zeros((len(vectors), len(words)))
    for column in order.T:
        shares[np.arange(len(vectors)), places[column]] += 1 / order.shape[1]
    winner = shares.argmax(axis=1) if len(vectors) else np.zeros(0, np.int64)
    other = np.where(places[None] == winner[:, None], np.inf, distances).min(axis=1, initial=np.inf)
    own = np.where(places[None] == winner[:, None], distances, np.inf).min(axis=1, initial=np.inf)
    weights = np.where(np.isinf(other), 1.0, 1 - np.minimum(own, other) / np.maximum(other, 1e-12))
    return Recognised(words, shares, weights)


def class_accuracy(truth: Sequence[str], found: Sequence[str]) -> dict[str, tuple[int, float]]:
    """Word → (number, share found right), of the pictures whose truth is known, in sorted order."""
    result = {}
    for word in sorted({word for word in truth if word}):
        rights = [f == word for t, f in zip(truth, found, strict=True) if t == word]
        result[word] = (len(rights), sum(rights) / len(rights))
    return result

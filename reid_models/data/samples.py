"""Images of vehicles with what is known of them, and the retrieval tasks made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.data.relevance import UNKNOWN as UNKNOWN
from reid_models.data.relevance import Relevance


@dataclass(frozen=True, eq=False)
class ReidSamples:
    """N images of one split.

    paths: N files. identities: int64 (N,), -1 unknown. cameras: int64 (N,), -1 unknown. tracklets: int64
    (N,), number of the passage, counted over the whole split, -1 unknown. kinds: N words (car, truck …),
    "" unknown. spans_s: float64 (N, 2), start and end of the passage in seconds on the common clock, NaN unknown (as
    all are where none are given). Raises `InputError` where the lengths differ.
    """

    paths: tuple[Path, ...]
    identities: np.ndarray
    cameras: np.ndarray
    tracklets: np.ndarray
    kinds: tuple[str, ...]
    spans_s: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    def __post_init__(self) -> None:
        for name in ("identities", "cameras", "tracklets"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.int64))
        if not len(self.spans_s):
            object.__setattr__(self, "spans_s", np.full((len(self.paths), 2), np.nan))
        for name in ("identities", "cameras", "tracklets", "kinds", "spans_s"):
            if len(getattr(self, name)) != len(self.paths):
                raise InputError(f"samples.{name}", f"{len(self.paths)}, one an image", str(len(getattr(self, name))))

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, rows: np.ndarray) -> ReidSamples:
        """Some of the images (rows or mask), in that order; tracklet numbers stay as they are."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return ReidSamples(tuple(self.paths[i] for i in chosen), self.identities[chosen], self.cameras[chosen],
                           self.tracklets[chosen], tuple(self.kinds[i] for i in chosen), self.spans_s[chosen])


@dataclass(frozen=True, eq=False)
class ReidTask:
    """Q query images to be found among G gallery images.

    name: data set and split, for tables. query, gallery: the images. relevance: what answers what (Q
    lists of good and junk gallery rows). groups: Q words; where they differ each group of queries is also
    scored by itself (the two directions of a two-view set). junk_rule: how `relevance` was made, in words.
    labelled: False where the answers are not public, so that no score exists. note: one sentence a reader
    of the score must know, "" where there is none.
    """

    name: str
    query: ReidSamples
    gallery: ReidSamples
    relevance: Relevance
    groups: tuple[str, ...]
    junk_rule: str
    labelled: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.relevance) != len(self.query) or len(self.groups) != len(self.query):
            raise InputError(f"task {self.name}", f"{len(self.query)} judgements and groups, one a query",
                             f"{len(self.relevance)} and {len(self.groups)}")
        if self.relevance.gallery_size != len(self.gallery):
            raise InputError(f"task {self.name}", f"a judgement of {len(self.gallery)} gallery images",
                             str(self.relevance.gallery_size))


def concatenate(parts: Sequence[ReidSamples]) -> ReidSamples:
    """All images of several splits; tracklet numbers of later parts are moved up so that none is shared."""
    tracklets, taken = [], 0
    for part in parts:
        tracklets.append(np.where(part.tracklets == UNKNOWN, UNKNOWN, part.tracklets + taken))
        taken += int(part.tracklets.max(initial=UNKNOWN)) + 1
    empty = np.zeros(0, dtype=np.int64)
    return ReidSamples(
        tuple(path for part in parts for path in part.paths),
        np.concatenate([empty, *(part.identities for part in parts)]),
        np.concatenate([empty, *(part.cameras for part in parts)]),
        np.concatenate([empty, *tracklets]),
        tuple(kind for part in parts for kind in part.kinds),
        np.concatenate([np.zeros((0, 2)), *(part.spans_s for part in parts)]),
    )


def number_words(words: Sequence[str]) -> np.ndarray:
    """int64 (N,): place of each word among the distinct words in sorted order; "" is -1."""
    distinct = sorted(set(words) - {""})
    place = {word: number for number, word in enumerate(distinct)}
    return np.array([place.get(word, UNKNOWN) for word in words], dtype=np.int64)


def number_identities(words: Sequence[str]) -> np.ndarray:
    """int64 (N,): whole numbers as they are where all words are, else as `number_words`; "" is -1."""
    if all(word.isdecimal() or not word for word in words):
        return np.array([int(word) if word else UNKNOWN for word in words], dtype=np.int64)
    return number_words(words)

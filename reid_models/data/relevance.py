"""Which gallery rows answer a query, and which are left out of its ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.config import did_you_mean
from mtmc.errors import ConfigError, InputError

# What is taken out of a query's ranking before ranks are counted.
JUNK_SAME_IDENTITY_AND_CAMERA = "same-identity-and-camera"  # the query's own passage (Market-1501, VeRi-776)
JUNK_SAME_CAMERA = "same-camera"  # everything the query's camera saw: only other cameras are searched
JUNK_NONE = "none"  # nothing (VehicleID has no cameras; the AI City server is not known to remove any)
UNKNOWN = -1  # an identity, camera or tracklet that nobody told us
JUNK_RULES = (JUNK_SAME_IDENTITY_AND_CAMERA, JUNK_SAME_CAMERA, JUNK_NONE)


@dataclass(frozen=True, eq=False)
class RowLists:
    """For each of Q queries a sorted list of gallery rows without repeats.

    offsets: int64 (Q + 1,). rows: int64 (offsets[-1],); query q owns rows[offsets[q]:offsets[q + 1]].
    """

    offsets: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, query: int) -> np.ndarray:
        """int64: the rows of one query."""
        return self.rows[self.offsets[query]:self.offsets[query + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """int64 (Q,): how many rows each query has."""
        return np.diff(self.offsets)


@dataclass(frozen=True, eq=False)
class Relevance:
    """The judgement of G gallery rows for each of Q queries.

    good: rows that are right answers. junk: rows left out of the ranking; disjoint from `good`.
    Every other row is a wrong answer. gallery_size: G.
    """

    good: RowLists
    junk: RowLists
    gallery_size: int

    def __post_init__(self) -> None:
        if len(self.good) != len(self.junk):
            raise InputError("relevance", f"{len(self.good)} junk lists", str(len(self.junk)))
        for name, lists in (("good", self.good), ("junk", self.junk)):
            if len(lists.rows) and not 0 <= int(lists.rows.min()) <= int(lists.rows.max()) < self.gallery_size:
                raise InputError(f"{name} rows", f"0 to {self.gallery_size - 1}", str(int(lists.rows.max())))

    def __len__(self) -> int:
        return len(self.good)

    def select(self, queries: np.ndarray) -> Relevance:
        """The same judgement for some queries (rows or mask), in that order."""
        return Relevance(_select(self.good, queries), _select(self.junk, queries), self.gallery_size)

    def leaving_out(self, rows: RowLists) -> Relevance:
        """The same judgement with more rows made junk for their query, also where they were good."""
        keys = np.union1d(_keys(self.junk, self.gallery_size), _keys(rows, self.gallery_size))
        junk = _from_keys(keys, len(self), self.gallery_size)
        return Relevance(without(self.good, junk, self.gallery_size), junk, self.gallery_size)

    def grouped(self, group_of_row: np.ndarray, group_count: int) -> Relevance:
        """The judgement of groups of gallery rows (tracks).

        group_of_row: int64 (G,), -1 for rows of no group. A group is good where one of its rows is, else
        junk where one of its rows is.
        """
        good = _grouped(self.good, group_of_row, group_count)
        junk = _grouped(self.junk, group_of_row, group_count)
        return Relevance(good, without(junk, good, group_count), group_count)


def row_lists(lists: Sequence[np.ndarray | Sequence[int]]) -> RowLists:
    """`RowLists` from one list of rows a query, in any order, repeats allowed."""
    clean = [np.unique(np.asarray(rows, dtype=np.int64)) for rows in lists]
    offsets = np.zeros(len(clean) + 1, dtype=np.int64)
    np.cumsum([len(rows) for rows in clean], out=offsets[1:])
    return RowLists(offsets, np.concatenate([*clean, np.zeros(0, dtype=np.int64)]))


def judge(query_identities: np.ndarray, gallery_identities: np.ndarray, query_cameras: np.ndarray,
          gallery_cameras: np.ndarray, junk_rule: str = JUNK_SAME_IDENTITY_AND_CAMERA) -> Relevance:
    """Judge by identity and camera number (int64 arrays, Q and G long).

    A gallery row of identity -1 (unknown) is junk for every query, as on Market-1501; identity 0 and other
    identities that no query has are plain wrong answers. A query of identity -1 has no good rows. Camera -1
    is unknown and equals no camera.
    Raises `InputError` for unequal lengths, `ConfigError` for an unknown rule.
    """
    if junk_rule not in JUNK_RULES:
        raise ConfigError("junk rule", "a known rule", junk_rule, did_you_mean(junk_rule, JUNK_RULES))
    query_identities, gallery_identities, query_cameras, gallery_cameras = (
        np.asarray(numbers, dtype=np.int64)
        for numbers in (query_identities, gallery_identities, query_cameras, gallery_cameras))
    if len(query_identities) != len(query_cameras) or len(gallery_identities) != len(gallery_cameras):
        raise InputError("cameras", f"{len(query_identities)} of queries and {len(gallery_identities)} of the gallery",
                         f"{len(query_cameras)} and {len(gallery_cameras)}")
    q, g = len(query_identities), len(gallery_identities)
    same = _equal_rows(query_identities, gallery_identities)
    seen_here = _equal_rows(query_cameras, gallery_cameras)
    unknown = np.flatnonzero(gallery_identities == UNKNOWN)
    always = RowLists(np.arange(q + 1) * len(unknown), np.tile(unknown, q))
    if junk_rule == JUNK_NONE:
        return Relevance(same, always, g)
    own_passage = np.isin(_keys(same, g), _keys(seen_here, g), assume_unique=True)
    own = _from_keys(_keys(same, g)[own_passage], q, g)
    left_out = own if junk_rule == JUNK_SAME_IDENTITY_AND_CAMERA else seen_here
    junk = _from_keys(np.union1d(_keys(left_out, g), _keys(always, g)), q, g) if len(unknown) else left_out
    return Relevance(_from_keys(_keys(same, g)[~own_passage], q, g), junk, g)


def without(lists: RowLists, taken: RowLists, row_count: int) -> RowLists:
    """`lists` less the rows that `taken` has for the same query."""
    keys = _keys(lists, row_count)
    return _from_keys(keys[~np.isin(keys, _keys(taken, row_count))], len(lists), row_count)


def _equal_rows(query_values: np.ndarray, gallery_values: np.ndarray) -> RowLists:
    """For each query the gallery rows with the same value; the value -1 equals nothing."""
    order = np.argsort(gallery_values, kind="stable")
    ascending = gallery_values[order]
    first = np.searchsorted(ascending, query_values, side="left")
    counts = np.where(query_values == UNKNOWN, 0, np.searchsorted(ascending, query_values, side="right") - first)
    offsets = np.zeros(len(query_values) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    return RowLists(offsets, order[np.repeat(first, counts) + within])


def _select(lists: RowLists, queries: np.ndarray) -> RowLists:
    chosen = np.flatnonzero(queries) if queries.dtype == np.bool_ else queries
    return row_lists([lists.of(int(query)) for query in chosen])


def _grouped(lists: RowLists, group_of_row: np.ndarray, group_count: int) -> RowLists:
    groups = group_of_row[lists.rows]
    queries = np.repeat(np.arange(len(lists)), lists.lengths)[groups >= 0]
    return _from_keys(np.unique(queries * max(group_count, 1) + groups[groups >= 0]), len(lists), group_count)


def _keys(lists: RowLists, row_count: int) -> np.ndarray:
    return np.repeat(np.arange(len(lists)), lists.lengths) * max(row_count, 1) + lists.rows


def _from_keys(keys: np.ndarray, query_count: int, row_count: int) -> RowLists:
    """Sorted unique keys query · row_count + row back to lists."""
    queries, rows = np.divmod(keys, max(row_count, 1))
    offsets = np.zeros(query_count + 1, dtype=np.int64)
    np.cumsum(np.bincount(queries, minlength=query_count), out=offsets[1:])
    return RowLists(offsets, rows)

"""k-reciprocal re-ranking (Zhong et al., CVPR 2017), exact, with sparse sets instead of dense matrices.

Over all M = Q + G items, with k = k1:

1. D[p, g] = squared Euclidean distance divided by the largest of row p.
2. N(p, k) = p itself and the k other items nearest to it; ties go to the lower item.
   R(p, k) = {g in N(p, k): p in N(g, k)}.
3. R*(p) = R(p, k1) joined with R(q, k1/2) for each q in R(p, k1) that has
   |R(q, k1/2) ∩ R(p, k1)| > 2/3 |R(q, k1/2)|; k1/2 is rounded half to even, as the authors' code does.
4. V[p, g] = exp(-D[p, g]) for g in R*(p), else 0; each row divided by its sum.
5. Local query expansion: V[p] = mean of V over the first k2 items of p's list (k2 = 1 leaves it out).
6. Jaccard distance J[p, g] = 1 - S / (2 - S) with S = sum over c of min(V[p, c], V[g, c]), rows summing to 1.
7. Result = (1 - lambda) J + lambda D, of queries against gallery.

V holds a few dozen numbers a row, so steps 2 to 6 work on sorted lists; of the M × M distances only blocks of
rows are looked at, and from features they are never all held. Every step gives what the dense definition gives,
up to the rounding of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mtmc.errors import ConfigError, InputError
from reid_models.evaluation.ranking import smallest_columns

_BLOCK_ROWS = 256  # rows of distances looked at together
_PAIRS_AT_ONCE = 4096  # 25 MB of differences at 1536 dimensions
Rows = Callable[[int, int], np.ndarray]  # squared distances of items start:stop to all items, (n, M), a copy
Pairs = Callable[[np.ndarray, np.ndarray], np.ndarray]  # squared distances of items a to items b, pair by pair


@dataclass(frozen=True)
class RerankConfig:
    """The authors' values for Market-1501. On vehicles winners used k1 50, k2 15, lambda 0.3 to 0.5 for images
    and 7, 2, 0.6 for tracks (reported by their code, not tuned here)."""

    k1: int = 20
    k2: int = 6
    lambda_value: float = 0.3  # weight of the plain distance; 1 leaves the order as it was

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1:
            raise ConfigError("re-ranking k1 and k2", "1 or more", f"{self.k1} and {self.k2}")
        if not 0 <= self.lambda_value <= 1:
            raise ConfigError("re-ranking lambda", "0 to 1", str(self.lambda_value))


@dataclass(frozen=True, eq=False)
class _Sparse:
    """M rows of (column, value) pairs, columns rising: row i owns columns[offsets[i]:offsets[i + 1]]."""

    offsets: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def rerank_features(query_features: np.ndarray, gallery_features: np.ndarray,
                    config: RerankConfig | None = None) -> np.ndarray:
    """Re-ranked distances (Q, G), 0 to 1, from features float (Q, D) and (G, D)."""
    if query_features.ndim != 2 or query_features.shape[1:] != gallery_features.shape[1:]:
        raise InputError("features to re-rank", "(Q, D) and (G, D)",
                         f"{query_features.shape} and {gallery_features.shape}")
    items = np.concatenate([query_features, gallery_features])
    squares = np.einsum("ij,ij->i", items, items)

    def rows(start: int, stop: int) -> np.ndarray:
        block = items[start:stop] @ items.T
        block *= -2
        block += squares
        block += squares[start:stop, None]
        np.maximum(block, 0, out=block)
        block[np.arange(stop - start), np.arange(start, stop)] = 0
        return block

    def pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        cuts = np.arange(_PAIRS_AT_ONCE, len(a), _PAIRS_AT_ONCE)
        return np.concatenate([((items[one] - items[two])**2).sum(axis=1)
                               for one, two in zip(np.split(a, cuts), np.split(b, cuts), strict=True)])

    return _rerank(len(query_features), len(items), rows, pairs, config or RerankConfig())


def rerank_distances(query_gallery: np.ndarray, query_query: np.ndarray, gallery_gallery: np.ndarray,
                     config: RerankConfig | None = None) -> np.ndarray:
    """Re-ranked distances (Q, G), 0 to 1, from Euclidean distances (not squared) (Q, G), (Q, Q) and (G, G)."""
    q, g = query_gallery.shape
    if query_query.shape != (q, q) or gallery_gallery.shape != (g, g):
        raise InputError("distances to re-rank", f"({q}, {g}), ({q}, {q}) and ({g}, {g})",
                         f"{query_gallery.shape}, {query_query.shape} and {gallery_gallery.shape}")

    def rows(start: int, stop: int) -> np.ndarray:
        parts = [np.concatenate([query_query[start:min(stop, q)], query_gallery[start:min(stop, q)]], axis=1)]
        if stop > q:
            low = max(start, q) - q
            parts.append(np.concatenate([query_gallery[:, low:stop - q].T, gallery_gallery[low:stop - q]], axis=1))
        return np.concatenate(parts)**2

    def pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        out = np.empty(len(a), dtype=query_gallery.dtype)
        for rows_in_query, columns_in_query, matrix in (
                (True, True, query_query), (True, False, query_gallery), (False, True, query_gallery.T),
                (False, False, gallery_gallery)):
            mask = ((a < q) == rows_in_query) & ((b < q) == columns_in_query)
            out[mask] = matrix[a[mask] - (0 if rows_in_query else q), b[mask] - (0 if columns_in_query else q)]
        return out**2

    return _rerank(q, q + g, rows, pairs, config or RerankConfig())


def _rerank(query_count: int, item_count: int, rows: Rows, pairs: Pairs, config: RerankConfig) -> np.ndarray:
    if not 0 < query_count < item_count:
        return np.zeros((query_count, item_count - query_count), dtype=np.float32)
    nearest, largest, plain = _nearest(query_count, item_count, rows, config.k1)
    p, g = _expanded_sets(nearest, config.k1)
    weights = np.exp(-(pairs(p, g) / largest[p]))
    encoding = _normalised(p, g, weights, item_count)
    if config.k2 > 1:
        encoding = _query_expansion(encoding, nearest[:, :config.k2])
    jaccard = _jaccard(encoding, query_count)
    jaccard *= 1 - config.lambda_value
    plain *= config.lambda_value
    jaccard += plain
    return jaccard


def _nearest(query_count: int, item_count: int, rows: Rows, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """N(p, k) int64 (M, k + 1) nearest first, the largest of each row (M,), and D of queries × gallery."""
    width = min(k + 1, item_count)
    nearest = np.empty((item_count, width), dtype=np.int64)
    largest, plain = [], []
    for start in range(0, item_count, _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, item_count)
        block = rows(start, stop)
        if np.isnan(block).any():
            raise InputError("features to re-rank", "finite numbers", "NaN")
        top = block.max(axis=1)
        top[top == 0] = 1  # all items alike
        block /= top[:, None]
        largest.append(top)
        if start < query_count:
            plain.append(block[:query_count - start, query_count:].copy())
        block[np.arange(stop - start), np.arange(start, stop)] = -1  # itself first, also among equal twins
        nearest[start:stop] = smallest_columns(block, width)
    return nearest, np.concatenate(largest), np.concatenate(plain)


def _reciprocal(nearest: np.ndarray, k: int) -> np.ndarray:
    """Sorted keys p · M + g of all g in R(p, k)."""
    m = len(nearest)
    neighbours = nearest[:, :k + 1]
    p, g = np.repeat(np.arange(m), neighbours.shape[1]), neighbours.reshape(-1)
    forward = np.sort(p * m + g)
    return forward[_contains(np.sort(g * m + p), forward)]


def _expanded_sets(nearest: np.ndarray, k1: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs (p, g) with g in R*(p), sorted."""
    m = len(nearest)
    full, half = _reciprocal(nearest, k1), _reciprocal(nearest, round(k1 / 2))
    half_items, half_offsets = half % m, np.searchsorted(half, np.arange(m + 1) * m)
    p, q = np.divmod(full, m)  # q runs over R(p, k1)
    sizes = np.diff(half_offsets)[q]
    # One line for each (p, q, r) with r in R(q, k1/2).
    pair = np.repeat(np.arange(len(full)), sizes)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    keys = p[pair] * m + half_items[half_offsets[q][pair] + within]
    shared = np.bincount(pair[_contains(full, keys)], minlength=len(full))
    taken = 3 * shared > 2 * sizes
    return tuple(np.divmod(np.union1d(full, keys[taken[pair]]), m))  # type: ignore[return-value]


def _contains(ascending: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """bool: whether each of `keys` is in the sorted array."""
    if not len(ascending):
        return np.zeros(len(keys), dtype=bool)
    place = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    return ascending[place] == keys


def _normalised(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, row_count: int) -> _Sparse:
    offsets = np.searchsorted(rows, np.arange(row_count + 1))
    sums = np.bincount(rows, weights=values, minlength=row_count)
    return _Sparse(offsets, columns, values / sums[rows])


def _query_expansion(encoding: _Sparse, lists: np.ndarray) -> _Sparse:
    """Row p = mean of the rows in lists[p] (M, k2)."""
    m, k2 = lists.shape
    sources = lists.reshape(-1)
    sizes = np.diff(encoding.offsets)[sources]
    target = np.repeat(np.repeat(np.arange(m), k2), sizes)
    within = np.arange(len(target)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = np.repeat(encoding.offsets[sources], sizes) + within
    keys, line = np.unique(target * m + encoding.columns[place], return_inverse=True)
    sums = np.bincount(line.reshape(-1), weights=encoding.values[place], minlength=len(keys))
    rows, columns = np.divmod(keys, m)
    return _Sparse(np.searchsorted(rows, np.arange(m + 1)), columns, sums / k2)


def _jaccard(encoding: _Sparse, query_count: int) -> np.ndarray:
    """float64 (Q, G): Jaccard distances of the first Q rows to the others."""
    m = len(encoding.offsets) - 1
    first = encoding.offsets[query_count]  # the gallery's part, turned to columns
    order = np.argsort(encoding.columns[first:], kind="stable")
    gallery_rows = encoding.rows[first:][order] - query_count
    gallery_values = encoding.values[first:][order]
    offsets = np.searchsorted(encoding.columns[first:][order], np.arange(m + 1))
    result = np.empty((query_count, m - query_count))
    for query in range(query_count):
        span = slice(encoding.offsets[query], encoding.offsets[query + 1])
        columns, values = encoding.columns[span], encoding.values[span]
        sizes = offsets[columns + 1] - offsets[columns]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        place = np.repeat(offsets[columns], sizes) + within
        smaller = np.minimum(np.repeat(values, sizes), gallery_values[place])
        shared = np.bincount(gallery_rows[place], weights=smaller, minlength=m - query_count)
        result[query] = 1 - shared / (2 - shared)
    return result

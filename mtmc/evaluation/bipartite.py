"""Exact one-to-one assignment over sparse weights: part by part, so that its cost follows what overlaps."""

from __future__ import annotations

import numpy as np
import scipy  # its parts are loaded when they are first used

_LARGEST_TABLE = 4_000_000  # cells, 32 MB; many tracklets chained by wrong links make parts for which a table is waste


def parts_of(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """int64 (E,): the connected part to which each edge (row, column) belongs. Rows and columns count from 0."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    n_rows, n_columns = int(rows.max()) + 1, int(columns.max()) + 1
    size = n_rows + n_columns
    graph = scipy.sparse.coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns + n_rows)), shape=(size, size))
    return scipy.sparse.csgraph.connected_components(graph, directed=False)[1][rows].astype(np.int64)


def best_assignment(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """bool (E,): the edges of the one-to-one assignment with the largest sum of weights.

    rows, columns: int64 (E,), each pair at most once. weights: (E,), over 0. Exact: the best over each connected
    part is the best over all (scipy's shortest augmenting path within a part).
    """
    chosen, contested = obvious_and_contested(rows, columns)
    for edges in contested:
        chosen[edges[solve_part(rows[edges], columns[edges], weights[edges])]] = True
    return chosen


def obvious_and_contested(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """bool (E,), True for edges that are alone in their part; and the edges of each other part."""
    parts = parts_of(rows, columns)
    alone = np.bincount(parts)[parts] == 1 if len(parts) else np.zeros(0, dtype=bool)
    others = np.flatnonzero(~alone)
    return alone, [others[group] for group in edge_groups(parts[others])]


def solve_part(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Places of the chosen edges of one connected part."""
    distinct_rows, r = np.unique(rows, return_inverse=True)
    distinct_columns, c = np.unique(columns, return_inverse=True)
    if len(distinct_rows) * len(distinct_columns) > _LARGEST_TABLE:
        return _solve_sparse(r, c, weights)
    table = np.zeros((len(distinct_rows), len(distinct_columns)))
    table[r, c] = weights
    edge_at = np.full(table.shape, -1)
    edge_at[r, c] = np.arange(len(rows))
    taken = edge_at[scipy.optimize.linear_sum_assignment(table, maximize=True)]
    return taken[taken >= 0]


def _solve_sparse(r: np.ndarray, c: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The same without a table. Every row may stay alone, on a column of its own; one is added to all weights, as scipy
    takes a zero for no edge, and changes nothing, as every row is matched once."""
    rows, columns = int(r.max()) + 1, int(c.max()) + 1
    alone = np.arange(rows)
    edges = (np.concatenate([r, alone]), np.concatenate([c, columns + alone]))
    values = np.concatenate([weights + 1.0, np.ones(rows)])
    graph = scipy.sparse.coo_array((values, edges), shape=(rows, columns + rows)).tocsr()
    found_rows, found_columns = scipy.sparse.csgraph.min_weight_full_bipartite_matching(graph, maximize=True)
    partner = np.full(rows, -1)
    partner[found_rows] = found_columns
    return np.flatnonzero(partner[r] == c)


def edge_groups(labels: np.ndarray) -> list[np.ndarray]:
    """The places of every label, in the order of labels; edges of one label keep their order."""
    if not len(labels):
        return []
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)

"""The nearest few of many, with the tie rule of all scores: equal distances go to the lower column."""

from __future__ import annotations

import numpy as np

from reid_models.evaluation.metrics import BLOCK_QUERIES, distance_keys


def smallest_columns(block: np.ndarray, width: int) -> np.ndarray:
    """int64 (n, min(width, columns)): columns of the smallest values of each row of (n, columns), rising, ties to
    the lower column."""
    width = min(width, block.shape[1])
    if not block.size or not width:
        return np.zeros((len(block), width), dtype=np.int64)
    border = np.partition(block, width - 1, axis=1)[:, width - 1]
    rows, columns = np.nonzero(block <= border[:, None])
    order = np.lexsort((columns, block[rows, columns], rows))
    starts = np.searchsorted(rows, np.arange(len(block)))
    return columns[order][starts[:, None] + np.arange(width)]


def nearest_columns(query_vectors: np.ndarray, entry_vectors: np.ndarray, columns: np.ndarray,
                    width: int) -> np.ndarray:
    """int64 (Q, min(width, C)): for each query the nearest of C ranked columns; column c shows entry `columns[c]`."""
    found = [smallest_columns(keys[:, columns], width) for keys in distance_keys(query_vectors, entry_vectors)]
    return np.concatenate([np.zeros((0, min(width, len(columns))), dtype=np.int64), *found])


def nearest_of_distances(distances: np.ndarray, width: int) -> np.ndarray:
    """int64 (Q, min(width, C)): as `nearest_columns`, from a matrix of distances (Q, C)."""
    found = [smallest_columns(distances[start:start + BLOCK_QUERIES], width)
             for start in range(0, len(distances), BLOCK_QUERIES)]
    return np.concatenate([np.zeros((0, min(width, distances.shape[1])), dtype=np.int64), *found])

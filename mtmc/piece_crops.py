"""What the crops' embeddings tell about the pieces of one camera: how alike they look, which crops are strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.crops import choose
from mtmc.errors import InputError
from mtmc.tracklets import Tracklet

# Fewer cases say little about a quantile.
_ENOUGH = 6


@dataclass(frozen=True, eq=False)
class PieceCrops:
    """What is left of the crops of M pieces once they are embedded, piece after piece.

    embeddings: float (sum of K, D) unit vectors. offsets: int64 (M + 1,), piece i owns rows
    offsets[i]:offsets[i + 1]. frame_indices: int64 (sum of K,). qualities: float32 (sum of K,).
    """

    embeddings: np.ndarray
    offsets: np.ndarray
    frame_indices: np.ndarray
    qualities: np.ndarray

    def __post_init__(self) -> None:
        rows = len(self.embeddings)
        if not len(self.offsets) or int(self.offsets[-1]) != rows:
            raise InputError("piece crops offsets", f"ending at {rows}", str(self.offsets[-1:]))
        if len(self.frame_indices) != rows or len(self.qualities) != rows:
            raise InputError("piece crops", f"{rows} rows", f"{len(self.frame_indices)}, {len(self.qualities)}")


def pooled(crops: PieceCrops) -> np.ndarray:
    """(M, D) unit mean of each piece's crops; NaN rows where a piece has none."""
    means = np.full((len(crops.offsets) - 1, crops.embeddings.shape[1]), np.nan)
    for i, (a, b) in enumerate(zip(crops.offsets[:-1], crops.offsets[1:], strict=True)):
        if b > a:
            means[i] = _unit_mean(crops.embeddings[a:b])
    return means


def _unit_mean(embeddings: np.ndarray) -> np.ndarray:
    mean = np.asarray(embeddings, dtype=np.float64).mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def looks_limit(pieces: Sequence[Tracklet], crops: PieceCrops, fallback: float) -> float:
    """The distance up to which two pieces of this camera may be one vehicle, whatever the embedder's scale.

    One vehicle's looks change over its passage: first against second half of a piece's crops, 90 % of pieces.
    Vehicles seen at the same time are certainly two: their distances, 10 % of pairs. The limit is half-way
    between the two; twice the first, at most `fallback`, where the second is known for fewer than `_ENOUGH` pairs;
    `fallback` where the first is not known for so many pieces.
    """
    halves = [_halves_distance(crops, i) for i in range(len(pieces))]
    same = [distance for distance in halves if np.isfinite(distance)]
    embeddings = pooled(crops)
    different = [float(np.linalg.norm(embeddings[i] - embeddings[j])) for i, j in _seen_together(pieces)]
    different = [distance for distance in different if np.isfinite(distance)]
    if len(same) < _ENOUGH:
        return fallback
    usual = float(np.quantile(same, 0.9))
    return (usual + float(np.quantile(different, 0.1))) / 2 if len(different) >= _ENOUGH else min(fallback, 2 * usual)


def _halves_distance(crops: PieceCrops, piece: int) -> float:
    """Distance between the pooled first and second half (in time) of a piece's crops; NaN below four crops."""
    rows = np.arange(crops.offsets[piece], crops.offsets[piece + 1])
    if len(rows) < 4:
        return float("nan")
    rows = rows[np.argsort(crops.frame_indices[rows], kind="stable")]
    first, second = (_unit_mean(crops.embeddings[half]) for half in np.array_split(rows, 2))
    return float(np.linalg.norm(first - second))


def _seen_together(pieces: Sequence[Tracklet]) -> list[tuple[int, int]]:
    """Pairs of pieces that overlap in time, the earlier start first."""
    order = sorted(range(len(pieces)), key=lambda i: (pieces[i].start_s, i))
    pairs = []
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if pieces[j].start_s > pieces[i].end_s:
                break
            pairs.append((i, j))
    return pairs


def rows_of(chain: Sequence[int], crops: PieceCrops) -> np.ndarray:
    """int64 rows of all crops of the pieces in `chain`."""
    return np.concatenate([np.arange(crops.offsets[i], crops.offsets[i + 1]) for i in chain]).astype(np.int64)


def typical_crops(rows: np.ndarray, crops: PieceCrops, limit: float) -> np.ndarray:
    """Those of `rows` whose embedding lies within `limit` of the most typical one's.

    Most typical: the least sum of distances to the others, weighted by their quality. What is left out shows a
    vehicle that passed in front, or the one with which a box was shared for a while.
    """
    if len(rows) < 3:
        return rows  # nothing says which of two is the stranger
    looks = np.asarray(crops.embeddings[rows], dtype=np.float64)
    distances = np.linalg.norm(looks[:, None] - looks[None], axis=2)
    typical = int(np.argmin(distances @ np.asarray(crops.qualities[rows], dtype=np.float64)))
    return rows[distances[typical] <= limit]


def best_crops(rows: np.ndarray, times_s: np.ndarray, qualities: np.ndarray, count: int) -> np.ndarray:
    """int64: at most `count` of `rows`, best quality first, spread over time. times_s, qualities: of all crops."""
    best = rows[choose(times_s[rows], qualities[rows], count)]
    return best[np.lexsort((times_s[best], -qualities[best]))]

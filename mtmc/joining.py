"""Joining the pieces of one vehicle inside one camera, then dropping what is not worth matching.

A vehicle that is hidden for a moment comes out of the tracker as two pieces. Two pieces are one vehicle
when the first's motion leads to the second's start, the gap is short, they look alike, and no other
pair explains either of them better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are first used

from mtmc import mending
from mtmc.errors import ConfigError, InputError
from mtmc.gates import REASONS, GateConfig, refusals
from mtmc.mending import centres, sizes, velocity
from mtmc.piece_crops import PieceCrops, best_crops, looks_limit, pooled, rows_of, typical_crops
from mtmc.tracklet_counts import JoinCounts
from mtmc.tracklets import Tracklet

__all__ = ["JoinedCamera", "JoiningConfig", "PieceCrops", "join_camera"]


@dataclass(frozen=True)
class JoiningConfig:
    """When two pieces are one vehicle.

    join_gap_s: longest time unseen. max_offset: box sizes between the predicted and the found place, growing
    by offset_rate a second of gap. max_growth: factor between predicted and found size. max_distance:
    Euclidean distance of the pooled unit embeddings, 0 to 2. fill_s: gaps up to this are filled with
    interpolated boxes.
    """

    join_gap_s: float = 3.0
    max_offset: float = 1.0
    offset_rate: float = 1.0
    max_growth: float = 1.6
    max_distance: float = 0.5
    fill_s: float = 3.0
    memory_s: float = 0.7
    strange_looks: float = 1.3

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if not (np.isfinite(value) and value >= 0):
                raise ConfigError(f"joining.{key}", "a number of 0 or more", str(value))


@dataclass(frozen=True, eq=False)
class PiecePairs:
    """P pairs of pieces that may be one vehicle: int64 (P,) rows of the earlier and of the later piece, and what
    joining them costs, float64 (P,), 0 to below 1."""

    earlier: np.ndarray
    later: np.ndarray
    costs: np.ndarray


@dataclass(frozen=True, eq=False)
class JoinedCamera:
    """The tracklets of one camera that go on to matching, by start then id.

    crop_rows: for each, int64 rows into the pieces' stacked crops, best first. dropped: the others with
    the reason, as (tracklet, reason).
    """

    tracklets: tuple[Tracklet, ...]
    crop_rows: tuple[np.ndarray, ...]
    dropped: tuple[tuple[Tracklet, str], ...]
    counts: JoinCounts


def join_camera(
    pieces: Sequence[Tracklet], crops: PieceCrops, frame_times: tuple[np.ndarray, np.ndarray],
    joining: JoiningConfig, gates: GateConfig, crops_per_tracklet: int,
) -> JoinedCamera:
    """Joins the M pieces of one camera and drops what is not worth matching.

    frame_times: (indices, times_s) of all frames of the camera, for filling gaps.
    """
    if len(crops.offsets) != len(pieces) + 1:
        raise InputError("piece crops", f"{len(pieces)} pieces", f"{len(crops.offsets) - 1}")
    looks = looks_limit(pieces, crops, joining.max_distance)
    chains = join_chains(pieces, pooled(crops), looks, joining)
    tracklets = [merge([pieces[i] for i in chain], frame_times, joining.fill_s) for chain in chains]
    times_s = _times_of(crops.frame_indices, frame_times)
    rows = [best_crops(typical_crops(rows_of(chain, crops), crops, looks * joining.strange_looks), times_s,
                       crops.qualities, crops_per_tracklet) for chain in chains]
    reasons = refusals(tracklets, [len(r) for r in rows], gates)
    order = sorted(range(len(chains)), key=lambda i: (tracklets[i].start_s, tracklets[i].track_id))
    kept = [i for i in order if not reasons[i]]
    counts = JoinCounts(pieces=len(pieces), kept=len(kept), joined=len(pieces) - len(chains),
                        **{reason: reasons.count(reason) for reason in REASONS})
    return JoinedCamera(tuple(tracklets[i] for i in kept), tuple(rows[i] for i in kept),
                        tuple((tracklets[i], reasons[i]) for i in order if reasons[i]), counts)


def join_chains(
    pieces: Sequence[Tracklet], embeddings: np.ndarray, looks: float, config: JoiningConfig
) -> list[list[int]]:
    """The pieces as chains, each in time order; a piece follows at most one and is followed by at most one.

    The pairs are the assignment of least total cost in which staying alone costs 1, more than any pair that is allowed.
    """
    m = len(pieces)
    follower = followers(m, admissible_pairs(pieces, embeddings, looks, config))
    heads = sorted(set(range(m)) - set(follower[follower >= 0].tolist()))
    return [_walk(head, follower) for head in heads]


def followers(m: int, pairs: PiecePairs) -> np.ndarray:
    """int64 (m,): the piece that follows each, -1 where none does. Memory grows with the pairs, not with m²: a camera
    cuts ten thousand pieces a day, of which each could be followed by a handful."""
    follower = np.full(m, -1)
    if not len(pairs.costs):
        return follower
    alone = np.arange(m)  # a private place "nobody follows" for every piece, right of the m pieces
    # Every complete assignment has m entries, so 1 more for each changes none; a stored 0 would be no entry at all.
    values = np.concatenate([pairs.costs, np.ones(m)]) + 1
    rows, columns = np.concatenate([pairs.earlier, alone]), np.concatenate([pairs.later, m + alone])
    costs = scipy.sparse.csr_array((values, (rows, columns)), shape=(m, 2 * m))
    chosen, place = scipy.sparse.csgraph.min_weight_full_bipartite_matching(costs)
    linked = place < m
    follower[chosen[linked]] = place[linked]
    return follower


def _walk(head: int, follower: np.ndarray) -> list[int]:
    chain = [head]
    while follower[chain[-1]] >= 0:
        chain.append(int(follower[chain[-1]]))
    return chain


def admissible_pairs(
    pieces: Sequence[Tracklet], embeddings: np.ndarray, looks: float, config: JoiningConfig
) -> PiecePairs:
    """The pairs of M pieces of which the later may follow the earlier. looks: largest distance of their pooled
    embeddings (M, D)."""
    order = sorted(range(len(pieces)), key=lambda i: pieces[i].start_s)
    starts = np.array([pieces[i].start_s for i in order])
    found: list[tuple[int, int, float]] = []
    for i, piece in enumerate(pieces):
        first, last = np.searchsorted(starts, [piece.end_s, piece.end_s + config.join_gap_s], side="right")
        for j in (order[k] for k in range(first, last)):
            distance = float(np.linalg.norm(embeddings[i] - embeddings[j]))
            cost = _pair_cost(piece, pieces[j], distance / looks if looks > 0 else np.inf, config)
            if cost < 1:
                found.append((i, j, cost))
    return PiecePairs(*(np.array([pair[k] for pair in found], dtype) for k, dtype in enumerate((int, int, float))))


def _pair_cost(a: Tracklet, b: Tracklet, looks: float, config: JoiningConfig) -> float:
    """Mean of the motion's and the looks' share of what is allowed; infinity beyond either (or looks NaN)."""
    gap = b.start_s - a.end_s
    allowed = config.max_offset + config.offset_rate * gap
    motion = _offset(a, b, config.memory_s) / allowed if allowed > 0 else np.inf
    ratio = sizes(a.boxes_xyxy[-1:])[0] / sizes(b.boxes_xyxy[:1])[0]
    if not (motion < 1 and looks < 1 and abs(np.log(ratio)) < np.log(config.max_growth) * (1 + gap)):
        return np.inf
    return (motion + looks) / 2


def _offset(a: Tracklet, b: Tracklet, memory_s: float) -> float:
    """Box sizes between where a's motion leads and where b starts, and back again; the mean of both."""
    gap = b.start_s - a.end_s
    tail = (a.times_s >= a.end_s - memory_s) & ~a.interpolated
    head = (b.times_s <= b.start_s + memory_s) & ~b.interpolated
    size = (sizes(a.boxes_xyxy[-1:])[0] + sizes(b.boxes_xyxy[:1])[0]) / 2
    end, start = centres(a.boxes_xyxy[-1:])[0], centres(b.boxes_xyxy[:1])[0]
    forward = end + velocity(a.times_s[tail], centres(a.boxes_xyxy[tail])) * gap - start
    backward = start - velocity(b.times_s[head], centres(b.boxes_xyxy[head])) * gap - end
    return float((np.linalg.norm(forward) + np.linalg.norm(backward)) / 2 / size)


def merge(chain: Sequence[Tracklet], frame_times: tuple[np.ndarray, np.ndarray], fill_s: float) -> Tracklet:
    """One tracklet out of pieces in time order that do not overlap; it keeps the first piece's id."""
    if len(chain) == 1:
        return chain[0]
    indices, times = frame_times
    own_times = np.concatenate([piece.times_s for piece in chain])
    own = np.concatenate([piece.frame_indices for piece in chain])
    values = np.concatenate([np.column_stack([p.boxes_xyxy, p.scores]) for p in chain])
    covered, filled = mending.fill_gaps(own_times, own, times, indices, fill_s)
    at = mending.interpolate(own_times, values, times[covered])
    marked = filled.copy()
    marked[~filled] = np.concatenate([piece.interpolated for piece in chain])
    class_id, class_share = _class_of(chain)
    return Tracklet(chain[0].camera_id, chain[0].track_id, times[covered], indices[covered], at[:, :4], at[:, 4],
                    marked, class_id, class_share)


def _class_of(chain: Sequence[Tracklet]) -> tuple[int, float]:
    """The class with the most scored boxes behind it over all pieces, and its share."""
    weights: dict[int, float] = {}
    total = 0.0
    for piece in chain:
        weight = max(float(piece.scores.sum()), 1e-9)
        weights[piece.class_id] = weights.get(piece.class_id, 0.0) + weight * piece.class_share
        total += weight
    best = min(weights, key=lambda class_id: (-weights[class_id], class_id))
    return best, min(1.0, weights[best] / total)


def _times_of(frame_indices: np.ndarray, frame_times: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(K,) seconds of frames that the camera gave."""
    indices, times = frame_times
    if not len(frame_indices):
        return np.zeros(0)
    return times[np.minimum(np.searchsorted(indices, frame_indices), len(times) - 1)]

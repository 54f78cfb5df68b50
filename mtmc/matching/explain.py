"""The candidates with their reasons: for every tracklet its nearest in other cameras, and all that were likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are first used

from mtmc.camera_rules import CameraRules
from mtmc.embedding import Gallery
from mtmc.matching.distances import distances
from mtmc.matching.learning import TIME_GATE, Learned
from mtmc.matching.likeness import PAIRS_AT_ONCE
from mtmc.matching.matches import (
    GATE_ACCEPTED,
    GATE_CONFLICT,
    GATE_DISTANCE,
    GATE_INDIRECT,
    GATE_NO_PASSAGE,
    GATE_PROBABILITY,
    GATE_RANK,
    GATE_TAKEN,
    GATE_TIME,
    Candidates,
)
from mtmc.matching.pairs import Pairs, obey, starts_first
from mtmc.matching.threads import in_threads
from mtmc.tracklets import TrackletTable

TERM_NAMES = ("appearance", "neighbours", "travel_time", "places")
LISTED_PROBABILITY = 0.01  # pairs at least this likely are listed, however far apart
NO_PASSAGE = 0.05  # cameras with a smaller probability of sharing vehicles


@dataclass(frozen=True, eq=False)
class Verdict:
    """accepted, conflict: bool (P,) over the pairs. same_vehicle: float64 (P,), with detours over other tracklets."""

    accepted: np.ndarray
    conflict: np.ndarray
    same_vehicle: np.ndarray
    global_ids: np.ndarray


def same_vehicle_probability(pairs: Pairs, next_probability: np.ndarray, tracklets: int) -> np.ndarray:
    """(P,): one vehicle, directly or over appearances in between."""
    kept = next_probability > 0.05
    entries = (next_probability[kept], (pairs.a[kept], pairs.b[kept]))
    step = scipy.sparse.csr_matrix(entries, shape=(tracklets, tracklets))
    reach, total = step, step.copy()
    for _ in range(12):
        reach = reach @ step
        reach.data[reach.data < 0.02] = 0.0
        reach.eliminate_zeros()
        if not reach.nnz:
            break
        total = total + reach
    if not len(pairs):
        return np.zeros(0)
    return np.clip(np.maximum(np.asarray(total[pairs.a, pairs.b]).ravel(), next_probability), 0.0, 1.0)


def candidates(gallery: Gallery, rules: CameraRules, pairs: Pairs, learned: Learned, verdict: Verdict, neighbours: int,
               max_travel_s: float, least: float) -> Candidates:
    """The listed pairs, sorted by (a, b)."""
    table = gallery.tracklets
    first, second, known = _considered(table, pairs)
    near = _tracklet_distances(gallery, first, second)
    rank_first, rank_second = _ranks(near, first, second, table.camera_rows, known >= 0)
    every = np.ones(len(first), bool)
    nearest_first, nearest_second = _ranks(near, first, second, table.camera_rows, every)
    probability = np.where(known >= 0, verdict.same_vehicle[known], 0.0) if len(pairs) else np.zeros(len(first))
    listed = (nearest_first <= neighbours) | (nearest_second <= neighbours) | (probability >= LISTED_PROBABILITY)
    if len(pairs):
        listed |= (known >= 0) & verdict.accepted[known]
    rows = np.flatnonzero(listed)
    rows = rows[np.lexsort((second[rows], first[rows]))]
    a, b, known = first[rows], second[rows], known[rows]
    travel_s = table.start_s[b] - table.end_s[a]
    gates = _gates(gallery, rules, a, b, known, travel_s, learned, verdict, max_travel_s, least,
                   rank_first[rows], rank_second[rows])
    terms = np.zeros((len(rows), len(TERM_NAMES)), np.float32)
    terms[known >= 0] = learned.log_terms[known[known >= 0]]
    return Candidates(
        np.stack([a, b], axis=1), near[rows], _image_distances(gallery, a, b), _image_distances(gallery, b, a),
        rank_first[rows], rank_second[rows], travel_s, probability[rows], gates, TERM_NAMES, terms)


def _considered(table: TrackletTable, pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a, b of every pair of two cameras and its row in `pairs`, -1 where it was not admitted; of a gallery too
    large for that only the pairs themselves."""
    if not pairs.complete:
        rows = np.flatnonzero(~pairs.same_camera)
        return pairs.a[rows], pairs.b[rows], rows
    first, second = starts_first(table)
    other = table.camera_rows[first] != table.camera_rows[second]
    place = np.full((len(table), len(table)), -1, np.int64)
    place[pairs.a, pairs.b] = np.arange(len(pairs))
    return first[other], second[other], place[first[other], second[other]]


def _tracklet_distances(gallery: Gallery, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """float32 (P,), of the vectors as they came."""
    if len(gallery) ** 2 <= 4 * len(first):
        return distances(gallery.embeddings, gallery.embeddings)[first, second]
    result = np.empty(len(first), np.float32)

    def measure(start: int) -> None:
        part = slice(start, start + PAIRS_AT_ONCE)
        cosine = np.einsum("ij,ij->i", gallery.embeddings[first[part]], gallery.embeddings[second[part]])
        result[part] = np.sqrt(np.maximum(2.0 - 2.0 * cosine, 0.0))

    in_threads(measure, range(0, len(first), PAIRS_AT_ONCE))
    return result


def _ranks(near: np.ndarray, first: np.ndarray, second: np.ndarray, cameras: np.ndarray,
           counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 (P,), int64 (P,): 1 + how many counted partners in the other's camera are nearer to a, and to b."""
    count = int(cameras.max()) + 1 if len(cameras) else 1

    def of(own: np.ndarray, partner: np.ndarray) -> np.ndarray:
        rank = np.empty(len(own), np.int64)
        if len(own):
            slots = own * count + cameras[partner]
            order = np.lexsort((partner, near, slots))
            slot = slots[order]
            start = np.concatenate([[True], slot[1:] != slot[:-1]])
            before = np.cumsum(counted[order]) - counted[order]
            rank[order] = before - before[start][np.cumsum(start) - 1] + 1
        return rank

    # Each pair stands once, so the partners of a tracklet are found on both sides.
    both_own, both_partner = np.concatenate([first, second]), np.concatenate([second, first])
    near, counted = np.concatenate([near, near]), np.concatenate([counted, counted])
    rank = of(both_own, both_partner)
    return rank[:len(first)], rank[len(first):]


def _image_distances(gallery: Gallery, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float32 (P,): from the nearest image of each row to the other's pooled vector; the pooled one without images."""
    result = np.zeros(len(rows), np.float32)
    order = np.argsort(rows, kind="stable")
    own, first, partners = np.unique(rows[order], return_index=True, return_counts=True)
    images = np.diff(gallery.image_offsets)[own]
    kinds = np.unique(np.column_stack([images, partners]), axis=0)  # alike in size, so that one product serves many

    def measure(places: np.ndarray) -> None:
        """places: into `own`, all with as many images and as many partners."""
        mine = own[places]
        if images[places[0]]:
            at = gallery.image_offsets[mine][:, None] + np.arange(images[places[0]])
            vectors = np.asarray(gallery.image_embeddings[at], np.float32)
        else:
            vectors = gallery.embeddings[mine][:, None].astype(np.float32)
        pairs = order[first[places][:, None] + np.arange(partners[places[0]])]
        cosines = vectors @ gallery.embeddings[others[pairs]].astype(np.float32).transpose(0, 2, 1)
        result[pairs] = np.sqrt(np.maximum(2.0 - 2.0 * cosines, 0.0)).min(axis=1)

    parts = []
    for kind in kinds:
        alike = np.flatnonzero((images == kind[0]) & (partners == kind[1]))
        at_once = max(1, PAIRS_AT_ONCE // int(kind.sum()))
        parts += [alike[start:start + at_once] for start in range(0, len(alike), at_once)]
    in_threads(measure, parts)
    return result


def _gates(gallery: Gallery, rules: CameraRules, a: np.ndarray, b: np.ndarray, known: np.ndarray, travel_s: np.ndarray,
           learned: Learned, verdict: Verdict, max_travel_s: float, least: float, rank_a: np.ndarray,
           rank_b: np.ndarray) -> np.ndarray:
    """One word a pair: the first of the reasons that holds."""
    table = gallery.tracklets
    inside = known >= 0
    at = np.maximum(known, 0)

    def of(values: np.ndarray) -> np.ndarray:
        return values[at] if len(values) else np.zeros(len(known), values.dtype)

    terms = learned.log_terms if len(learned.log_terms) else np.zeros((1, len(TERM_NAMES)))
    edge_connected = learned.connected[learned.edge_rows] if len(learned.edge_rows) else np.zeros(0)
    taken = _taken(table.camera_rows, a, b, of(verdict.accepted) & inside, verdict.global_ids)
    open_in_time = obey(table, rules, a, b, np.zeros(len(a)), max_travel_s)[0]
    allowed_at_all = _allowed_at_all(table, rules, a, b) if len(a) else open_in_time
    reasons = [
        (inside & of(verdict.accepted), GATE_ACCEPTED),
        (inside & (verdict.global_ids[a] == verdict.global_ids[b]), GATE_INDIRECT),
        (~allowed_at_all, GATE_NO_PASSAGE),
        (~inside, GATE_TIME),
        (of(verdict.conflict), GATE_CONFLICT),
        (of(learned.solo) >= least, GATE_TAKEN),
        (of(edge_connected) < NO_PASSAGE, GATE_NO_PASSAGE),
        (terms[at, 2] < np.log(TIME_GATE) if len(terms) > 1 else np.zeros(len(a), bool), GATE_TIME),
        (taken, GATE_TAKEN),
        ((rank_a > 1) | (rank_b > 1), GATE_RANK),
        (terms[at, 0] < 0 if len(terms) > 1 else np.zeros(len(a), bool), GATE_DISTANCE),
    ]
    return np.select([mask for mask, _ in reasons], [word for _, word in reasons], GATE_PROBABILITY).astype("<U16")


def _taken(cameras: np.ndarray, a: np.ndarray, b: np.ndarray, accepted: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """bool (P,): one side's vehicle has another tracklet in the other side's camera."""
    present = {(int(ids[row]), int(cameras[row])) for row in range(len(ids))}
    there = [(int(ids[i]), int(cameras[j])) in present or (int(ids[j]), int(cameras[i])) in present
             for i, j in zip(a.tolist(), b.tolist(), strict=True)]
    return np.array(there, bool).reshape(len(a)) & ~accepted


def _allowed_at_all(table: TrackletTable, rules: CameraRules, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    cameras, names = table.camera_rows, table.camera_ids
    allowed = np.full(len(a), not rules.only_listed)
    for rule in rules.transitions:
        if rule.camera_from in names and rule.camera_to in names:
            mine = (cameras[a] == names.index(rule.camera_from)) & (cameras[b] == names.index(rule.camera_to))
            allowed = np.where(mine, rule.allowed, allowed)
    return allowed

"""Which pairs of tracklets are looked at, and how alike each looks next to all others of its two cameras."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtmc.camera_rules import CameraRules
from mtmc.matching.adaptive_images import adaptive_image
from mtmc.matching.distances import distances
from mtmc.matching.likeness import COHORT_PRIOR, Likeness, measure_likeness
from mtmc.matching.looks import Looks
from mtmc.matching.reranked import reranked
from mtmc.tracklets import TrackletTable

PIECE_GAP_S = 5.0  # pieces of one passage in one camera follow each other within this
SURELY_OTHERS_S = 30.0  # two tracklets of one camera nearer in time are two vehicles, unless they are pieces


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of tracklets that may be one vehicle, a starting first, and Q that surely are not.

    a, b: int64 (P,), rows of the table. travel_s: float64 (P,), start of b - end of a. same_camera: bool (P,):
    pieces of one passage. likeness: float64 (P, 2), standardised tracklet-to-tracklet and image-to-tracklet
    distances: 0 is the mean of the two cameras' pairs, -1 one standard deviation nearer. given: bool (P,), True
    where the user has a rule for the directed pair. false_likeness: float64 (Q, 2), of pairs of one camera
    that follow each other closely and are no pieces; of a large gallery, of pairs between cameras that were left out
    as too unlike. false_weights: float64 (Q,), how many such pairs each of them stands for. tracklets: likeness of any
    other pair.
    """

    a: np.ndarray
    b: np.ndarray
    travel_s: np.ndarray
    same_camera: np.ndarray
    likeness: np.ndarray
    given: np.ndarray
    false_likeness: np.ndarray
    false_weights: np.ndarray
    tracklets: Likeness

    def __len__(self) -> int:
        return len(self.a)

    @property
    def complete(self) -> bool:
        """Whether every pair that time and the user's rules admit is among the P."""
        return bool(self.tracklets.matrix.size)

    def between_cameras(self) -> tuple[np.ndarray, np.ndarray]:
        """(R, 2) likeness of pairs of two cameras, false but for a few, and how many pairs each stands for: what is
        usual for the cameras, so those left out count."""
        kept = self.likeness[~self.same_camera]
        if self.complete:
            return kept, np.ones(len(kept))
        weights = np.concatenate([np.ones(len(kept)), self.false_weights])
        return np.concatenate([kept, self.false_likeness]), weights


def find_pairs(table: TrackletTable, looks: Looks, rules: CameraRules, max_travel_s: float, use_images: bool,
               join_pieces: bool, adaptive_images: bool = False, rerank: bool = False) -> Pairs:
    """All pairs that time and the user's rules admit. adaptive_images, rerank: see `MatchingConfig`."""
    tracklets = measure_likeness(looks, table.camera_rows, len(table.camera_ids))
    every = np.arange(len(table))
    tracklet = standardised(reranked(looks), table.camera_rows) if rerank else tracklets.of_block(every, every)
    tracklets = replace(tracklets, matrix=tracklet)
    measure = adaptive_image if adaptive_images else nearest_image
    image = standardised(measure(looks), table.camera_rows) if use_images else tracklet
    first, second = starts_first(table)
    same = table.camera_rows[first] == table.camera_rows[second]
    travel_s = table.start_s[second] - table.end_s[first]
    beside = same & (travel_s < SURELY_OTHERS_S) & ~((travel_s > -1.0) & (travel_s < PIECE_GAP_S / 2))
    piece = join_pieces & same & (travel_s > 0) & (travel_s < PIECE_GAP_S)
    allowed, given = obey(table, rules, first, second, travel_s, max_travel_s)
    kept = piece | (~same & allowed)
    likeness = np.column_stack([tracklet[first, second], image[first, second]]).astype(np.float64)
    return Pairs(first[kept], second[kept], travel_s[kept], same[kept], likeness[kept], given[kept] & ~same[kept],
                 likeness[beside], np.ones(int(beside.sum())), tracklets)


def starts_first(table: TrackletTable) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of rows once, ordered by start (ties: end, camera, track)."""
    i, j = np.triu_indices(len(table), 1)
    place = np.empty(len(table), np.int64)
    place[np.lexsort((table.track_ids, table.camera_rows, table.end_s, table.start_s))] = np.arange(len(table))
    turned = place[j] < place[i]
    return np.where(turned, j, i), np.where(turned, i, j)


def obey(table: TrackletTable, rules: CameraRules, first: np.ndarray, second: np.ndarray, travel_s: np.ndarray,
         max_travel_s: float) -> tuple[np.ndarray, np.ndarray]:
    """bool (P,), bool (P,): whether time and rules admit each pair, and whether a rule spoke of it."""
    allowed = (travel_s < max_travel_s) & (not rules.only_listed)
    given = np.full(len(first), bool(rules.only_listed))
    camera_first, camera_second = table.camera_rows[first], table.camera_rows[second]
    for rule in rules.transitions:
        if rule.camera_from in table.camera_ids and rule.camera_to in table.camera_ids:
            mine = (camera_first == table.camera_ids.index(rule.camera_from)) & (
                camera_second == table.camera_ids.index(rule.camera_to))
            given |= mine
            inside = (travel_s >= rule.min_s) & (travel_s <= rule.max_s) if rule.allowed else np.zeros(len(mine), bool)
            allowed = np.where(mine, inside, allowed)
    return allowed, given


def nearest_image(looks: Looks) -> np.ndarray:
    """float32 (M, M): mean of both directions of the distance from the nearest image of one to the other's vector."""
    m = len(looks.pooled)
    nearest = np.zeros((m, m), np.float32)
    for start in range(0, m, 64):
        images, offsets = looks.images_of(np.arange(start, min(start + 64, m)))
        nearest[start:start + 64] = np.minimum.reduceat(distances(images, looks.pooled), offsets[:-1], axis=0)
    return (nearest + nearest.T) / 2


def standardised(every: np.ndarray, camera_rows: np.ndarray) -> np.ndarray:
    """float32 (M, M): each distance in standard deviations from the mean of its two tracklets' distances to the
    other's camera (symmetric score normalisation, as in speaker verification), so that a vehicle that is like all
    others and a pair of cameras with unlike light do not mislead."""
    result = np.zeros(every.shape, np.float32)
    groups = [np.flatnonzero(camera_rows == camera) for camera in np.unique(camera_rows)]
    for place, rows in enumerate(groups):
        for columns in groups[place:]:
            block = every[np.ix_(rows, columns)].astype(np.float64)
            mask = np.ones(block.shape, bool)
            if rows is columns:
                np.fill_diagonal(mask, False)
            if mask.sum() < 2:
                continue
            z = (_z_scores(block, mask) + _z_scores(block.T, mask.T).T) / 2
            z[~mask] = 0.0
            result[np.ix_(rows, columns)] = z
            result[np.ix_(columns, rows)] = z.T
    return result


def _z_scores(block: np.ndarray, mask: np.ndarray) -> np.ndarray:
    overall, spread = float(block[mask].mean()), max(float(block[mask].std()), 1e-3)
    count = mask.sum(axis=1, keepdims=True)
    mean = np.where(mask, block, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    variance = np.where(mask, np.square(block - mean), 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    centre = (count * mean + COHORT_PRIOR * overall) / (count + COHORT_PRIOR)
    scale = np.sqrt((count * variance + COHORT_PRIOR * spread**2) / (count + COHORT_PRIOR))
    return (block - centre) / scale

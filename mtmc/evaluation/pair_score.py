"""Precision and recall of the links: of the pairs of tracks in different cameras that are called one vehicle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.evaluation.track_contents import NO_VEHICLE, TrackContents, Tracks


@dataclass(frozen=True)
class PairScore:
    """Pairs of tracks in different cameras.

    right: predicted pairs whose tracks show the same vehicle. wrong: they show two. unmatched: one of the tracks
    shows no vehicle of the truth, which holds all that passed two cameras. truth: pairs of cameras that a true
    vehicle was seen in; found: those of them that a right pair joins.
    """

    right: int = 0
    wrong: int = 0
    unmatched: int = 0
    truth: int = 0
    found: int = 0

    @property
    def precision(self) -> float:
        """The share of predicted pairs that are right."""
        return self.right / max(1, self.right + self.wrong + self.unmatched)

    @property
    def recall(self) -> float:
        """The share of true pairs that were found."""
        return self.found / max(1, self.truth)


def pair_score(contents: TrackContents) -> PairScore:
    """Count the pairs. A vehicle in n cameras makes n (n - 1) / 2."""
    tracks = contents.prediction
    a, b = camera_pairs(tracks)
    vehicle_a, vehicle_b = contents.vehicles[a], contents.vehicles[b]
    unmatched = (vehicle_a == NO_VEHICLE) | (vehicle_b == NO_VEHICLE)
    right = ~unmatched & (vehicle_a == vehicle_b)
    joined = np.stack([vehicle_a, tracks.camera_rows[a], tracks.camera_rows[b]], axis=1)[right]
    return PairScore(
        right=int(right.sum()),
        wrong=int((~unmatched & ~right).sum()),
        unmatched=int(unmatched.sum()),
        truth=len(camera_pairs(contents.truth)[0]),
        found=len(np.unique(joined, axis=0)),
    )


def camera_pairs(tracks: Tracks) -> tuple[np.ndarray, np.ndarray]:
    """Places (a, b) of all pairs of tracks with one identity, a in the earlier camera of the list."""
    order = np.lexsort((tracks.camera_rows, tracks.ids))
    ids, counts = np.unique(tracks.ids, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(ids) else counts
    a, b = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for n in np.unique(counts[counts > 1]):
        left, right = np.triu_indices(n, 1)
        base = starts[counts == n][:, None]
        a.append(order[(base + left).reshape(-1)])
        b.append(order[(base + right).reshape(-1)])
    return np.concatenate(a), np.concatenate(b)

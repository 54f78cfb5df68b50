"""What each predicted track really shows: the ground of the scores of links and of the list of errors.

A track here is all boxes of one identity in one camera, of the truth or of the prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.evaluation.identity import PairCounts, count_pairs
from mtmc.evaluation.overlaps import Overlaps
from mtmc.results.track_boxes import TrackBoxes

# The share of a track's boxes that must lie on a vehicle before the track counts as showing it: MOTChallenge
# calls a vehicle of which less than a fifth was found "mostly lost".
LEAST_SHARE = 0.2
NO_VEHICLE = -1


@dataclass(frozen=True, eq=False)
class Tracks:
    """T tracks, sorted by (camera, identity). camera_rows, ids: int64 (T,). sizes: int64 (T,), boxes.
    first_frames, last_frames: int64 (T,). track_of: int64 (N,), the track of every box."""

    camera_rows: np.ndarray
    ids: np.ndarray
    sizes: np.ndarray
    first_frames: np.ndarray
    last_frames: np.ndarray
    track_of: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, boxes: TrackBoxes) -> Tracks:
        """The tracks of `boxes`."""
        keys = np.stack([boxes.camera_rows, boxes.ids], axis=1)
        distinct, track_of, sizes = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        track_of = track_of.reshape(-1)
        first = np.full(len(distinct), np.iinfo(np.int64).max)
        last = np.zeros(len(distinct), dtype=np.int64)
        np.minimum.at(first, track_of, boxes.frames)
        np.maximum.at(last, track_of, boxes.frames)
        return cls(distinct[:, 0], distinct[:, 1], sizes, first, last, track_of)


@dataclass(frozen=True, eq=False)
class TrackContents:
    """truth, prediction: the tracks. meetings: boxes that each truth track (left) and each predicted one (right)
    have in common, by places in left_values and right_values, which are track numbers.
    shown_tracks: int64 (T predicted,), the truth track that each predicted one shows, or NO_VEHICLE.
    vehicles: int64 (T predicted,), the place of its identity in `vehicle_ids` (sorted), or NO_VEHICLE."""

    truth: Tracks
    prediction: Tracks
    meetings: PairCounts
    shown_tracks: np.ndarray
    vehicles: np.ndarray
    vehicle_ids: np.ndarray


def track_contents(truth: TrackBoxes, prediction: TrackBoxes, matched: Overlaps) -> TrackContents:
    """matched: the pairs of boxes that overlap enough, one to one, so that a vehicle passing close behind another
    is not taken for it."""
    tracks_t, tracks_p = Tracks.of(truth), Tracks.of(prediction)
    meetings = count_pairs(tracks_t.track_of[matched.truth_rows], tracks_p.track_of[matched.prediction_rows])
    shown = np.full(len(tracks_p), NO_VEHICLE)
    # Most boxes in common win, ties go to the smaller truth track: written last, it stays.
    order = np.lexsort((-meetings.left, meetings.counts))
    left, right = meetings.left_values[meetings.left[order]], meetings.right_values[meetings.right[order]]
    enough = meetings.counts[order] >= LEAST_SHARE * tracks_p.sizes[right]
    shown[right[enough]] = left[enough]
    vehicle_ids, vehicle_of = np.unique(tracks_t.ids, return_inverse=True)
    vehicles = np.where(shown == NO_VEHICLE, NO_VEHICLE, np.append(vehicle_of, NO_VEHICLE)[shown])
    return TrackContents(tracks_t, tracks_p, meetings, shown, vehicles, vehicle_ids)

"""What went wrong, worst first, with camera, frames and times, so that a person can look at it.

Found on the predictions before identities of a single camera are dropped: a vehicle whose link is missing would
else look as if it had never been seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.evaluation.bipartite import edge_groups
from mtmc.evaluation.frame_clock import FrameClock
from mtmc.evaluation.track_contents import LEAST_SHARE, NO_VEHICLE, TrackContents, Tracks

MISSED_LINK = "missed link"  # seen in two cameras, under two identities
WRONG_LINK = "wrong link"  # one identity, but another vehicle, or none, in one of its cameras
SPLIT = "split"  # one passage through one camera under several identities
MIXED_TRACKLET = "mixed tracklet"  # one identity in one camera, but several vehicles
MISSED_VEHICLE = "missed vehicle"  # a passage of which less than a fifth was found
ERROR_KINDS = (MISSED_LINK, WRONG_LINK, SPLIT, MIXED_TRACKLET, MISSED_VEHICLE)


@dataclass(frozen=True)
class Place:
    """A track in a camera: frames from 1, times on the common clock (NaN where not known), its identity."""

    camera_id: str
    first_frame: int
    last_frame: int
    start_s: float
    end_s: float
    identity: int

    def __str__(self) -> str:
        if self.start_s == self.start_s and self.end_s == self.end_s:
            return f"{self.camera_id} {self.start_s:.1f}-{self.end_s:.1f} s"
        return f"{self.camera_id} frames {self.first_frame}-{self.last_frame}"


@dataclass(frozen=True)
class ScoreError:
    """One error. kind: one of ERROR_KINDS. boxes: how many it spoils. vehicles: true identities that it concerns.

    identities: predicted ones. places: where to look, the tracks in the order in which the sentence names them.
    """

    kind: str
    boxes: int
    vehicles: tuple[int, ...]
    identities: tuple[int, ...]
    places: tuple[Place, ...]

    def __str__(self) -> str:
        where = " and ".join(map(str, self.places))
        vehicles = f"vehicle {_listed(self.vehicles)}" if self.vehicles else "no vehicle of the truth"
        identities = f" as {_listed(self.identities)}" if self.identities else ""
        return f"{self.kind}: {vehicles}{identities}, {where} ({self.boxes} boxes)"


def find_errors(contents: TrackContents, camera_ids: Sequence[str], clock: FrameClock, links: bool) -> list[ScoreError]:
    """All errors, those that spoil most boxes first. links: whether identities are shared by the cameras."""
    finder = _Finder(contents, tuple(camera_ids), clock)
    errors = [*finder.missed_vehicles(), *finder.splits(), *finder.mixed()]
    if links:
        errors += [*finder.missed_links(), *finder.wrong_links()]
    return sorted(errors, key=lambda e: (-e.boxes, ERROR_KINDS.index(e.kind), e.places[0].camera_id,
                                         e.places[0].first_frame, e.vehicles, e.identities))


class _Finder:
    """The five searches over the same tracks; holds no state but what it was given."""

    def __init__(self, contents: TrackContents, camera_ids: tuple[str, ...], clock: FrameClock) -> None:
        self.contents, self.camera_ids, self.clock = contents, camera_ids, clock
        meetings = contents.meetings
        self.left = meetings.left_values[meetings.left] if len(meetings.counts) else meetings.left
        self.right = meetings.right_values[meetings.right] if len(meetings.counts) else meetings.right
        self.counts = meetings.counts

    def place(self, tracks: Tracks, track: int) -> Place:
        row, first, last = (int(a[track]) for a in (tracks.camera_rows, tracks.first_frames, tracks.last_frames))
        start_s, end_s = self.clock.time_s(row, first), self.clock.time_s(row, last)
        return Place(self.camera_ids[row], first, last, start_s, end_s, int(tracks.ids[track]))

    def missed_vehicles(self) -> Iterator[ScoreError]:
        truth = self.contents.truth
        found = self._found_boxes()
        for track in np.flatnonzero(found < LEAST_SHARE * truth.sizes).tolist():
            boxes = int(truth.sizes[track] - found[track])
            yield ScoreError(MISSED_VEHICLE, boxes, (int(truth.ids[track]),), (), (self.place(truth, track),))

    def splits(self) -> Iterator[ScoreError]:
        truth, prediction = self.contents.truth, self.contents.prediction
        for edges in self._by(self.left):
            track = self.left[edges[0]]
            parts = self._parts(edges, self.counts[edges].sum())
            if len(parts) > 1:
                others = [int(self.right[edge]) for edge in parts]
                boxes = int(self.counts[parts[1:]].sum())
                identities = tuple(int(prediction.ids[other]) for other in others)
                places = tuple(self.place(prediction, other) for other in others)
                yield ScoreError(SPLIT, boxes, (int(truth.ids[track]),), identities, places)

    def mixed(self) -> Iterator[ScoreError]:
        truth, prediction = self.contents.truth, self.contents.prediction
        for edges in self._by(self.right):
            track = self.right[edges[0]]
            parts = self._parts(edges, self.counts[edges].sum())
            if len(parts) > 1:
                boxes = int(self.counts[parts[1:]].sum())
                vehicles = tuple(int(truth.ids[self.left[edge]]) for edge in parts)
                identities = (int(prediction.ids[track]),)
                yield ScoreError(MIXED_TRACKLET, boxes, vehicles, identities, (self.place(prediction, track),))

    def missed_links(self) -> Iterator[ScoreError]:
        """Between each passage of a vehicle and its next one that was found, where the identities differ."""
        truth, prediction = self.contents.truth, self.contents.prediction
        main, covered = self._main_track()
        for tracks in edge_groups(truth.ids):
            seen = [track for track in self._in_time(truth, tracks) if main[track] >= 0]
            for a, b in itertools.pairwise(seen):
                id_a, id_b = (int(prediction.ids[main[track]]) for track in (a, b))
                if id_a != id_b:
                    boxes = int(min(covered[a], covered[b]))
                    places = (self.place(prediction, main[a]), self.place(prediction, main[b]))
                    yield ScoreError(MISSED_LINK, boxes, (int(truth.ids[a]),), (id_a, id_b), places)

    def wrong_links(self) -> Iterator[ScoreError]:
        """Between an identity's vehicle (the one with most of its boxes) and each of its tracks that shows another."""
        prediction, shown = self.contents.prediction, self.contents.vehicles
        for tracks in edge_groups(prediction.ids):
            if len(tracks) < 2:
                continue
            anchor = self._anchor(tracks)
            for track in tracks:
                if track != anchor and (shown[track] != shown[anchor] or shown[track] == NO_VEHICLE):
                    vehicles = tuple(
                        int(self.contents.vehicle_ids[shown[t]]) for t in (anchor, track) if shown[t] != NO_VEHICLE
                    )
                    places = (self.place(prediction, anchor), self.place(prediction, track))
                    identity = int(prediction.ids[track])
                    yield ScoreError(WRONG_LINK, int(prediction.sizes[track]), vehicles, (identity,), places)

    def _anchor(self, tracks: np.ndarray) -> int:
        """The longest track of the vehicle that most of an identity's boxes show; the longest where none shows one."""
        shown, sizes = self.contents.vehicles[tracks], self.contents.prediction.sizes[tracks]
        known = shown != NO_VEHICLE
        if known.any():
            boxes = np.bincount(shown[known], weights=sizes[known])
            sizes = np.where(shown == boxes.argmax(), sizes, -1)
        return int(tracks[sizes.argmax()])

    def _main_track(self) -> tuple[np.ndarray, np.ndarray]:
        """For every truth track the predicted one with most of its boxes, -1 for a missed one, and those boxes."""
        truth = self.contents.truth
        main, covered = np.full(len(truth), -1), np.zeros(len(truth), dtype=np.int64)
        order = np.lexsort((-self.right, self.counts))
        main[self.left[order]], covered[self.left[order]] = self.right[order], self.counts[order]
        main[self._found_boxes() < LEAST_SHARE * truth.sizes] = -1
        return main, covered

    def _found_boxes(self) -> np.ndarray:
        return np.bincount(self.left, weights=self.counts, minlength=len(self.contents.truth))

    def _by(self, labels: np.ndarray) -> list[np.ndarray]:
        return [edges for edges in edge_groups(labels) if len(edges) > 1]

    def _parts(self, edges: np.ndarray, whole: int) -> np.ndarray:
        """The edges that hold a fifth of the whole, largest first."""
        large = edges[self.counts[edges] >= LEAST_SHARE * whole]
        return large[np.argsort(-self.counts[large], kind="stable")]

    def _in_time(self, tracks: Tracks, places: np.ndarray) -> list[int]:
        def key(track: int) -> tuple[float, int]:
            row, first = int(tracks.camera_rows[track]), int(tracks.first_frames[track])
            time_s = self.clock.time_s(row, first)
            return (time_s if time_s == time_s else float(first), row)

        return sorted((int(place) for place in places), key=key)


def _listed(identities: tuple[int, ...]) -> str:
    return " and ".join(map(str, identities))

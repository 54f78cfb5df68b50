"""Regions of moving pixels to one box a vehicle, with the help of what was there a moment ago.

Two vehicles that touch make one region, and one vehicle may fall into several. A single image cannot
tell the two apart; the frames before can: vehicles that were seen apart stay two, keep
their sizes and move on as they moved. This is no tracker: it gives no identities away, remembers seconds, and
only decides how the regions of this frame are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors import motion_cutting as cutting
from detectors.boxes import areas, intersection_areas, iou_matrix
from detectors.motion_regions import Regions

_MOST = 200  # vehicles in one image; more are leaves in a storm, and the largest are kept


@dataclass(frozen=True)
class MemoryConfig:
    """How long a vehicle is remembered, and what makes two of one or one of two."""

    forget_s: float = 1.0  # a vehicle that nothing shows any more: behind a post, or gone
    hidden_s: float = 1.0  # a vehicle behind another one inside a common region
    prove_s: float = 1.0  # one of a pair that never came apart in this time is part of the other
    hidden_share: float = 0.15  # of its box outside all others: less is as good as hidden
    apart_s: float = 0.4  # two pieces that stay apart so long are two vehicles
    velocity_s: float = 0.25  # smoothing of speeds: a few frames at any usual frame rate
    shared_velocity_s: float = 1.0  # … inside a common region, where edges are less sure
    shared_growth: float = 0.5  # … and nobody grows faster a second there: one that came in with another grew beyond it
    apart_sizes: float = 0.5  # a second: what moves past its neighbour so fast is no part of it
    link_share: float = 0.3  # of a region (or of a vehicle's own pixels) that ties the one to the other
    outgrown: float = 1.4  # a box that grows by more than this in one frame has swallowed a neighbour
    rest_share: float = 0.5  # of the vehicle's box: what sticks out of it must be so large to be a neighbour
    piece_share: float = 0.2  # of the larger piece: less is a mirror or a shadow's rest, never a vehicle beside it


@dataclass(eq=False)
class Vehicle:
    """One remembered vehicle; boxes in working pixels, xyxy. speed: px/s of each of the four edges."""

    box: np.ndarray
    seen_s: float
    born_s: float
    start: np.ndarray
    speed: np.ndarray = field(default_factory=lambda: np.zeros(4))
    updates: int = 1
    apart_s: float = 0.0  # for how long its region has been in two pieces
    hidden_s: float = 0.0  # for how long nothing but other vehicles' boxes shows where it should be
    alone: bool = False  # whether it was ever seen in a region of its own
    travel: float = 0.0  # furthest distance from its start, in its own sizes

    def at(self, time_s: float, growth: float = np.inf) -> np.ndarray:
        """Where it should be now, if it moved and grew on as before, by at most the share `growth` a second."""
        size = self.box[2:] - self.box[:2]
        grown = np.clip((self.speed[2:] - self.speed[:2]) / 2, -growth * size / 2, growth * size / 2)
        drift = (self.speed[:2] + self.speed[2:]) / 2
        box = self.box + np.concatenate([drift - grown, drift + grown]) * np.clip(time_s - self.seen_s, 0, 1)
        return box if (box[2:] - box[:2]).min() >= 2 else self.box.copy()

    @property
    def sizes_a_second(self) -> float:
        """How fast it moves, in its own sizes."""
        return _sizes_a_second(self.speed, self.box)

    def move(self, box: np.ndarray, time_s: float, smoothing_s: float) -> None:
        """Take over a measured box."""
        elapsed = time_s - self.seen_s
        if elapsed > 0:
            rate = max(1 - np.exp(-elapsed / smoothing_s), 1 / self.updates)
            self.speed = self.speed + rate * ((box - self.box) / elapsed - self.speed)
        self.box, self.seen_s, self.updates = box, time_s, self.updates + 1
        way = np.abs(box[:2] + box[2:] - self.start[:2] - self.start[2:]) / 2
        self.travel = max(self.travel, float((way / np.maximum(box[2:] - box[:2], 1)).max()))

    def restart(self, box: np.ndarray, time_s: float) -> None:
        """Another extent than was thought: that is no motion, so the speed stays."""
        self.box, self.seen_s, self.updates, self.apart_s, self.hidden_s = box, time_s, 2, 0.0, 0.0


@dataclass(frozen=True, eq=False)
class Sighting:
    """A vehicle's box in this frame. shared: its region holds other vehicles too."""

    vehicle: Vehicle
    box: np.ndarray
    shared: bool


class Memory:
    """The vehicles of one camera. Call `step` for every frame, in order."""

    def __init__(self, config: MemoryConfig) -> None:
        self._config = config
        self._vehicles: list[Vehicle] = []

    def step(self, regions: Regions, time_s: float, least_area: float) -> list[Sighting]:
        """The vehicles in this frame, oldest first.

        `least_area` (pixels): smaller regions are no vehicle of their own, only pieces of one.
        """
        config = self._config
        predicted = [vehicle.at(time_s) for vehicle in self._vehicles]
        found: list[Sighting] = []
        kept: list[Vehicle] = []
        births: list[np.ndarray] = []
        for members, pieces in cutting.link(regions, predicted, config.link_share):
            vehicles = [self._vehicles[k] for k in members]
            if not pieces:
                kept += [v for v in vehicles if time_s - v.seen_s < config.forget_s]
            elif not members:
                births += [regions.boxes_xyxy[r] for r in pieces if regions.areas[r] >= least_area]
            elif len(members) == 1:
                box, others = self._follow(vehicles[0], predicted[members[0]], regions, pieces, least_area, time_s)
                found.append(Sighting(vehicles[0], box, False))
                births += others
            else:
                expected = [vehicle.at(time_s, config.shared_growth) for vehicle in vehicles]
                found += self._share(vehicles, expected, regions, pieces, time_s)
        births.sort(key=lambda box: (-areas(box[None])[0], *box))
        found += [Sighting(Vehicle(b, time_s, time_s, b), b, False) for b in births[:max(_MOST - len(found), 0)]]
        found = sorted(_without_nested(found), key=lambda s: (s.vehicle.born_s, *s.vehicle.start))
        self._vehicles = sorted(kept + [s.vehicle for s in found], key=lambda v: (v.born_s, *v.start))
        return found

    def _share(
        self, vehicles: Sequence[Vehicle], predicted: Sequence[np.ndarray], regions: Regions, pieces: Sequence[int],
        time_s: float,
    ) -> list[Sighting]:  # fmt: skip
        """Several vehicles in common regions. One that shows nowhere any more is dropped after a while."""
        config = self._config
        mask = np.isin(regions.labels, np.asarray(pieces) + 1)
        boxes = [cutting.fit(k, predicted, mask) for k in range(len(predicted))]
        shown = [cutting.own_pixels(k, boxes, mask) for k in range(len(boxes))]
        found = []
        for vehicle, box, own in zip(vehicles, boxes, shown, strict=True):
            hidden = own < config.hidden_share * areas(box[None])[0]
            vehicle.hidden_s = vehicle.hidden_s + max(time_s - vehicle.seen_s, 0) if hidden else 0.0
            vehicle.move(box, time_s, config.shared_velocity_s)
            if vehicle.hidden_s <= (config.hidden_s if vehicle.alone else config.apart_s):
                found.append(Sighting(vehicle, box, True))
        return _without_inseparable(found, time_s, config)

    def _follow(
        self, vehicle: Vehicle, predicted: np.ndarray, regions: Regions, pieces: Sequence[int], least_area: float,
        time_s: float,
    ) -> tuple[np.ndarray, list[np.ndarray]]:  # fmt: skip
        """One vehicle and the pieces tied to it: its box, and boxes of pieces that are vehicles of their own."""
        config = self._config
        boxes, sizes = regions.boxes_xyxy[pieces], regions.areas[pieces]
        main = int(np.argmax(intersection_areas(predicted[None], boxes)[0]))
        large = sizes >= max(least_area, config.piece_share * sizes[main])
        own = _pieces_of(predicted, boxes, sizes, main)
        box = cutting.hull(boxes[own])
        others = [boxes[p] for p in range(len(boxes)) if p not in own and large[p]]
        large_own = [p for p in own if large[p] and p != main]
        vehicle.apart_s = vehicle.apart_s + max(time_s - vehicle.seen_s, 0) if large_own else 0.0
        if vehicle.apart_s > config.apart_s:
            box = boxes[main]
            others += [boxes[p] for p in large_own]
            vehicle.restart(box, time_s)
        elif vehicle.updates >= 3 and self._swallowed(box, predicted, regions.labels.shape):
            mask = np.isin(regions.labels, np.asarray(pieces)[own] + 1)
            box = cutting.fit(0, [predicted], mask)
            others += cutting.outside(mask, box, max(least_area, config.rest_share * areas(box[None])[0]))
        vehicle.alone |= vehicle.updates > 1
        vehicle.hidden_s = 0.0
        vehicle.move(box, time_s, config.velocity_s)
        return box, others

    def _swallowed(self, box: np.ndarray, predicted: np.ndarray, image_hw: tuple[int, ...]) -> bool:
        """Whether a region grew so much at once that a neighbour must have joined it; at the border vehicles enter."""
        height, width = image_hw
        at_border = predicted[:2].min() <= 2 or predicted[2] >= width - 2 or predicted[3] >= height - 2
        return not at_border and areas(box[None])[0] > self._config.outgrown * areas(predicted[None])[0]


def _pieces_of(predicted: np.ndarray, boxes: np.ndarray, sizes: np.ndarray, main: int) -> list[int]:
    """Rows of the pieces that make up the vehicle: `main`, what lies inside its box, and what completes the box."""
    own, box = [main], boxes[main]
    for piece in sorted(range(len(boxes)), key=lambda p: (-sizes[p], p)):
        if piece == main:
            continue
        whole = cutting.hull(np.stack([box, boxes[piece]]))
        with_piece, without = iou_matrix(np.stack([whole, box]), predicted[None])[:, 0]
        if _inside(boxes[piece][None], box[None])[0, 0] or with_piece > without:
            own.append(piece)
            box = whole
    return own


def _inside(pieces: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """bool (N, M): piece n lies mostly in box m."""
    return intersection_areas(pieces, boxes) > 0.6 * areas(pieces)[:, None]


def _without_inseparable(found: list[Sighting], time_s: float, config: MemoryConfig) -> list[Sighting]:
    """The youngest one never seen alone in all of `prove_s` is given back to the neighbour that it is part of, unless
    it moves past it."""
    doubtful = [s for s in found if not s.vehicle.alone and time_s - s.vehicle.born_s > config.prove_s]
    if not doubtful or len(found) < 2:
        return found
    youngest = max(doubtful, key=lambda s: s.vehicle.born_s)
    rest = [s for s in found if s is not youngest]
    wholes = np.stack([cutting.hull(np.stack([youngest.box, s.box])) for s in rest])
    nearest = int(np.argmin(areas(wholes) - areas(np.stack([s.box for s in rest]))))
    if _sizes_a_second(youngest.vehicle.speed - rest[nearest].vehicle.speed, youngest.box) > config.apart_sizes:
        return found
    rest[nearest].vehicle.restart(wholes[nearest], time_s)
    rest[nearest] = Sighting(rest[nearest].vehicle, wholes[nearest], len(rest) > 1)
    return rest


def _sizes_a_second(speed: np.ndarray, box: np.ndarray) -> float:
    return float((np.abs(speed[:2] + speed[2:]) / 2 / np.maximum(box[2:] - box[:2], 1)).max())


def _without_nested(found: Sequence[Sighting]) -> list[Sighting]:
    """Without boxes inside others that never showed to be vehicles: pieces that came loose inside an outline."""
    if not found:
        return []
    boxes = np.stack([s.box for s in found])
    proven = np.array([s.vehicle.alone and s.vehicle.travel > 1 / 3 for s in found])
    larger = areas(boxes)[None, :] > areas(boxes)[:, None]
    nested = (_inside(boxes, boxes) & larger).any(axis=1)
    return [s for s, drop in zip(found, nested & ~proven, strict=True) if not drop]

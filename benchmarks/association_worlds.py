"""Made-up galleries: the traffic of a world as tracklets with simulated embeddings, and the score of an answer.

Only for measuring the matcher: no picture is drawn. The embedding of a vehicle is the sum of what its body type,
its look (shared with its look-alikes) and itself are like; each camera shifts and turns it; each passage and
each picture adds noise; some pictures show another vehicle in front. The sizes are chosen so that the nearest
tracklet in another camera is the right one for 60 to 90 % of the tracklets, as with real vehicles.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from mtmc.embedding import Gallery
from mtmc.tracklets import TrackletTable
from mtmc.worlds.traffic import Passages, Traffic, simulate

IMAGE_WH = (1280, 720)


@dataclass(frozen=True)
class LooksConfig:
    """Squared lengths of the parts of an embedding before it is made a unit vector, and what disturbs it."""

    dimension: int = 64  # real embeddings vary in few directions
    body: float = 0.35
    look: float = 0.50
    own: float = 0.15
    camera_shift: float = 0.25  # squared length of what a camera adds to every vector
    camera_turn: float = 0.35  # size of the camera's rotation (0: none)
    passage_noise: float = 0.65  # squared length of what one passage adds: light, angle
    image_noise: float = 0.80  # squared length of what one picture adds
    images: int = 6
    bad_share: float = 0.12  # pictures that show another vehicle for the larger part
    side_share: float = 0.0  # share of a vehicle's own vector that every other camera sees from its other side


@dataclass(frozen=True)
class Faults:
    """What a tracker does wrong, as shares of the passages."""

    missed: float = 0.03
    cut_in_two: float = 0.05
    merged: float = 0.01
    edge_s: float = 0.3  # standard deviation of where a tracklet starts and ends


@dataclass(frozen=True, eq=False)
class World:
    """A gallery with its truth. vehicle_ids: int64 (M,), the vehicle that a tracklet mostly shows.

    true_s: float64 (V + 1,), seconds that each vehicle is seen, missed passages included; 0 for those of one camera.
    pieces: (Q, 3) rows of (tracklet, vehicle, seconds): what the tracklets really show.
    """

    traffic: Traffic
    gallery: Gallery
    vehicle_ids: np.ndarray
    true_s: np.ndarray
    pieces: np.ndarray


def make_world(kind: str, seed: int, looks: LooksConfig | None = None, faults: Faults | None = None,
               **sizes: object) -> World:
    """A world of `kind`; equal arguments give equal arrays."""
    looks, faults = looks or LooksConfig(), faults or Faults()
    traffic = simulate(kind, seed, **sizes)
    rng = np.random.default_rng([seed, 77])
    passages = traffic.recorded()
    tracks = _tracks(traffic, passages, faults, rng)
    order = sorted(range(len(tracks)), key=lambda t: (tracks[t].camera, tracks[t].start_s, t))
    tracks = [tracks[t] for t in order]
    images, counts = _images(traffic, tracks, looks, rng)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    pooled = np.stack([_unit(images[a:b].mean(axis=0)) for a, b in itertools.pairwise(offsets)]) \
        if tracks else np.zeros((0, looks.dimension), np.float32)
    gallery = Gallery(_table(traffic, tracks), pooled.astype(np.float32), images, offsets)
    vehicle_ids = np.array([max(t.shown, key=lambda part: part[1])[0] for t in tracks], np.int64)
    pieces = np.array([(row, vehicle, seconds) for row, t in enumerate(tracks) for vehicle, seconds in t.shown])
    return World(traffic, gallery, vehicle_ids, _true_seconds(traffic, passages), pieces.reshape(-1, 3))


def idf1(world: World, global_ids: np.ndarray) -> float:
    """Cross-camera IDF1 by the second: predicted vehicles of one camera and true ones of one camera do not count."""
    cameras = world.gallery.tracklets.camera_rows
    kept = [g for g in np.unique(global_ids) if len(np.unique(cameras[global_ids == g])) > 1]
    place = {g: i for i, g in enumerate(kept)}
    shared = np.zeros((len(world.true_s), len(kept)))
    predicted = 0.0
    for row, vehicle, seconds in world.pieces:
        column = place.get(global_ids[int(row)])
        if column is not None:
            predicted += seconds
            if world.true_s[int(vehicle)] > 0:
                shared[int(vehicle), column] += seconds
    rows, columns = linear_sum_assignment(-shared)
    total = world.true_s.sum() + predicted
    return float(2 * shared[rows, columns].sum() / total) if total else 1.0


@dataclass
class _Track:
    camera: int
    start_s: float
    end_s: float
    shown: list[tuple[int, float]]  # (vehicle, seconds)
    direction: int
    lane: int
    begins: float  # share of the way through the view at the start
    ends: float


def _tracks(traffic: Traffic, p: Passages, faults: Faults, rng: np.random.Generator) -> list[_Track]:
    start_s = traffic.recording_s(p.camera_rows, p.enter_s)
    end_s = traffic.recording_s(p.camera_rows, p.leave_s)
    tracks: list[_Track] = []
    for i in range(len(p)):
        draw = rng.random(3)
        shift = np.abs(rng.normal(0, faults.edge_s, 2)) if faults.edge_s else np.zeros(2)
        shift = np.minimum(shift, 0.2 * (end_s[i] - start_s[i]))
        a, b = start_s[i] + shift[0], end_s[i] - shift[1]
        vehicle = int(p.vehicle_ids[i])
        if draw[0] < faults.missed:
            continue
        whole = _Track(int(p.camera_rows[i]), a, b, [(vehicle, b - a)], int(p.directions[i]), int(p.lanes[i]), 0.0, 1.0)
        if draw[1] < faults.cut_in_two and b - a > 2.0:
            tracks += _cut(whole, float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.1, 0.8)))
        else:
            tracks.append(whole)
    return _merge(tracks, faults.merged, rng)


def _cut(track: _Track, where: float, gap_s: float) -> list[_Track]:
    middle = track.start_s + where * (track.end_s - track.start_s)
    vehicle = track.shown[0][0]
    first = _Track(track.camera, track.start_s, middle, [(vehicle, middle - track.start_s)], track.direction,
                   track.lane, 0.0, where)
    begin = min(middle + gap_s, track.end_s - 0.3)
    second = _Track(track.camera, begin, track.end_s, [(vehicle, track.end_s - begin)], track.direction, track.lane,
                    where, 1.0)
    return [first, second]


def _merge(tracks: list[_Track], share: float, rng: np.random.Generator) -> list[_Track]:
    """Some tracklets go on as the next vehicle of their camera."""
    tracks = sorted(tracks, key=lambda t: (t.camera, t.start_s))
    kept: list[_Track] = []
    for track in tracks:
        before = kept[-1] if kept else None
        close = before is not None and before.camera == track.camera and before.direction == track.direction and (
            -2.0 < track.start_s - before.end_s < 1.0) and len(before.shown) == 1 and track.end_s > before.end_s
        if close and before is not None and rng.random() < 8 * share:
            seconds = track.end_s - max(track.start_s, before.end_s)
            before.shown.append((track.shown[0][0], seconds))
            before.end_s, before.ends = track.end_s, track.ends
        else:
            kept.append(track)
    return kept


def _images(traffic: Traffic, tracks: list[_Track], looks: LooksConfig,
            rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    d, vehicles = looks.dimension, len(traffic.look_ids)

    def normal(count: int, squared_length: float) -> np.ndarray:
        return rng.normal(0.0, np.sqrt(squared_length / d), (count, d))

    vectors = (normal(64, looks.body)[traffic.body_rows] + normal(vehicles + 1, looks.look)[traffic.look_ids]
               + normal(vehicles, looks.own))
    common = normal(1, 0.3)[0]  # what all vehicles share
    other_side = (normal(64, looks.body)[traffic.body_rows] + normal(vehicles + 1, looks.look)[traffic.look_ids]
                  + normal(vehicles, looks.own))
    keep, turn = np.sqrt(1 - looks.side_share), np.sqrt(looks.side_share)
    sides = [vectors, keep * vectors + turn * other_side]
    shifts = [normal(1, looks.camera_shift)[0] for _ in traffic.camera_ids]
    turns = [_turn(d, looks.camera_turn, rng) for _ in traffic.camera_ids]
    rows, counts = [], []
    for track in tracks:
        times = np.linspace(0, 1, looks.images)
        bounds = np.cumsum([seconds for _, seconds in track.shown]) / sum(seconds for _, seconds in track.shown)
        which = np.minimum(np.searchsorted(bounds, times), len(track.shown) - 1)
        passage = normal(len(track.shown), looks.passage_noise)
        clean = np.stack([sides[track.camera % 2][track.shown[w][0] - 1] + passage[w] for w in which])
        bad = rng.random(looks.images) < looks.bad_share
        others = vectors[rng.integers(0, vehicles, looks.images)]
        clean[bad] = 0.35 * clean[bad] + 0.65 * others[bad]
        seen = (clean + common) @ turns[track.camera] + shifts[track.camera] + normal(looks.images, looks.image_noise)
        rows.append(seen / np.linalg.norm(seen, axis=1, keepdims=True))
        counts.append(looks.images)
    return (np.concatenate(rows) if rows else np.zeros((0, d))).astype(np.float32), np.array(counts, np.int64)


def _turn(d: int, size: float, rng: np.random.Generator) -> np.ndarray:
    """A rotation that moves a random vector by about `size` times its length (Cayley transform)."""
    skew = rng.normal(0, size / np.sqrt(2 * d) / 2, (d, d))
    skew = skew - skew.T
    return np.linalg.solve(np.eye(d) + skew, np.eye(d) - skew)


def _table(traffic: Traffic, tracks: list[_Track]) -> TrackletTable:
    m = len(tracks)
    cameras = np.array([t.camera for t in tracks], np.int64)
    ids = np.array([sum(1 for o in range(i) if cameras[o] == cameras[i]) + 1 for i in range(m)], np.int64)
    classes = np.array([traffic.class_ids[t.shown[0][0] - 1] for t in tracks], np.int64)
    return TrackletTable(
        traffic.camera_ids, cameras, ids, np.array([t.start_s for t in tracks]), np.array([t.end_s for t in tracks]),
        classes, _boxes(tracks, [t.begins for t in tracks]), _boxes(tracks, [t.ends for t in tracks]),
        np.tile(np.array(IMAGE_WH, np.int64), (m, 1)), np.full((m, 2), np.nan), np.full((m, 2), np.nan))


def _boxes(tracks: list[_Track], progress: list[float]) -> np.ndarray:
    """A street seen from its side and above: it runs from the lower left to the upper right."""
    boxes = np.zeros((len(tracks), 4), np.float32)
    for i, (track, done) in enumerate(zip(tracks, progress, strict=True)):
        along = done if track.direction > 0 else 1 - done
        across = (track.lane + 1.5) * track.direction
        wobble = np.sin(7.1 * i + 3.3 * done) * 12
        x, y = 120 + 1040 * along + 14 * across, 600 - 380 * along + 26 * across + wobble
        half = 70 - 35 * along
        boxes[i] = x - half, y - 0.8 * half, x + half, y + 0.8 * half
    return boxes


def _true_seconds(traffic: Traffic, p: Passages) -> np.ndarray:
    seconds = np.zeros(len(traffic.look_ids) + 1)
    np.add.at(seconds, p.vehicle_ids, traffic.recording_s(p.camera_rows, p.leave_s)
              - traffic.recording_s(p.camera_rows, p.enter_s))
    for vehicle in range(1, len(seconds)):
        if len(np.unique(p.camera_rows[p.vehicle_ids == vehicle])) < 2:
            seconds[vehicle] = 0.0
    return seconds


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)

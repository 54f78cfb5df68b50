"""The frames of one camera of a made-up world, with the truth about every vehicle in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from mtmc.worlds.furniture import Cover
from mtmc.worlds.looks import look_of
from mtmc.worlds.meshes import Mesh
from mtmc.worlds.painting import Pose, Stamp, cast_shadow, draw_vehicle, lit_colours, paste
from mtmc.worlds.scenery import Scenery, scenery_of
from mtmc.worlds.traffic import Passages, Traffic
from mtmc.worlds.vehicles import mesh_of
from mtmc.worlds.views import View, view_of


@dataclass(frozen=True)
class RenderSettings:
    """How worlds are drawn."""

    size_wh: tuple[int, int] = (640, 360)
    # True: an empty field instead of a street, no noise, coarser edges. For recordings of an hour.
    plain: bool = False
    # Truth has a row while this share of what lies inside the picture is not hidden by others ...
    unhidden_share: float = 0.3
    # ... this share of the whole vehicle lies inside (a detector of motion finds it from about there on) ...
    inside_share: float = 0.15
    # ... and what is seen is at least so wide and high.
    smallest_px: int = 8


_FILL = 0.9  # a vehicle fills about so much of its convex hull


class Area(NamedTuple):
    """Pixels of a vehicle, hidden ones included: of the whole of it, and of what lies inside the picture."""

    whole_px: float
    inside_px: int


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """image: uint8 (H, W, 3) RGB. vehicle_ids: int64 (N,). boxes_xywh: int64 (N, 4), tight around what is visible of
    each vehicle, shadow excluded, sorted by vehicle."""

    image: np.ndarray
    vehicle_ids: np.ndarray
    boxes_xywh: np.ndarray


def frame_count(traffic: Traffic, row: int) -> int:
    """How many frames camera `row` records."""
    return round(float(traffic.durations_s[row] * traffic.frame_rates_hz[row]))


def render_camera(traffic: Traffic, row: int, settings: RenderSettings | None = None) -> Iterator[RenderedFrame]:
    """Every frame of camera `row`, in order; equal traffic and settings give equal frames."""
    settings = settings or RenderSettings()
    own = traffic.passages[traffic.passages.camera_rows == row]
    view = camera_view(traffic, row, settings)
    scenery = _field(view) if settings.plain else scenery_of(view, traffic.seed, row)
    models = _models(traffic, own, view)
    sensor = _Sensor(view, traffic.seed, row, plain=settings.plain)
    for index in range(frame_count(traffic, row)):
        clock_s = index / float(traffic.frame_rates_hz[row])
        time_s = float(traffic.clock_offsets_s[row] + traffic.clock_rates[row] * clock_s)
        picture = scenery.background.copy()
        owners = np.zeros(picture.shape[:2], dtype=np.int32)
        areas = _draw_vehicles(picture, owners, view, scenery, models, own, time_s, settings)
        ids, boxes = _truth(owners, areas, settings)
        yield RenderedFrame(sensor.expose(picture, clock_s, index), ids, boxes)


def camera_view(traffic: Traffic, row: int, settings: RenderSettings) -> View:
    """How camera `row` stands to its road; the road has both halves if anybody comes the other way."""
    two_way = bool((traffic.passages.directions[traffic.passages.camera_rows == row] < 0).any())
    return view_of(traffic.seed, row, traffic.sizes.lanes, two_way, settings.size_wh, traffic.sizes.median_m)


def _models(traffic: Traffic, own: Passages, view: View) -> dict[tuple[int, int], tuple[Mesh, np.ndarray]]:
    """Polygons and lit colours of each (vehicle, direction) that passes this camera."""
    models = {}
    for vehicle, direction in sorted(set(zip(own.vehicle_ids.tolist(), own.directions.tolist(), strict=True))):
        look_id, body = int(traffic.look_ids[vehicle - 1]), int(traffic.body_rows[vehicle - 1])
        mesh = mesh_of(look_of(traffic.seed, look_id, body, vehicle))
        models[vehicle, direction] = (mesh, lit_colours(mesh, view, direction))
    return models


def _poses(view: View, own: Passages, time_s: float) -> list[tuple[int, int, Pose]]:
    """(vehicle, direction, pose) of those near the picture, farthest first.

    Lanes are parallel to the camera's own line along the road, so what lies farther from that line never hides
    what lies nearer, and inside a lane the distance along the road decides.
    """
    way = own.progress(time_s)
    near = np.flatnonzero((way > -1.0) & (way < 2.0))
    eye_a, eye_s = view.eye
    found = []
    for i in near.tolist():
        direction, length = int(own.directions[i]), view.end_s - view.begin_s
        along = view.begin_s + way[i] * length if direction > 0 else view.end_s - way[i] * length
        pose = Pose(view.lane_a(int(own.lanes[i]), direction), float(along), direction)
        if not _near_picture(view, pose):
            continue
        found.append((-abs(pose.a - eye_a), -abs(pose.s - eye_s), int(own.vehicle_ids[i]), direction, pose))
    return [(vehicle, direction, pose) for _, _, vehicle, direction, pose in sorted(found, key=lambda row: row[:3])]


def _near_picture(view: View, pose: Pose) -> bool:
    """Whether the vehicle or its shadow may reach into the picture."""
    (u, v), depth = view.image(view.world(pose.a, pose.s, 0.0))
    w, h = view.size_wh
    return bool(depth > 1.0 and -0.6 * w < u < 1.6 * w and -0.6 * h < v < 2.2 * h)


def _draw_vehicles(picture: np.ndarray, owners: np.ndarray, view: View, scenery: Scenery,
                   models: dict[tuple[int, int], tuple[Mesh, np.ndarray]], own: Passages, time_s: float,
                   settings: RenderSettings) -> dict[int, Area]:
    """Draw all vehicles of one moment in place, note in `owners` whose each pixel is; returns their areas."""
    areas: dict[int, Area] = {}
    poses = _poses(view, own, time_s)
    if not settings.plain:
        for vehicle, direction, pose in poses:  # all shadows lie under all vehicles
            cast_shadow(picture, models[vehicle, direction][0], view, pose)
        if poses:  # trees, lamps and signs do not lie on the road
            cv2.copyTo(scenery.background, scenery.raised, picture)
    for vehicle, direction, pose in poses:
        mesh, colours = models[vehicle, direction]
        stamp = draw_vehicle(mesh, colours, view, pose, 1 if settings.plain else 2)
        if stamp is None:
            continue
        inside_px = int(np.count_nonzero(stamp.rgba[..., 3] >= 128))
        _hide(stamp, scenery.covers, pose, view)
        paste(picture, stamp)
        h, w = stamp.rgba.shape[:2]
        owners[stamp.top:stamp.top + h, stamp.left:stamp.left + w][stamp.rgba[..., 3] >= 128] = vehicle
        areas[vehicle] = Area(_FILL * stamp.area_px, inside_px)
    return areas


def _hide(stamp: Stamp, covers: tuple[Cover, ...], pose: Pose, view: View) -> None:
    """Make a stamp transparent where something stands between it and the camera, in place."""
    eye_a = view.eye[0]
    h, w = stamp.rgba.shape[:2]
    for cover in covers:
        between = (cover.a - eye_a) * (pose.a - eye_a) > 0 and abs(cover.a - eye_a) < abs(pose.a - eye_a)
        left, right = max(stamp.left, cover.left), min(stamp.left + w, cover.left + cover.alpha.shape[1])
        top, bottom = max(stamp.top, cover.top), min(stamp.top + h, cover.top + cover.alpha.shape[0])
        if not between or left >= right or top >= bottom:
            continue
        part = stamp.rgba[top - stamp.top:bottom - stamp.top, left - stamp.left:right - stamp.left]
        alpha = cover.alpha[top - cover.top:bottom - cover.top, left - cover.left:right - cover.left]
        part[...] = (part.astype(np.uint16) * (255 - alpha[..., None]) // 255).astype(np.uint8)


def _truth(owners: np.ndarray, areas: dict[int, Area], settings: RenderSettings) -> tuple[np.ndarray, np.ndarray]:
    """Ids and tight boxes of the vehicles that are seen well enough."""
    ids, boxes = [], []
    for vehicle, area in sorted(areas.items()):
        mask = (owners == vehicle).view(np.uint8)
        left, top, wide, tall = cv2.boundingRect(mask)
        large = min(wide, tall) >= settings.smallest_px and area.inside_px >= settings.inside_share * area.whole_px
        if large and cv2.countNonZero(mask) >= settings.unhidden_share * area.inside_px:
            ids.append(vehicle)
            boxes.append((left, top, wide, tall))
    return np.array(ids, dtype=np.int64), np.array(boxes, dtype=np.int64).reshape(-1, 4)


def _field(view: View) -> Scenery:
    """An empty background."""
    rows = np.linspace(140, 104, view.size_wh[1])[:, None, None]
    return Scenery(np.broadcast_to(rows, (view.size_wh[1], view.size_wh[0], 3)).astype(np.uint8).copy(), (),
                   np.zeros(view.size_wh[::-1], dtype=np.uint8))


class _Sensor:
    """Turns a clean picture into what this camera records: exposure that wanders, colour cast, blur, noise."""

    _TILES = 6
    _MARGIN = 48

    def __init__(self, view: View, seed: int, row: int, plain: bool) -> None:
        rng = np.random.default_rng([seed, 7006, row])
        self.grading, self.plain = view.grading, plain
        self.phases, self.periods_s = rng.uniform(0, 2 * np.pi, 3), rng.uniform((9, 31, 97), (15, 59, 180))
        self.offsets = rng.integers(0, self._MARGIN, size=(997, 2))
        h, w = view.size_wh[1] + self._MARGIN, view.size_wh[0] + self._MARGIN
        self.noise = []
        for _ in range(0 if plain else self._TILES):
            grey = rng.normal(scale=self.grading.noise, size=(h, w, 1)).astype(np.float32)
            colour = rng.normal(scale=0.5 * self.grading.noise, size=(h, w, 3)).astype(np.float32)
            tile = np.round(grey + colour)
            self.noise.append((np.clip(tile, 0, 99).astype(np.uint8), np.clip(-tile, 0, 99).astype(np.uint8)))

    def expose(self, picture: np.ndarray, clock_s: float, index: int) -> np.ndarray:
        """uint8 RGB, as recorded at `clock_s`."""
        if self.plain:
            return picture
        wander = np.sin(2 * np.pi * clock_s / self.periods_s + self.phases) @ (0.25, 0.35, 0.4)
        level = (np.arange(256) / 255.0) ** self.grading.gamma * 255.0 * (1.0 + self.grading.drift * float(wander))
        table = np.clip(level[:, None] * np.array(self.grading.gains), 0, 255).round().astype(np.uint8)
        exposed = cv2.LUT(picture, table.reshape(1, 256, 3))
        if self.grading.blur_px > 0.25:
            exposed = cv2.GaussianBlur(exposed, (0, 0), self.grading.blur_px)
        more, less = self.noise[index % self._TILES]
        y, x = self.offsets[index % len(self.offsets)]
        h, w = exposed.shape[:2]
        return cv2.subtract(cv2.add(exposed, more[y:y + h, x:x + w]), less[y:y + h, x:x + w])

"""Trees, lamps and signs beside a made-up road: painted into the background, and masks that hide vehicles behind."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from mtmc.worlds.views import View


@dataclass(frozen=True, eq=False)
class Cover:
    """Something beside the road at `a` metres from its middle that hides what stands farther from the camera's own
    line along the road. left, top: corner in the view; alpha: uint8 (h, w)."""

    a: float
    left: int
    top: int
    alpha: np.ndarray


@dataclass(frozen=True)
class Item:
    """One thing beside the road. kind: "tree", "lamp", "sign" or "pillar". a, s: where it stands. size: 1 is usual."""

    kind: str
    a: float
    s: float
    size: float


def furniture_of(view: View, rng: np.random.Generator) -> list[Item]:
    """What stands along the road: trees and lamps in turn, further apart on the camera's side so that it sees."""
    items: list[Item] = []
    edge = view.half_width_m
    camera_side = -np.sign(view.ground(view.size_wh[0] / 2, view.size_wh[1] * 0.9)[0]) or 1.0
    if view.style != "gantry":
        camera_side = 1.0 if view.yaw_rad > 0 else -1.0
    for side in (-1.0, 1.0):
        near = side == camera_side
        place = view.begin_s - 4.0 + float(rng.uniform(0, 6))
        while place < view.end_s + (12.0 if near else 70.0):
            roll = rng.random()
            kind = ("lamp" if roll < 0.6 else "sign") if near else ("tree" if roll < 0.62 else "lamp")
            if near and view.begin_s + 4.0 < place and not any(item.kind == "pillar" for item in items):
                kind = "pillar"
            a = side * (edge + (0.8 if kind != "tree" else 1.6))
            items.append(Item(kind, float(a), place, float(rng.uniform(0.85, 1.2))))
            place += float(rng.uniform(13.0, 20.0)) if near else float(rng.uniform(7.0, 13.0))
    return items


def tree_shade(items: list[Item], view: View, a: np.ndarray, s: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """float32 (N,): share of the sun that crowns let through at ground points; `noise` makes the edges leafy."""
    through = np.ones(len(a), dtype=np.float32)
    sun = np.array(view.light.sun)
    sin, cos = np.sin(view.yaw_rad), np.cos(view.yaw_rad)
    for item in items:
        if item.kind != "tree":
            continue
        fallen = -sun[:2] / sun[2] * 4.6 * item.size
        place_a, place_s = item.a + fallen[0] * cos - fallen[1] * sin, item.s + fallen[0] * sin + fallen[1] * cos
        distance = np.hypot(a - place_a, s - place_s) / (2.2 * item.size) + 0.16 * noise
        through = np.minimum(through, np.clip((distance - 0.75) / 0.35, 0.25, 1.0))
    return through


def draw_furniture(canvas: np.ndarray, items: list[Item], view: View, scale: int,
                   rng: np.random.Generator) -> list[Cover]:
    """Paint `items` into `canvas` (uint8 RGB, `scale` times the view's size), farthest first; returns their masks
    in pixels of the view."""
    covers = []
    base = np.array([view.world(item.a, item.s, 0.0) for item in items])
    depths = view.image(base)[1] if len(items) else np.zeros(0)
    for row in np.argsort(-depths):
        item, depth = items[row], float(depths[row])
        if depth < 3.0:
            continue
        layer = np.zeros((*canvas.shape[:2], 4), dtype=np.uint8)
        {"tree": _tree, "lamp": _lamp, "sign": _sign, "pillar": _pillar}[item.kind](layer, item, view, scale, rng)
        left, top, wide, tall = cv2.boundingRect(layer[..., 3])
        if wide < 2 or tall < 2:
            continue
        # Whole pixels of the view, so that the mask can be made smaller exactly.
        left, top = left // scale * scale, top // scale * scale
        part = layer[top:top + -(-(tall + scale) // scale) * scale, left:left + -(-(wide + scale) // scale) * scale]
        alpha = part[..., 3:].astype(np.float32) / 255.0
        place = canvas[top:top + part.shape[0], left:left + part.shape[1]]
        place[...] = (place * (1 - alpha) + part[..., :3] * alpha).astype(np.uint8)
        size_wh = (part.shape[1] // scale, part.shape[0] // scale)
        mask = cv2.resize(part[..., 3], size_wh, interpolation=cv2.INTER_AREA)
        covers.append(Cover(item.a, left // scale, top // scale, mask))
    return covers


def _pixel(view: View, item: Item, z: float, scale: int, da: float = 0.0, ds: float = 0.0) -> tuple[np.ndarray, float]:
    """Canvas pixel of a point at height z above the item's foot, and pixels per metre there."""
    world = view.world(item.a + da, item.s + ds, z)
    pixel, depth = view.image(world)
    return pixel * scale, float(view.focal_px * scale / max(float(depth), 0.5))


def _stroke(layer: np.ndarray, start: np.ndarray, end: np.ndarray, width: float, colour: tuple[float, ...]) -> None:
    limit = 30000
    points = [tuple(int(np.clip(v * 8, -limit, limit)) for v in point) for point in (start, end)]
    cv2.line(layer, points[0], points[1], (*colour, 255.0), max(1, round(width)), cv2.LINE_AA, 3)


def _tree(layer: np.ndarray, item: Item, view: View, scale: int, rng: np.random.Generator) -> None:
    """A trunk and a crown of many leaf tufts, brighter towards the sun and the top."""
    foot, per_m = _pixel(view, item, 0.0, scale)
    fork, _ = _pixel(view, item, 3.2 * item.size, scale)
    _stroke(layer, foot, fork, 0.30 * per_m, (84, 68, 54))
    centre, per_m = _pixel(view, item, 4.7 * item.size, scale)
    radius = 2.1 * item.size * per_m
    green = np.array((74, 108, 50)) * rng.uniform(0.8, 1.15) + rng.uniform(-10, 14, 3)
    sun = np.array(view.light.sun)
    count = 260
    ball = rng.normal(size=(count, 3))
    ball *= (rng.uniform(0.3, 1.0, count) ** 0.5 / np.linalg.norm(ball, axis=1))[:, None]
    for x, y, z in ball[np.argsort(-ball[:, 1])]:  # far tufts first
        lit = 0.66 + 0.30 * z + 0.26 * (sun[0] * x + sun[1] * -y) * view.light.direct - 0.10 * y
        colour = np.clip(green * lit * rng.uniform(0.82, 1.18), 8, 245)
        place = centre + np.array([x, -0.92 * z]) * radius
        cv2.circle(layer, (int(place[0]), int(place[1])), max(1, int(radius * rng.uniform(0.09, 0.2))),
                   (*colour.tolist(), 255.0), -1, cv2.LINE_AA)


def _lamp(layer: np.ndarray, item: Item, view: View, scale: int, rng: np.random.Generator) -> None:
    foot, per_m = _pixel(view, item, 0.0, scale)
    head, _ = _pixel(view, item, 7.5, scale)
    reach = -np.sign(item.a) * 1.6
    arm, _ = _pixel(view, item, 7.7, scale, reach)
    _stroke(layer, foot, head, 0.15 * per_m, (96, 100, 104))
    _stroke(layer, foot, foot + (head - foot) * 0.1, 0.26 * per_m, (84, 88, 92))
    _stroke(layer, head, arm, 0.10 * per_m, (96, 100, 104))
    tip, _ = _pixel(view, item, 7.65, scale, reach * 1.35)
    _stroke(layer, arm, tip, 0.26 * per_m, (196, 198, 196))


def _sign(layer: np.ndarray, item: Item, view: View, scale: int, rng: np.random.Generator) -> None:
    foot, per_m = _pixel(view, item, 0.0, scale)
    top, _ = _pixel(view, item, 2.7, scale)
    _stroke(layer, foot, top, 0.09 * per_m, (128, 130, 132))
    centre, radius = (int(top[0]), int(top[1])), 0.36 * per_m
    rim = ((190, 32, 34), (36, 76, 150), (36, 76, 150))[int(rng.integers(3))]
    cv2.circle(layer, centre, max(2, int(radius)), (*rim, 255.0), -1, cv2.LINE_AA)
    cv2.circle(layer, centre, max(1, int(radius * 0.68)), (228, 228, 224, 255.0), -1, cv2.LINE_AA)


def _pillar(layer: np.ndarray, item: Item, view: View, scale: int, rng: np.random.Generator) -> None:
    """An advertising pillar with posters, which hides what passes behind it."""
    foot, per_m = _pixel(view, item, 0.0, scale)
    head, _ = _pixel(view, item, 2.9, scale)
    half, flat = 0.52 * per_m, 0.52 * per_m * float(np.sin(view.pitch_rad))
    body = np.array([(foot[0] - half, foot[1]), (foot[0] + half, foot[1]), (head[0] + half, head[1]),
                     (head[0] - half, head[1])])
    base = (int(foot[0]), int(foot[1]))
    cv2.ellipse(layer, base, (int(half), int(flat)), 0, 0, 360, (92, 98, 92, 255.0), -1, cv2.LINE_AA)
    cv2.fillConvexPoly(layer, body.astype(np.int32), (112, 120, 112, 255.0), cv2.LINE_AA)
    steps = np.linspace(-0.96, 0.96, 5)
    for left, right in pairwise(steps):
        shade = 1.0 - 0.45 * abs((left + right) / 2 - 0.2)
        for low, high in ((0.14, 0.5), (0.53, 0.88)):
            colour = np.clip((120.0 + 0.45 * (rng.uniform(20, 240, 3) - 120.0)) * 1.2 * shade, 0, 250)
            corners = [foot + (head - foot) * z + (x * half, flat * np.sqrt(1 - x * x))
                       for x, z in ((left, low), (right, low), (right, high), (left, high))]
            cv2.fillConvexPoly(layer, np.array(corners).astype(np.int32), (*colour.tolist(), 255.0), cv2.LINE_AA)
    top = (int(head[0]), int(head[1]))
    cv2.ellipse(layer, top, (int(half * 1.15), int(flat * 1.15)), 0, 0, 360, (70, 84, 76, 255.0), -1, cv2.LINE_AA)

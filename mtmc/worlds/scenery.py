"""The still picture of a made-up street, cast ray by ray: ground, house fronts, sky, shadows, trees and lamps."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mtmc.worlds.facades import HIGHEST_M, PIXELS_PER_M, STRIP_M, Facades, facades
from mtmc.worlds.furniture import Cover, draw_furniture, furniture_of, tree_shade
from mtmc.worlds.ground import PAVEMENT_M, Surface, ground_colours, surface_of
from mtmc.worlds.noise import cloudy, look_up
from mtmc.worlds.views import View

_SCALE = 2  # samples per pixel and axis
_HAZE_M = 420.0


@dataclass(frozen=True, eq=False)
class Scenery:
    """background: uint8 (h, w, 3) RGB before the camera's grading. covers: what may hide vehicles. raised: uint8
    (h, w), not 0 where a cover is seen, on which no vehicle's shadow falls."""

    background: np.ndarray
    covers: tuple[Cover, ...]
    raised: np.ndarray


@dataclass(frozen=True, eq=False)
class _Rays:
    """One ray per sample: pixel coordinates u, v and the direction in road coordinates (a, s, z), float32 (N,)."""

    u: np.ndarray
    v: np.ndarray
    along_a: np.ndarray
    along_s: np.ndarray
    along_z: np.ndarray


def scenery_of(view: View, seed: int, row: int) -> Scenery:
    """The street of camera `row` of world `seed`."""
    rng = np.random.default_rng([seed, 7005, row])
    rays = _rays(view)
    surface = surface_of(view, rng)
    items = furniture_of(view, rng)
    sides = {side: facades(rng) for side in (-1, 1)}
    setback = view.half_width_m + PAVEMENT_M + float(rng.uniform(0.3, 3.0))
    picture = _sky(view, rays, rng)
    nearest = np.full(len(rays.u), np.inf, dtype=np.float32)
    _cast_ground(view, rays, surface, sides, setback, items, picture, nearest)
    for side, fronts in sides.items():
        if side * view.eye[0] > setback - 0.5:
            continue  # the camera hangs on this very wall
        _cast_fronts(view, rays, fronts, side * setback, picture, nearest)
    haze = np.exp(-np.where(np.isfinite(nearest), nearest, 1e9) / _HAZE_M)[:, None]
    seen = np.isfinite(nearest)
    picture[seen] = picture[seen] * haze[seen] + np.array(view.light.sky_low) * (1 - haze[seen])
    size = (view.size_wh[1] * _SCALE, view.size_wh[0] * _SCALE, 3)
    canvas = np.clip(picture, 0, 255).astype(np.uint8).reshape(size)
    covers = draw_furniture(canvas, items, view, _SCALE, rng)
    small = cv2.resize(canvas, view.size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = small @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    graded = grey[..., None] + (small - grey[..., None]) * view.grading.saturation
    raised = np.zeros(small.shape[:2], dtype=np.uint8)
    for cover in covers:
        h, w = cover.alpha.shape
        place = raised[cover.top:cover.top + h, cover.left:cover.left + w]
        place[...] = np.maximum(place, np.where(cover.alpha >= 128, 255, 0).astype(np.uint8))
    return Scenery(np.clip(graded, 0, 255).astype(np.uint8), tuple(covers), raised)


def _rays(view: View) -> _Rays:
    w, h = view.size_wh
    us, vs = np.meshgrid((np.arange(w * _SCALE) + 0.5) / _SCALE, (np.arange(h * _SCALE) + 0.5) / _SCALE)
    u, v = us.ravel().astype(np.float32), vs.ravel().astype(np.float32)
    right, down = (u - w / 2) / view.focal_px, (v - h / 2) / view.focal_px
    pitch_sin, pitch_cos = np.sin(view.pitch_rad), np.cos(view.pitch_rad)
    x, y, z = right, pitch_cos - down * pitch_sin, -pitch_sin - down * pitch_cos
    sin, cos = np.sin(view.yaw_rad), np.cos(view.yaw_rad)
    parts = (x * cos - y * sin, x * sin + y * cos, z)
    return _Rays(u, v, *(part.astype(np.float32) for part in parts))


def _sky(view: View, rays: _Rays, rng: np.random.Generator) -> np.ndarray:
    """float32 (N, 3): a gradient with clouds."""
    rise = np.clip(rays.along_z / 0.35, 0.0, 1.0)[:, None] ** 0.7
    low, high = np.array(view.light.sky_low, np.float32), np.array(view.light.sky_high, np.float32)
    colours = low + (high - low) * rise
    clouds = look_up(cloudy(rng, (256, 512), (3, 6, 13, 29)), rays.v * 0.9, rays.u * 0.35)
    share = np.clip(clouds * 0.35, 0.0, 0.6)[:, None]
    return (colours * (1 - share) + 238.0 * share).astype(np.float32)


def _cast_ground(view: View, rays: _Rays, surface: Surface, sides: dict[int, Facades], setback: float,
                 items: list, picture: np.ndarray, nearest: np.ndarray) -> None:
    """Colour the rays that meet the ground, in sun or in the shade of houses and trees, in place."""
    hit = np.flatnonzero(rays.along_z < -1e-3)
    eye_a, eye_s = view.eye
    reach = view.height_m / -rays.along_z[hit]
    hit, reach = hit[reach < 900.0], reach[reach < 900.0]
    a, s = eye_a + reach * rays.along_a[hit], eye_s + reach * rays.along_s[hit]
    light = view.light
    sunny = tree_shade(items, view, a, s, look_up(surface.coarse, s * 14, a * 14))
    sin, cos = np.sin(view.yaw_rad), np.cos(view.yaw_rad)
    sun_a, sun_s, sun_z = light.sun[0] * cos - light.sun[1] * sin, light.sun[0] * sin + light.sun[1] * cos, light.sun[2]
    for side, fronts in sides.items():
        towards = (side * setback - a) / (sun_a if abs(sun_a) > 1e-6 else 1e-6)
        meets_s, meets_z = s + towards * sun_s, towards * sun_z
        roof = fronts.heights_m[fronts.columns(meets_s)]
        sunny = np.where((towards > 0) & (meets_z < roof), 0.25, sunny)
    strength = light.ambient * 0.98 + light.direct * light.sun[2] * sunny
    picture[hit] = ground_colours(view, surface, a, s, reach) * strength[:, None]
    nearest[hit] = reach


def _cast_fronts(view: View, rays: _Rays, fronts: Facades, wall_a: float, picture: np.ndarray,
                 nearest: np.ndarray) -> None:
    """Colour the rays that meet the row of houses in the plane a = `wall_a`, or the ends of its gaps, in place."""
    eye_a, eye_s = view.eye
    light, side = view.light, np.sign(wall_a)
    sin, cos = np.sin(view.yaw_rad), np.cos(view.yaw_rad)
    sun_a, sun_s = light.sun[0] * cos - light.sun[1] * sin, light.sun[0] * sin + light.sun[1] * cos
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (wall_a - eye_a) / rays.along_a
        s, z = eye_s + reach * rays.along_s, view.height_m + reach * rays.along_z
    strip = fronts.colours.astype(np.float32)
    column = fronts.columns(np.where(np.isfinite(s), s, 0.0))
    hit = np.flatnonzero((reach > 0.5) & (reach < nearest) & (z >= 0) & (z < fronts.heights_m[column]))
    strength = light.ambient * 0.82 + light.direct * max(0.0, -side * sun_a)
    row = np.clip((z[hit] * PIXELS_PER_M).astype(np.int64), 0, strip.shape[0] - 1)
    shade = np.clip(0.72 + z[hit] / 8.0, 0.72, 1.0)[:, None]
    picture[hit] = strip[row, column[hit]] * strength * shade
    nearest[hit] = reach[hit]
    periods = np.arange(np.floor((view.begin_s - 120) / STRIP_M), np.ceil((view.end_s + 250) / STRIP_M))
    for end_s in (float(end + period * STRIP_M) for period in periods for end in fronts.gap_ends_m):
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (end_s - eye_s) / rays.along_s
            a, z = eye_a + reach * rays.along_a, view.height_m + reach * rays.along_z
        towards = end_s < eye_s
        high = float(fronts.heights_m[fronts.columns(end_s + (-0.2 if towards else 0.2))])
        deep = (a - wall_a) * side
        hit = np.flatnonzero((reach > 0.5) & (reach < nearest) & (z >= 0) & (z < min(high, HIGHEST_M)) & (deep >= 0)
                             & (deep < 14.0))
        lit = light.ambient * 0.8 + light.direct * max(0.0, sun_s * (1.0 if towards else -1.0))
        picture[hit] = np.array([150.0, 134.0, 120.0], np.float32) * lit
        nearest[hit] = reach[hit]

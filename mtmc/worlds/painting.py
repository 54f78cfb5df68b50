"""Draws a vehicle into a picture: projected, lit, hidden faces left out, with its shadow on the road."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mtmc.worlds.meshes import GLASS, LAMP, PAINT, Mesh
from mtmc.worlds.views import View

_SHIFT = 4  # bits after the point in the coordinates given to OpenCV
_NEAREST_M = 1.5  # vehicles that reach closer than this are outside every picture
_FINE_FROM_PX = 30.0  # door lines and handles of smaller vehicles would only flicker


@dataclass(frozen=True)
class Pose:
    """Where a vehicle stands on the road of a view. a, s: road coordinates of its middle. direction: +1 or -1."""

    a: float
    s: float
    direction: int


@dataclass(frozen=True, eq=False)
class Stamp:
    """A drawn patch. left, top: its corner in the picture. rgba: uint8 (h, w, 4), colours already multiplied by
    alpha. area_px: of the whole vehicle, also outside the picture."""

    left: int
    top: int
    rgba: np.ndarray
    area_px: float


def _axes(view: View, direction: int) -> np.ndarray:
    """Rows: the vehicle's ahead, left and up in world axes."""
    sin, cos = np.sin(view.yaw_rad) * direction, np.cos(view.yaw_rad) * direction
    return np.array([[sin, cos, 0.0], [-cos, sin, 0.0], [0.0, 0.0, 1.0]])


def lit_colours(mesh: Mesh, view: View, direction: int) -> np.ndarray:
    """float64 (F, 3), RGB: the colours of the faces in the light of `view`, heading `direction` on its road."""
    normals = mesh.normals @ _axes(view, direction)
    light = view.light
    sun = np.clip(normals @ np.array(light.sun), 0.0, None)
    hemisphere = 0.72 + 0.28 * normals[:, 2]
    strength = light.ambient * hemisphere + light.direct * sun
    strength = np.where(mesh.materials == LAMP, np.maximum(strength, 0.9), strength)[:, None]
    sky = np.array(light.sky_low)
    mirrored = np.clip(normals[:, 2], 0.0, 1.0) ** 2
    kinds = [mesh.materials == PAINT, mesh.materials == GLASS]
    mirror = np.select(kinds, [0.10 * mirrored, 0.10 + 0.25 * mirrored], 0.0)
    colours = mesh.colours * strength * (1.0 - mirror[:, None]) + sky * mirror[:, None]
    grey = colours @ np.array([0.299, 0.587, 0.114])
    graded = grey[:, None] + (colours - grey[:, None]) * view.grading.saturation
    return np.clip(graded, 4.0, 250.0)


def draw_vehicle(mesh: Mesh, colours: np.ndarray, view: View, pose: Pose, scale: int = 2) -> Stamp | None:
    """The vehicle as it stands in the picture, or None where it is outside. `scale`: samples per pixel and axis."""
    axes = _axes(view, pose.direction)
    middle = view.world(pose.a, pose.s, 0.0)
    pixels, depth = view.image(mesh.points @ axes + middle)
    if depth.min() < _NEAREST_M:
        return None
    rect = _clipped(pixels, view.size_wh)
    if rect is None:
        return None
    left, top, right, bottom = rect
    eye = (np.array([0.0, 0.0, view.height_m]) - middle) @ axes.T
    facing = ((eye - mesh.centres) * mesh.facings).sum(axis=1) > 0
    tall = float(pixels[:, 1].max() - pixels[:, 1].min())
    if tall < _FINE_FROM_PX:
        facing &= ~mesh.fine
    away = np.linalg.norm(mesh.part_centres - eye, axis=1)
    shown = np.flatnonzero(facing)
    parts = mesh.parts[shown]
    shown = shown[np.lexsort((shown, -away[parts], mesh.part_layers[parts]))]
    layer = np.zeros(((bottom - top) * scale, (right - left) * scale, 4), dtype=np.uint8)
    # OpenCV takes pixel centres as whole numbers, hence the half pixel.
    fixed = np.round(((pixels - (left, top)) * scale - 0.5) * (1 << _SHIFT)).astype(np.int32)
    for face in shown.tolist():
        corners = fixed[mesh.starts[face]:mesh.starts[face + 1]]
        r, g, b = colours[face].tolist()
        if len(corners) == 4 or len(corners) == 14:
            cv2.fillConvexPoly(layer, corners, (r, g, b, 255.0), cv2.LINE_8, _SHIFT)
        else:
            cv2.fillPoly(layer, [corners], (r, g, b, 255.0), cv2.LINE_8, _SHIFT)
    small = cv2.resize(layer, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    hull = cv2.convexHull(pixels.astype(np.float32))
    return Stamp(left, top, small, float(cv2.contourArea(hull)))


def _clipped(pixels: np.ndarray, size_wh: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Whole-pixel rectangle around the points inside the picture (left, top, right, bottom), or None."""
    low, high = np.floor(pixels.min(axis=0)).astype(int) - 1, np.ceil(pixels.max(axis=0)).astype(int) + 1
    left, top = max(int(low[0]), 0), max(int(low[1]), 0)
    right, bottom = min(int(high[0]), size_wh[0]), min(int(high[1]), size_wh[1])
    return (left, top, right, bottom) if right - left > 1 and bottom - top > 1 else None


def paste(picture: np.ndarray, stamp: Stamp) -> None:
    """Lay a stamp over the picture (uint8, RGB), in place."""
    h, w = stamp.rgba.shape[:2]
    place = picture[stamp.top:stamp.top + h, stamp.left:stamp.left + w]
    through = (255 - stamp.rgba[..., 3:]).astype(np.uint16)
    place[...] = ((place * through + 127) // 255 + stamp.rgba[..., :3]).clip(0, 255).astype(np.uint8)


def cast_shadow(picture: np.ndarray, mesh: Mesh, view: View, pose: Pose) -> None:
    """Darken the road where the vehicle keeps the sun or the sky off it, in place."""
    axes = _axes(view, pose.direction)
    middle = view.world(pose.a, pose.s, 0.0)
    solid = mesh.points[~np.repeat(mesh.fine, np.diff(mesh.starts))] @ axes + middle
    sun = np.array(view.light.sun)
    fallen = solid - solid[:, 2:] * sun / sun[2]
    flat = solid * (1.0, 1.0, 0.0)
    for points, dark, soft in ((fallen, view.light.shadow, 3), (flat, 0.42, 7)):
        pixels, depth = view.image(points)
        if depth.min() < _NEAREST_M:
            continue
        padded = np.concatenate([pixels, pixels + soft, pixels - soft])
        rect = _clipped(padded, view.size_wh)
        if rect is None:
            continue
        left, top, right, bottom = rect
        hull = cv2.convexHull(((pixels - (left, top)) * 16).astype(np.int32))
        sharp = np.zeros((bottom - top, right - left), dtype=np.uint8)
        cv2.fillConvexPoly(sharp, hull, 255.0 * dark, cv2.LINE_AA, 4)
        through = 255 - cv2.blur(sharp, (soft, soft))
        place = picture[top:bottom, left:right]
        place[...] = cv2.multiply(place, cv2.merge([through] * 3), scale=1 / 255.0)

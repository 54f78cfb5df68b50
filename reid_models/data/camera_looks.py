"""What a camera and a passage do to the picture of a vehicle, for generated data sets.

A camera has a fixed colour cast, viewpoint, sharpness, resolution and background; a passage has its light and
perhaps something in front of the vehicle; a frame has its own framing, motion blur and noise. Images of one vehicle in
different cameras therefore differ in systematic ways, and single frames are worse than their mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, eq=False)
class CameraLook:
    """gain: (3,) colour cast. gamma: exponent. saturation: 0 grey to 1 as it was and above. corners: (4, 2) shift of
    the corners as a share of the side. blur_px: sigma. sharp_px: side that the crop really had. noise: sigma in grey
    levels. ground_rgb, line_rgb: background."""

    gain: np.ndarray
    gamma: float
    saturation: float
    corners: np.ndarray
    blur_px: float
    sharp_px: int
    noise: float
    ground_rgb: np.ndarray
    line_rgb: np.ndarray


def draw_camera(random: np.random.Generator, strength: float = 1.0) -> CameraLook:
    """A random camera; `strength` 0 changes nothing but the background, 1 is a hard but honest camera."""
    return CameraLook(
        gain=1 + strength * random.uniform(-0.1, 0.1, size=3),
        gamma=float(2 ** (strength * random.uniform(-0.4, 0.4))),
        saturation=1 + strength * random.uniform(-0.4, 0.2),
        corners=strength * random.uniform(-0.12, 0.12, size=(4, 2)), blur_px=strength * random.uniform(0.0, 0.9),
        sharp_px=round(96 - strength * random.uniform(0, 44)), noise=strength * random.uniform(1, 8),
        ground_rgb=_greyish(random, 80, 145), line_rgb=_greyish(random, 160, 230))


def view_passage(image_rgb: np.ndarray, mask: np.ndarray, camera: CameraLook, frames: int, side_px: int,
                 random: np.random.Generator, strength: float = 1.0) -> list[np.ndarray]:
    """`frames` crops uint8 (side_px, side_px, 3) of one passage. mask: float32 (h, w), 1 on the vehicle.

    A passage may be partly hidden (a third of them, in part of their frames); frames differ in framing and blur.
    """
    light = 1 + strength * random.uniform(-0.25, 0.25)
    cover = _draw_cover(random) if random.random() < 0.35 * strength else None
    hidden = range(*sorted(random.integers(0, frames + 1, size=2).tolist())) if cover is not None else range(0)
    crops = []
    for frame in range(frames):
        crop = _place(image_rgb, mask, camera, side_px, random, strength)
        if frame in hidden and cover is not None:
            crop = _hide(crop, cover, frame / max(frames - 1, 1))
        crops.append(_expose(crop, camera, light, random, strength))
    return crops


def _place(image_rgb: np.ndarray, mask: np.ndarray, camera: CameraLook, side: int, random: np.random.Generator,
           strength: float) -> np.ndarray:
    """Warp the vehicle onto the camera's background."""
    h, w = image_rgb.shape[:2]
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], dtype=np.float32)
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) + camera.corners
    zoom, shift = 1 + strength * random.uniform(-0.12, 0.12), strength * random.uniform(-0.07, 0.07, size=2)
    target = (((unit - 0.5) * zoom + 0.5 + shift) * side).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    vehicle = cv2.warpPerspective(image_rgb, matrix, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32)
    alpha = cv2.warpPerspective(mask, matrix, (side, side), flags=cv2.INTER_LINEAR)[:, :, None]
    return vehicle * alpha + _background(camera, side, random) * (1 - alpha)


def _background(camera: CameraLook, side: int, random: np.random.Generator) -> np.ndarray:
    """Road of the camera's colour with a lane line somewhere and coarse grain."""
    grain = cv2.resize(random.normal(0, 9, size=(8, 8)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    ground = np.repeat(grain[:, :, None], 3, axis=2) + camera.ground_rgb.astype(np.float32)
    x, lean = random.uniform(-0.2, 1.2) * side, random.uniform(-0.3, 0.3) * side
    cv2.line(ground, (int(x), 0), (int(x + lean), side), tuple(camera.line_rgb.tolist()), max(1, side // 24))
    return ground


def _draw_cover(random: np.random.Generator) -> tuple[np.ndarray, float, float]:
    return _greyish(random, 30, 190), random.uniform(0.15, 0.4), random.uniform(0, 1)


def _greyish(random: np.random.Generator, low: float, high: float) -> np.ndarray:
    """(3,) grey levels low to high with a slight tint, as roads, posts and lines have."""
    return random.uniform(low, high) + random.uniform(-12, 12, size=3)


def _hide(crop: np.ndarray, cover: tuple[np.ndarray, float, float], progress: float) -> np.ndarray:
    """A post or another vehicle moves across, `progress` 0 to 1."""
    colour, width, start = cover
    side = crop.shape[1]
    left = int(((start + progress * 0.5) % 1 - width / 2) * side)
    out = crop.copy()
    out[:, max(left, 0):max(left + int(width * side), 0)] = colour
    return out


def _expose(crop: np.ndarray, camera: CameraLook, light: float, random: np.random.Generator,
            strength: float) -> np.ndarray:
    """Colour, sharpness and noise of the camera; motion blur of the frame."""
    side = crop.shape[0]
    grey = crop.mean(axis=2, keepdims=True)
    crop = (grey + (crop - grey) * camera.saturation) * camera.gain * light
    crop = 255 * (np.clip(crop, 0, 255) / 255) ** camera.gamma
    length = 1 + int(strength * random.integers(0, 5))
    crop = cv2.blur(crop, (length, 1)) if length > 1 else crop
    if camera.blur_px > 0.1:
        crop = cv2.GaussianBlur(crop, (0, 0), camera.blur_px)
    if camera.sharp_px < side:
        small = cv2.resize(crop, (camera.sharp_px, camera.sharp_px), interpolation=cv2.INTER_AREA)
        crop = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
    crop = crop + random.normal(0, camera.noise + 0.5, size=crop.shape)
    return np.clip(np.rint(crop), 0, 255).astype(np.uint8)

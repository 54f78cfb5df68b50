"""Drawn vehicles for data sets without photographs: an identity has a shape, colours and marks of its own.

Many identities share a shape and nearly a colour, as real traffic does, so that colour alone does not tell them
apart; stripes, windows, loads and stickers do.
"""

from __future__ import annotations

import colorsys
import itertools
from dataclasses import dataclass

import cv2
import numpy as np

KINDS = ("car", "van", "truck", "bus")
SIDE_PX = 160  # the drawing; crops are scaled down from it
# White, black, grey, red, blue, green, yellow, brown.
_PAINTS_HSV = ((0.0, 0.0, 0.92), (0.0, 0.0, 0.12), (0.0, 0.0, 0.55), (0.0, 0.8, 0.7),
               (0.61, 0.75, 0.6), (0.33, 0.6, 0.5), (0.12, 0.8, 0.85), (0.07, 0.5, 0.45))


@dataclass(frozen=True)
class VehicleDrawing:
    """image_rgb: uint8 (h, w, 3). mask: float32 (h, w), 1 on the vehicle, 0 off it. kind: a word of `KINDS`."""

    image_rgb: np.ndarray
    mask: np.ndarray
    kind: str


def draw_vehicle(identity: int, view: int, seed: int = 0) -> VehicleDrawing:
    """The vehicle `identity` from view 0 (its right side) or 1 (its left side, seen more from the front)."""
    own = np.random.default_rng([seed, identity])
    kind = KINDS[own.integers(len(KINDS))]
    paint, second = _colour(own), _colour(own)
    glass = tuple(int(v) for v in own.integers((20, 30, 40), (70, 90, 110)))
    image = np.zeros((SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    mask = np.zeros((SIDE_PX, SIDE_PX), dtype=np.uint8)
    roof_y, body_y = (own.integers(40, 62), own.integers(72, 86)) if kind in ("car", "van") else (
        own.integers(24, 40), own.integers(60, 80))
    cabin = _cabin(kind, int(roof_y), int(body_y), own)
    body = np.array([[8, body_y], [152, body_y], [152, 122], [8, 122]], dtype=np.int32)
    for polygon, colour in ((cabin, paint), (body, paint)):
        cv2.fillPoly(image, [polygon], colour)
        cv2.fillPoly(mask, [polygon], 255)
    _windows(image, cabin, glass, int(own.integers(1, 5)))
    if own.random() < 0.6:  # a stripe along the side
        top = int(own.integers(body_y + 2, 112))
        cv2.rectangle(image, (8, top), (152, top + int(own.integers(3, 9))), second, -1)
    for _ in range(own.integers(0, 4)):  # stickers
        x, y, size = int(own.integers(14, 140)), int(own.integers(body_y, 116)), int(own.integers(4, 11))
        cv2.circle(image, (x, y), size, _colour(own), -1)
    image[mask == 0] = 0
    for x in np.linspace(32, 128, num=int(own.integers(2, 4)) + (kind in ("truck", "bus"))).astype(int):
        cv2.circle(image, (int(x), 124), 14, (25, 25, 25), -1, cv2.LINE_AA)
        cv2.circle(image, (int(x), 124), 6, second, -1, cv2.LINE_AA)
        cv2.circle(mask, (int(x), 124), 14, 255, -1)
    if view:
        image, mask = _other_side(image), _other_side(mask)
    return VehicleDrawing(image, mask.astype(np.float32) / 255, kind)


def _cabin(kind: str, roof_y: int, body_y: int, own: np.random.Generator) -> np.ndarray:
    front, back = int(own.integers(20, 40)), int(own.integers(120, 146))
    slope = {"car": 18, "van": 8, "truck": 2, "bus": 0}[kind]
    if kind == "truck":
        back = int(own.integers(60, 90))
    return np.array([[front + slope, roof_y], [back - slope, roof_y], [back, body_y + 2], [front, body_y + 2]],
                    dtype=np.int32)


def _windows(image: np.ndarray, cabin: np.ndarray, glass: tuple[int, ...], count: int) -> None:
    left, right = int(cabin[0][0]) + 3, int(cabin[1][0]) - 3
    top, bottom = int(cabin[0][1]) + 4, int(cabin[2][1]) - 6
    edges = np.linspace(left, right, count + 1).astype(int)
    for one, two in itertools.pairwise(edges):
        if two - one > 4 and bottom > top:
            cv2.rectangle(image, (int(one), top), (int(two) - 3, bottom), glass, -1)


def _other_side(image: np.ndarray) -> np.ndarray:
    """Mirrored and seen at an angle: one end farther away than the other."""
    side = SIDE_PX
    near = np.array([[0, 0], [side, 0], [side, side], [0, side]], dtype=np.float32)
    far = np.array([[12, 14], [side - 18, 2], [side - 18, side - 2], [12, side - 20]], dtype=np.float32)
    warped = cv2.warpPerspective(image, cv2.getPerspectiveTransform(near, far), (side, side))
    return np.ascontiguousarray(warped[:, ::-1])


def _colour(own: np.random.Generator) -> tuple[int, int, int]:
    hue, saturation, value = _PAINTS_HSV[own.integers(len(_PAINTS_HSV))]
    jitter = own.uniform(-0.06, 0.06, size=3)
    red, green, blue = colorsys.hsv_to_rgb((hue + jitter[0] / 3) % 1, float(np.clip(saturation + jitter[1], 0, 1)),
                                           float(np.clip(value + jitter[2], 0, 1)))
    return int(255 * red), int(255 * green), int(255 * blue)

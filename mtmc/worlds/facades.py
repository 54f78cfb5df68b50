"""The house fronts along one side of a street, as one long texture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mtmc.worlds.noise import cloudy

PIXELS_PER_M = 20
STRIP_M, HIGHEST_M = 150.0, 24.0
_FLOOR_M = 3.1
_WALLS = ((178, 160, 140), (150, 96, 78), (196, 188, 172), (128, 124, 120), (204, 178, 140), (164, 120, 96),
          (186, 194, 196), (112, 96, 88), (212, 204, 188), (142, 150, 142))
_SIGNS = ((40, 78, 120), (140, 36, 40), (44, 96, 64), (30, 30, 34), (196, 150, 50), (110, 60, 100), (220, 216, 206))


@dataclass(frozen=True, eq=False)
class Facades:
    """colours: uint8 (HIGHEST_M * PIXELS_PER_M, STRIP_M * PIXELS_PER_M, 3), row 0 on the ground, repeating along the
    street. heights_m: float32 (columns,), 0 where there is a gap. gap_ends_m: places where a gap begins or ends."""

    colours: np.ndarray
    heights_m: np.ndarray
    gap_ends_m: tuple[float, ...]

    def columns(self, s: np.ndarray | float) -> np.ndarray:
        """int64: columns of the strip at places along the street, metres."""
        return np.floor(np.mod(np.asarray(s), STRIP_M) * PIXELS_PER_M).astype(np.int64) % len(self.heights_m)


def facades(rng: np.random.Generator) -> Facades:
    """A row of houses with shops, windows and gaps."""
    columns, rows = int(STRIP_M * PIXELS_PER_M), int(HIGHEST_M * PIXELS_PER_M)
    colours = np.full((rows, columns, 3), 150, dtype=np.uint8)
    heights_m = np.zeros(columns, dtype=np.float32)
    ends: list[float] = []
    place = 0.0
    while place < STRIP_M - 6.0:
        if rng.random() < 0.22:
            gap = float(rng.uniform(5.0, 9.0))
            ends += [place, min(place + gap, STRIP_M)]
            place += gap
            continue
        wide = min(float(rng.uniform(9.0, 17.0)), STRIP_M - place)
        floors = int(rng.integers(2, 7))
        x0, x1 = int(place * PIXELS_PER_M), int((place + wide) * PIXELS_PER_M)
        height = min(floors * _FLOOR_M + 1.2, HIGHEST_M)
        _house(colours[:int(height * PIXELS_PER_M), x0:x1], floors, rng)
        heights_m[x0:x1] = height
        place += wide
    grain = cloudy(rng, (rows, columns), (8, 60, 240))[..., None] * 5.0
    return Facades(np.clip(colours + grain, 0, 255).astype(np.uint8), heights_m, tuple(ends))


def _rectangle(wall: np.ndarray, x: float, z: float, wide: float, tall: float, colour: tuple[float, ...]) -> None:
    """Fill a rectangle given in metres."""
    corner, far = (int(x * PIXELS_PER_M), int(z * PIXELS_PER_M)), (int((x + wide) * PIXELS_PER_M),
                                                                  int((z + tall) * PIXELS_PER_M))
    cv2.rectangle(wall, corner, far, tuple(float(c) for c in colour), -1)


def _house(wall: np.ndarray, floors: int, rng: np.random.Generator) -> None:
    """Paint one front in place: courses, windows of each floor, shops or doors at the bottom, a cornice."""
    paint = np.array(_WALLS[int(rng.integers(len(_WALLS)))], dtype=np.float64) * rng.uniform(0.85, 1.08)
    tall, wide = wall.shape[0] / PIXELS_PER_M, wall.shape[1] / PIXELS_PER_M
    wall[...] = np.clip(paint, 0, 255)
    course = 3 if rng.random() < 0.5 else 8
    wall[::course] = np.clip(paint * 0.93, 0, 255)
    bays = max(2, round(wide / float(rng.uniform(2.2, 3.2))))
    pitch = wide / bays
    window_w, window_h = pitch * float(rng.uniform(0.42, 0.66)), float(rng.uniform(1.35, 1.9))
    trim = tuple(np.clip(paint * (1.22 if rng.random() < 0.6 else 0.7), 0, 250))
    balconies = rng.random() < 0.3
    for floor in range(1, floors):
        z = floor * _FLOOR_M + 0.85
        for bay in range(bays):
            _window(wall, (bay + 0.5) * pitch - window_w / 2, z, window_w, window_h, trim, rng)
            if balconies and bay % 2 == 0:
                _rectangle(wall, (bay + 0.5) * pitch - window_w * 0.8, z - 0.25, window_w * 1.6, 0.9, (70, 72, 76))
    _ground_floor(wall, bays, pitch, tuple(paint * 0.8), rng)
    _rectangle(wall, 0.0, tall - 0.55, wide, 0.3, trim)
    _rectangle(wall, 0.0, _FLOOR_M + 0.15, wide, 0.14, trim)
    wall[:, :2] = np.clip(paint * 0.6, 0, 255)


def _window(wall: np.ndarray, x: float, z: float, wide: float, tall: float, trim: tuple[float, ...],
            rng: np.random.Generator) -> None:
    _rectangle(wall, x - 0.1, z - 0.12, wide + 0.2, tall + 0.24, trim)
    pane = np.array((74, 88, 102)) * rng.uniform(0.6, 1.35)
    _rectangle(wall, x, z, wide, tall, tuple(pane))
    _rectangle(wall, x, z + tall * 0.55, wide, tall * 0.45, tuple(np.minimum(pane * 1.25, 230)))
    if rng.random() < 0.35:
        _rectangle(wall, x, z + tall * float(rng.uniform(0.3, 0.7)), wide, tall * 0.3, (206, 200, 186))
    _rectangle(wall, x + wide / 2 - 0.04, z, 0.08, tall, trim)


def _ground_floor(wall: np.ndarray, bays: int, pitch: float, plinth: tuple[float, ...],
                  rng: np.random.Generator) -> None:
    """Shops with a sign and an awning, or a door and windows."""
    wide = bays * pitch
    if rng.random() < 0.6:
        sign = _SIGNS[int(rng.integers(len(_SIGNS)))]
        _rectangle(wall, 0.3, 0.0, wide - 0.6, 2.75, (52, 52, 56))
        for bay in range(bays):
            shade = rng.uniform(0.7, 1.5)
            _rectangle(wall, bay * pitch + 0.4, 0.45, pitch - 0.5, 1.95, (70 * shade, 78 * shade, 84 * shade))
            for _ in range(5):  # what stands in the window
                x, z = bay * pitch + 0.5 + rng.uniform(0, max(0.1, pitch - 1.1)), 0.5 + rng.uniform(0, 0.6)
                _rectangle(wall, x, z, 0.3, float(rng.uniform(0.2, 0.7)), tuple(rng.uniform(60, 220, 3)))
        _rectangle(wall, 0.3, 2.5, wide - 0.6, 0.7, sign)
        for x in np.arange(1.0, wide - 2.0, 0.42):
            if rng.random() < 0.5:
                _rectangle(wall, float(x), 2.68, 0.26, 0.3, (232, 228, 216))
        return
    _rectangle(wall, 0.0, 0.0, wide, 0.6, plinth)
    for bay in range(bays):
        if bay == bays // 2:
            _rectangle(wall, (bay + 0.5) * pitch - 0.6, 0.0, 1.2, 2.4, tuple(rng.uniform(30, 110, 3)))
        else:
            _window(wall, (bay + 0.5) * pitch - 0.7, 0.95, 1.4, 1.4, plinth, rng)

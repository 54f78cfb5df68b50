"""Polygons in space: the little that is needed to draw convex parts of vehicles without a depth buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PAINT, GLASS, MATTE, LAMP = 0, 1, 2, 3


@dataclass(frozen=True, eq=False)
class Mesh:
    """F convex or nearly convex faces over V points; metres, x ahead, y left, z up, origin on the ground.

    points: float64 (V, 3), face after face. starts: int64 (F + 1,), where each face's points begin. colours: float64
    (F, 3), RGB 0 to 255. facings, normals: float64 (F, 3), outward, for hiding and for shading. centres: float64
    (F, 3). materials: int64 (F,). fine: bool (F,), left out when the vehicle is small. parts: int64 (F,).
    part_centres: float64 (P, 3). part_layers: int64 (P,): lower layers are drawn first, in a layer the farther part.
    """

    points: np.ndarray
    starts: np.ndarray
    colours: np.ndarray
    facings: np.ndarray
    normals: np.ndarray
    centres: np.ndarray
    materials: np.ndarray
    fine: np.ndarray
    parts: np.ndarray
    part_centres: np.ndarray
    part_layers: np.ndarray


class MeshBuilder:
    """Collects faces part by part; each part is convex, so that facing away means hidden."""

    def __init__(self) -> None:
        self._points: list[np.ndarray] = []
        self._rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int, bool, int]] = []
        self._parts: list[tuple[np.ndarray, int]] = []

    def part(self, centre: Sequence[float] | np.ndarray, layer: int) -> None:
        """Begin a part around `centre`; the faces that follow turn away from it."""
        self._parts.append((np.asarray(centre, dtype=np.float64), layer))

    def face(self, points: Sequence[Sequence[float]] | np.ndarray, colour: Sequence[float], material: int = PAINT,
             fine: bool = False, tilt: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        """Add a polygon to the part begun last; `tilt` is added to its normal for shading only."""
        corners = np.asarray(points, dtype=np.float64)
        centre = corners.mean(axis=0)
        following = np.roll(corners, -1, axis=0)
        normal = np.cross(corners, following).sum(axis=0)  # Newell
        normal /= max(float(np.linalg.norm(normal)), 1e-9)
        if normal @ (centre - self._parts[-1][0]) < 0:
            normal = -normal
        shading = normal + np.asarray(tilt)
        shading /= max(float(np.linalg.norm(shading)), 1e-9)
        self._points.append(corners)
        part = len(self._parts) - 1
        self._rows.append((np.asarray(colour, dtype=np.float64), normal, shading, centre, material, fine, part))

    def both_sides(self, points: Sequence[Sequence[float]] | np.ndarray, colour: Sequence[float],
                   material: int = PAINT, fine: bool = False, tilt: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        """Add a polygon of the left side and its mirror image on the right."""
        corners = np.asarray(points, dtype=np.float64)
        self.face(corners, colour, material, fine, tilt)
        self.face(corners * (1.0, -1.0, 1.0), colour, material, fine, (tilt[0], -tilt[1], tilt[2]))

    def box(self, low: Sequence[float], high: Sequence[float], colour: Sequence[float], material: int = PAINT,
            fine: bool = False) -> None:
        """Add the five visible faces of an upright box (nobody sees the bottom)."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        for x in (x0, x1):
            self.face([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)], colour, material, fine)
        for y in (y0, y1):
            self.face([(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)], colour, material, fine)
        self.face([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], colour, material, fine)

    def piece(self, low: Sequence[float], high: Sequence[float], colour: Sequence[float], layer: int,
              material: int = PAINT) -> None:
        """A box that is a part of its own."""
        self.part((np.asarray(low) + np.asarray(high)) / 2, layer)
        self.box(low, high, colour, material)

    def build(self) -> Mesh:
        colours, facings, normals, centres, materials, fine, parts = zip(*self._rows, strict=True)
        starts = np.cumsum([0] + [len(points) for points in self._points])
        return Mesh(np.concatenate(self._points), starts, np.array(colours), np.array(facings),
                    np.array(normals), np.array(centres), np.array(materials), np.array(fine), np.array(parts),
                    np.array([centre for centre, _ in self._parts]), np.array([layer for _, layer in self._parts]))

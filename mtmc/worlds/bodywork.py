"""What all made-up vehicles share: layers, lamps' colours, glass, wheels, the dark underneath."""

from __future__ import annotations

import numpy as np

from mtmc.worlds.looks import Colour, Look
from mtmc.worlds.meshes import MATTE, MeshBuilder

UNDER, BODY, CABIN, TOP = 0, 1, 2, 3  # layers, lowest first
DARK: Colour = (24.0, 24.0, 26.0)
TYRE: Colour = (28.0, 28.0, 30.0)
RED: Colour = (150.0, 18.0, 20.0)
WHITE: Colour = (226.0, 228.0, 224.0)
AMBER: Colour = (196.0, 96.0, 30.0)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


def glass(look: Look, share: float = 1.0) -> Colour:
    value = look.glass * share
    return 34.0 * value, 40.0 * value, 47.0 * value


def wheels(b: MeshBuilder, look: Look, places_x: tuple[float, ...], radius: float, half: float) -> None:
    """Arches, tyres and rims on both sides, and the dark underneath that ties the body to the road."""
    turn = np.linspace(0.0, 2 * np.pi, 14, endpoint=False)
    rim: Colour = (look.rim, look.rim, look.rim * 1.02)
    for x in places_x:
        for size, colour, fine in ((1.22, DARK, False), (1.0, TYRE, False), (0.64, rim, False), (0.2, DARK, True)):
            r = radius * size
            ring = [(x + r * np.cos(t), half, max(radius + r * np.sin(t), 0.0 if size <= 1 else 0.2)) for t in turn]
            b.both_sides(ring, colour, MATTE, fine)


def underneath(b: MeshBuilder, length: float, half: float, top: float = 0.34) -> None:
    b.part((0.0, 0.0, top / 2), UNDER)
    b.box((-0.44 * length, -0.9 * half, 0.02), (0.45 * length, 0.9 * half, top), (14.0, 14.0, 16.0), MATTE)

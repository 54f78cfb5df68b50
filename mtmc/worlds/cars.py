"""Cars, vans and pickups as polygons: a body below the windows, a cabin on it, and what tells models apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mtmc.worlds.bodywork import AMBER, BODY, CABIN, DARK, RED, TOP, WHITE, glass, mix, underneath, wheels
from mtmc.worlds.looks import Look
from mtmc.worlds.meshes import GLASS, LAMP, MATTE, MeshBuilder


@dataclass(frozen=True)
class _Shape:
    """Proportions of a car body as shares: heights of the height, places of the length (+0.5 front, -0.5 rear)."""

    nose_z: float  # leading edge of the bonnet
    screen_x: float  # foot of the windscreen
    roof_front_x: float
    roof_rear_x: float
    back_x: float  # foot of the rear window
    tail_z: float  # rear edge of the boot
    wheel_m: float
    wheels_x: tuple[float, float]


_SHAPES = {
    "hatchback": _Shape(0.50, 0.24, 0.07, -0.33, -0.465, 0.64, 0.31, (0.32, -0.31)),
    "sedan": _Shape(0.50, 0.21, 0.05, -0.19, -0.355, 0.66, 0.32, (0.31, -0.30)),
    "suv": _Shape(0.56, 0.24, 0.10, -0.38, -0.475, 0.62, 0.37, (0.31, -0.30)),
    "van": _Shape(0.46, 0.38, 0.25, -0.485, -0.497, 0.50, 0.34, (0.33, -0.30)),
    "pickup": _Shape(0.58, 0.22, 0.09, -0.09, -0.13, 0.62, 0.38, (0.33, -0.31)),
}


def _profile(look: Look, shape: _Shape) -> np.ndarray:
    """Corners (x, half width, z) of the body below the windows, from the front bumper over the top to the rear."""
    length, height, half = look.length_m, look.height_m, look.width_m / 2
    belt = look.belt * height
    nose = (shape.nose_z + 0.3 * look.hood) * height
    screen_x = (shape.screen_x - look.hood) * length
    rows = [(0.485 * length, 0.80 * half, 0.2), (0.5 * length, 0.84 * half, 0.28 * height),
            (0.495 * length, 0.86 * half, 0.78 * nose), (0.47 * length, 0.90 * half, nose),
            (0.38 * length, 0.97 * half, nose + 0.45 * (belt - nose)), (screen_x, half, belt),
            (shape.back_x * length, 0.98 * half, belt)]
    tail = min(shape.tail_z * height, belt - 0.02)  # a boot that rises would not be convex
    rows += [(-0.48 * length, 0.92 * half, tail), (-0.495 * length, 0.89 * half, 0.72 * belt),
             (-0.5 * length, 0.86 * half, 0.30 * height), (-0.485 * length, 0.82 * half, 0.22)]
    return np.array(rows)


def car(b: MeshBuilder, look: Look) -> None:
    shape = _SHAPES[look.body.name]
    length, height, half = look.length_m, look.height_m, look.width_m / 2
    profile = _profile(look, shape)
    underneath(b, length, half)
    b.part((0.0, 0.0, 0.4 * height), BODY)
    for (x0, w0, z0), (x1, w1, z1) in pairwise(profile):
        b.face([(x0, -w0, z0), (x0, w0, z0), (x1, w1, z1), (x1, -w1, z1)], look.paint)
    _flanks(b, look, profile)
    wheels(b, look, (shape.wheels_x[0] * length, shape.wheels_x[1] * length), shape.wheel_m, half)
    _faces(b, look, profile)
    if look.stripe:
        _racing_stripe(b, look, profile)
    if look.body.name == "pickup":
        _load_bed(b, look, shape)
    _cabin(b, look, shape)
    _mirrors(b, look, shape)
    _extras(b, look, shape)


def _flanks(b: MeshBuilder, look: Look, profile: np.ndarray) -> None:
    """The sides in three bands, so that light runs along the shoulder as on real bodywork."""
    height, length = look.height_m, look.length_m
    shoulder, sill = 0.86 * look.belt * height, min(0.28 * height, 0.48)
    low, mid = profile.copy(), profile.copy()
    low[:, 2] = np.minimum(low[:, 2], sill)
    mid[:, 2] = np.clip(mid[:, 2], sill, shoulder)
    b.both_sides(profile, look.paint, tilt=(0.0, 0.0, 0.55))
    b.both_sides(mid, look.paint, tilt=(0.0, 0.0, 0.05))
    b.both_sides(low, mix(look.paint, (40.0, 40.0, 42.0), 0.55), MATTE, tilt=(0.0, 0.0, -0.3))
    half = look.width_m / 2
    if look.band:
        b.both_sides([(0.44 * length, half, 0.40 * height), (-0.46 * length, half, 0.40 * height),
                      (-0.46 * length, half, 0.49 * height), (0.44 * length, half, 0.46 * height)], look.band)
    for x in (0.19 * length, 0.0, -0.18 * length):
        b.both_sides([(x, half, 0.24 * height), (x + 0.03, half, 0.24 * height), (x + 0.03, half, look.belt * height),
                      (x, half, look.belt * height)], mix(look.paint, DARK, 0.6), fine=True)
        b.both_sides([(x - 0.3, half, 0.51 * height), (x - 0.12, half, 0.51 * height), (x - 0.12, half, 0.54 * height),
                      (x - 0.3, half, 0.54 * height)], mix(look.paint, DARK, 0.5), fine=True)
    if look.logo:
        x, z, r = look.logo_at * 0.3 * length - 0.06 * length, 0.43 * height, 0.13 * height
        b.both_sides([(x - 1.6 * r, half, z - r), (x + 1.6 * r, half, z - r), (x + 1.2 * r, half, z + r),
                      (x - 1.2 * r, half, z + r)], look.logo)


def _faces(b: MeshBuilder, look: Look, profile: np.ndarray) -> None:
    """Front and rear: grille, lamps, bumper, number plate."""
    height, half = look.height_m, look.width_m / 2
    bumper = min(0.30 * height, 0.52)
    x, nose = 0.5 * look.length_m, profile[3, 2]
    top, wide = 0.95 * nose, 0.84 * half
    drop = (0.13, 0.17, 0.11)[look.lamps] * height
    inner = (0.46, 0.56, 0.38)[look.lamps] * half
    b.face([(x, -0.9 * inner, top), (x, 0.9 * inner, top), (x, 0.75 * inner, top - 1.3 * drop),
            (x, -0.75 * inner, top - 1.3 * drop)], DARK, MATTE)
    b.face([(x, -0.7 * half, 0.2), (x, 0.7 * half, 0.2), (x, 0.6 * half, bumper),
            (x, -0.6 * half, bumper)], DARK, MATTE)
    for side in (-1, 1):
        b.face([(x, side * wide, top), (x, side * inner, top - 0.02), (x, side * (inner + 0.04), top - drop),
                (x, side * wide, top - 0.8 * drop)], WHITE, LAMP)
        back = _lamp_cluster(look, side)
        b.face(back, RED, LAMP)
        b.face([(px, py * 0.97, pz - 0.02) for px, py, pz in back[:2]] + [(px, py, pz + 0.55 * (back[0][2] - pz))
               for px, py, pz in back[2:]], AMBER, LAMP, fine=True)
    x = -0.5 * look.length_m
    b.face([(x, -0.82 * half, 0.22), (x, 0.82 * half, 0.22), (x, 0.8 * half, bumper),
            (x, -0.8 * half, bumper)], mix(DARK, look.paint, 0.25), MATTE)
    if look.band:
        for end in (0.5, -0.5):
            x = end * look.length_m
            b.face([(x, -0.8 * half, 0.40 * height), (x, 0.8 * half, 0.40 * height), (x, 0.8 * half, 0.47 * height),
                    (x, -0.8 * half, 0.47 * height)], look.band)
    for end, z in ((0.5, 0.33 * height), (-0.5, 0.42 * height)):
        b.face([(end * look.length_m, y, z + dz) for y, dz in ((-0.26, 0.0), (0.26, 0.0), (0.26, 0.12), (-0.26, 0.12))],
               look.plate, MATTE)


def _lamp_cluster(look: Look, side: int) -> list[tuple[float, float, float]]:
    x, half, height = -0.5 * look.length_m, look.width_m / 2, look.height_m
    top, tall, inner = ((0.60, 0.13, 0.55), (0.62, 0.24, 0.70), (0.57, 0.09, 0.40))[look.lamps]
    return [(x, side * 0.87 * half, top * height), (x, side * inner * half, top * height),
            (x, side * inner * half, (top - tall) * height), (x, side * 0.87 * half, (top - tall) * height)]


def _racing_stripe(b: MeshBuilder, look: Look, profile: np.ndarray) -> None:
    assert look.stripe is not None
    for i in (2, 3, 4, 6, 7):
        (x0, _, z0), (x1, _, z1) = profile[i], profile[i + 1]
        b.face([(x0, -0.22, z0), (x0, 0.22, z0), (x1, 0.22, z1), (x1, -0.22, z1)], look.stripe)


def _cabin(b: MeshBuilder, look: Look, shape: _Shape) -> None:
    """Roof, pillars and windows."""
    length, height, half = look.length_m, look.height_m, look.width_m / 2
    belt, lean = look.belt * height, (look.rake - 0.15) * length
    screen_x, front_x = (shape.screen_x - look.hood) * length, (shape.roof_front_x - look.hood) * length - lean
    rear_x, back_x = shape.roof_rear_x * length, shape.back_x * length
    boxy = 0.86 if look.body.name == "van" else 0.78
    base, top, roof = 0.95 * half, boxy * half, look.roof_paint or look.paint
    arch = [(screen_x, base, belt), (front_x, top, 0.955 * height), (0.6 * front_x + 0.4 * rear_x, top, height),
            (rear_x, top, 0.97 * height), (back_x, base, belt)]
    b.part(((front_x + rear_x) / 2, 0.0, (belt + height) / 2), CABIN)
    for i, ((x0, w0, z0), (x1, w1, z1)) in enumerate(pairwise(arch)):
        b.face([(x0, -w0, z0), (x0, w0, z0), (x1, w1, z1), (x1, -w1, z1)], roof)
        if i in (0, 3):
            _screen(b, look, np.array(arch[i]), np.array(arch[i + 1]))
    b.both_sides(arch, roof, tilt=(0.0, 0.0, 0.1))
    panel = look.body.name == "van" and look.logo is not None  # a panel van has no windows behind the driver
    posts = (0.03, 0.5, 0.97) if not panel else (0.03, 0.30)
    foot, head = np.array(arch[0]), np.array(arch[1])
    tail, heel = np.array(arch[3]), np.array(arch[4])
    for left, right in pairwise(posts):
        low = [foot + (heel - foot) * (s + d) for s, d in ((left, 0.012), (right, -0.012))]
        high = [head + (tail - head) * (s + d) for s, d in ((left, 0.012), (right, -0.012))]
        pane = [low[0] * 0.93 + high[0] * 0.07, low[1] * 0.93 + high[1] * 0.07, low[1] * 0.13 + high[1] * 0.87,
                low[0] * 0.13 + high[0] * 0.87]
        b.both_sides(pane, glass(look), GLASS)
    if panel and look.logo:
        z0, z1, x0 = 0.55 * height, 0.88 * height, -0.12 * length + look.logo_at * 0.1 * length
        b.both_sides([(x0 - 0.8, 0.93 * half, z0), (x0 + 0.8, 0.93 * half, z0), (x0 + 0.6, 0.9 * half, z1),
                      (x0 - 0.6, 0.9 * half, z1)], look.logo)
    if look.stripe:
        for (x0, _, z0), (x1, _, z1) in (arch[1:3], arch[2:4]):
            b.face([(x0, -0.22, z0), (x0, 0.22, z0), (x1, 0.22, z1), (x1, -0.22, z1)], look.stripe)


def _screen(b: MeshBuilder, look: Look, first: np.ndarray, last: np.ndarray) -> None:
    """A windscreen between two corners of the arch, brighter above where it mirrors the sky."""
    for low, high, share in ((0.06, 0.45, 0.9), (0.45, 0.72, 1.25), (0.72, 0.92, 1.7)):
        if first[2] > last[2]:
            low, high = 1 - low, 1 - high
        a, c = first + (last - first) * low, first + (last - first) * high
        b.face([(a[0], -0.93 * a[1], a[2]), (a[0], 0.93 * a[1], a[2]), (c[0], 0.92 * c[1], c[2]),
                (c[0], -0.92 * c[1], c[2])], glass(look, share), GLASS)


def _mirrors(b: MeshBuilder, look: Look, shape: _Shape) -> None:
    x, half, z = (shape.screen_x - look.hood - 0.03) * look.length_m, look.width_m / 2, look.belt * look.height_m
    for side in (-1, 1):
        y = side * (half + 0.10)
        b.part((x, y, z + 0.07), CABIN)
        b.box((x - 0.07, y - 0.09, z), (x + 0.07, y + 0.09, z + 0.15), look.paint, fine=True)


def _extras(b: MeshBuilder, look: Look, shape: _Shape) -> None:
    """What stands on the roof, and the spoiler. Feet reach below the highest point because roofs fall to their ends."""
    length, height, half = look.length_m, look.height_m, look.width_m / 2
    front_x, rear_x = shape.roof_front_x * length, shape.roof_rear_x * length
    middle, foot = (front_x + rear_x) / 2, 0.96 * height
    for name in look.extras:
        if name == "sunroof":
            b.part((middle, 0.0, 0.5 * height), TOP)
            b.face([(front_x - 0.25, -0.4 * half, height), (front_x - 0.25, 0.4 * half, height),
                    (front_x - 0.95, 0.4 * half, height), (front_x - 0.95, -0.4 * half, height)], DARK, GLASS)
        elif name == "rack":
            rail = (60.0, 60.0, 62.0)
            for y in (-0.6 * half, 0.6 * half):
                b.piece((rear_x + 0.1, y - 0.04, foot), (front_x - 0.15, y + 0.04, height + 0.1), rail, TOP)
            for x in (front_x - 0.35, rear_x + 0.35):
                b.piece((x - 0.04, -0.6 * half, foot), (x + 0.04, 0.6 * half, height + 0.1), (80.0, 80.0, 82.0), TOP)
        elif name == "box":
            b.piece((rear_x + 0.2, -0.5 * half, foot), (front_x - 0.2, 0.5 * half, height + 0.36), DARK, TOP)
        elif name == "taxi":
            sign = (244.0, 206.0, 60.0)
            b.piece((middle - 0.12, -0.4, foot), (middle + 0.12, 0.4, height + 0.2), sign, TOP, LAMP)
        elif name == "beacon":
            b.piece((front_x - 0.5, -0.5, foot), (front_x - 0.3, 0.5, height + 0.13), (236.0, 140.0, 24.0), TOP, LAMP)
        elif name == "spoiler":
            b.piece((rear_x - 0.18, -0.72 * half, 0.94 * height), (rear_x + 0.05, 0.72 * half, height), look.paint, TOP)


def _load_bed(b: MeshBuilder, look: Look, shape: _Shape) -> None:
    """The open bed of a pickup, or its cover."""
    length, half, z = look.length_m, look.width_m / 2, look.belt * look.height_m
    x0, x1 = -0.475 * length, shape.back_x * length - 0.08
    inside = mix(look.paint, DARK, 0.2) if "cover" in look.extras else (40.0, 40.0, 42.0)
    b.face([(x0, -0.82 * half, z), (x0, 0.82 * half, z), (x1, 0.84 * half, z), (x1, -0.84 * half, z)], inside, MATTE)

"""Buses, trucks and motorcycles as polygons: boxes, each drawn from the farthest to the nearest."""

from __future__ import annotations

import numpy as np

from mtmc.worlds.bodywork import AMBER, BODY, CABIN, DARK, RED, TOP, TYRE, WHITE, glass, mix, underneath, wheels
from mtmc.worlds.looks import Colour, Look
from mtmc.worlds.meshes import GLASS, LAMP, MATTE, MeshBuilder


def _panel(b: MeshBuilder, x: float, y: tuple[float, float], z: tuple[float, float], colour: Colour,
           material: int = MATTE, fine: bool = False) -> None:
    """An upright rectangle across the vehicle at `x`."""
    b.face([(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])], colour, material, fine)


def _side(b: MeshBuilder, x: tuple[float, float], half: float, z: tuple[float, float], colour: Colour,
          material: int = MATTE, fine: bool = False) -> None:
    """An upright rectangle along both sides."""
    corners = [(x[0], half, z[0]), (x[1], half, z[0]), (x[1], half, z[1]), (x[0], half, z[1])]
    b.both_sides(corners, colour, material, fine)


def _front_and_rear(b: MeshBuilder, look: Look, front: float, rear: float, half: float, sill: float) -> None:
    """Lamps, bumpers and plates."""
    _panel(b, front, (-0.96 * half, 0.96 * half), (sill, sill + 0.22), DARK)
    _panel(b, rear, (-0.96 * half, 0.96 * half), (sill, sill + 0.18), DARK)
    for side in (-1, 1):
        _panel(b, front, (side * 0.9 * half, side * 0.6 * half), (sill + 0.28, sill + 0.50), WHITE, LAMP)
        _panel(b, rear, (side * 0.95 * half, side * 0.78 * half), (sill + 0.22, sill + 0.58), RED, LAMP)
        _panel(b, rear, (side * 0.95 * half, side * 0.78 * half), (sill + 0.45, sill + 0.58), AMBER, LAMP, True)
    _panel(b, front, (-0.26, 0.26), (sill + 0.05, sill + 0.17), look.plate)
    _panel(b, rear, (-0.26, 0.26), (sill + 0.22, sill + 0.34), look.plate)


def bus(b: MeshBuilder, look: Look) -> None:
    """One long box with a row of windows, a band in the colours of its line, a lit sign in front."""
    length, half, height, sill = look.length_m, look.width_m / 2, look.height_m, 0.32
    front, rear = length / 2, -length / 2
    underneath(b, length, half, 0.5)
    b.part((0.0, 0.0, height / 2), BODY)
    b.box((rear, -half, sill), (front, half, height), look.paint)
    roof = look.roof_paint or look.paint
    b.face([(rear, -half, height), (front, -half, height), (front, half, height), (rear, half, height)], roof)
    _side(b, (rear + 0.4, front - 0.3), half, (0.50 * height, 0.84 * height), glass(look), GLASS)
    for x in np.arange(rear + 1.6, front - 0.8, 1.45):
        _side(b, (x, x + 0.09), half, (0.50 * height, 0.84 * height), mix(look.paint, DARK, 0.25), fine=True)
    if look.band:
        _side(b, (rear, front), half, (0.30 * height, 0.44 * height), look.band)
        _panel(b, front, (-half, half), (0.26 * height, 0.34 * height), look.band)
        _panel(b, rear, (-half, half), (0.30 * height, 0.50 * height), look.band)
    if look.logo:
        x = look.logo_at * 0.3 * length
        _side(b, (x - 1.3, x + 1.3), half, (0.20 * height, 0.46 * height), look.logo)
        _panel(b, rear, (-0.5 * half, 0.5 * half), (0.32 * height, 0.48 * height), look.logo)
    for low, high, share in ((0.36, 0.55, 0.8), (0.55, 0.70, 1.1), (0.70, 0.82, 1.6)):
        _panel(b, front, (-0.9 * half, 0.9 * half), (low * height, high * height), glass(look, share), GLASS)
    _panel(b, rear, (-0.75 * half, 0.75 * half), (0.60 * height, 0.84 * height), glass(look, 1.1), GLASS)
    _panel(b, front, (-0.7 * half, 0.7 * half), (0.86 * height, 0.95 * height), DARK)
    _panel(b, front, (-0.5 * half, 0.3 * half), (0.88 * height, 0.93 * height), AMBER, LAMP)
    _front_and_rear(b, look, front, rear, half, sill)
    wheels(b, look, (0.33 * length, -0.27 * length), 0.48, half)
    b.part((-0.2 * length, 0.0, height + 0.15), TOP)
    b.box((-0.35 * length, -0.6 * half, height), (-0.1 * length, 0.6 * half, height + 0.22), mix(roof, DARK, 0.15))


def truck(b: MeshBuilder, look: Look) -> None:
    """A cab and a box behind it; the box carries the firm's colours."""
    length, half, height = look.length_m, look.width_m / 2, look.height_m
    front, back, cab_x = length / 2, -length / 2, length / 2 - 1.9 - look.hood * 4
    low = 0.85
    cab_top = (0.74 + 0.5 * (look.belt - 0.58)) * height
    underneath(b, length, half, 0.8)
    b.part(((front + cab_x) / 2, 0.0, 1.2), BODY)
    lean = front - 0.25
    b.box((cab_x, -0.94 * half, 0.45), (front, 0.94 * half, 0.52 * cab_top), look.paint)
    slope = [(front, 0.94 * half, 0.52 * cab_top), (lean, 0.90 * half, cab_top), (cab_x, 0.90 * half, cab_top),
             (cab_x, 0.94 * half, 0.52 * cab_top)]
    b.both_sides(slope, look.paint)
    for (x0, w0, z0), (x1, w1, z1) in ((slope[0], slope[1]), (slope[1], slope[2])):
        b.face([(x0, -w0, z0), (x0, w0, z0), (x1, w1, z1), (x1, -w1, z1)], look.roof_paint or look.paint)
    for s0, s1, share in ((0.06, 0.5, 0.8), (0.5, 0.9, 1.5)):
        (x0, w0, z0), (x1, w1, z1) = (np.array(slope[0]) + (np.array(slope[1]) - slope[0]) * s for s in (s0, s1))
        b.face([(x0, -0.9 * w0, z0), (x0, 0.9 * w0, z0), (x1, 0.9 * w1, z1), (x1, -0.9 * w1, z1)],
               glass(look, share), GLASS)
    _side(b, (cab_x + 0.5, lean - 0.1), 0.94 * half, (0.56 * cab_top, 0.9 * cab_top), glass(look), GLASS)
    _panel(b, front, (-0.6 * half, 0.6 * half), (0.75, 0.44 * cab_top), mix(look.paint, DARK, 0.7), fine=True)
    _front_and_rear(b, look, front, back, 0.94 * half, 0.45)
    wheels(b, look, (front - 0.95,), 0.46, half)
    _cargo(b, look, (back, cab_x), low)
    if "beacon" in look.extras:
        b.part((lean - 0.3, 0.0, cab_top + 0.1), TOP)
        b.box((lean - 0.5, -0.5, cab_top), (lean - 0.3, 0.5, cab_top + 0.14), AMBER, LAMP)


def _cargo(b: MeshBuilder, look: Look, x: tuple[float, float], low: float) -> None:
    """The box of a truck on its frame, with doors behind, a band and a sign."""
    half, height = look.width_m / 2, look.height_m
    b.part(((x[0] + x[1]) / 2, 0.0, 1.6), BODY)
    b.box((x[0], -0.7 * half, 0.5), (x[1], 0.7 * half, low), DARK, MATTE)
    wheels(b, look, (x[0] + 1.1,), 0.46, half)
    b.box((x[0], -half, low), (x[1], half, height), look.cargo)
    if look.band:
        _side(b, x, half, (low + 0.08, low + 0.42), look.band)
        _panel(b, x[0], (-half, half), (low + 0.08, low + 0.42), look.band)
    if look.logo:
        middle, reach = (x[0] + x[1]) / 2 + look.logo_at, 0.22 * (x[1] - x[0])
        z = (low + 0.35 * (height - low), low + 0.78 * (height - low))
        _side(b, (middle - reach, middle + reach), half, z, look.logo)
        _side(b, (middle - 0.7 * reach, middle + 0.5 * reach), half, (z[0] + 0.3, z[1] - 0.3), look.cargo, fine=True)
        _panel(b, x[0], (-0.55 * half, 0.55 * half), (z[0], z[1] - 0.2), look.logo)
    _panel(b, x[0], (-0.02, 0.02), (low, height), mix(look.cargo, DARK, 0.6), fine=True)
    for side in (-1, 1):
        _panel(b, x[0], (side * 0.95 * half, side * 0.74 * half), (0.62, 0.86), RED, LAMP)
    _panel(b, x[0], (-0.26, 0.26), (0.62, 0.74), look.plate)


def motorcycle(b: MeshBuilder, look: Look) -> None:
    """Two wheels, a tank and a rider whose jacket and helmet are seen first."""
    length, radius = look.length_m, 0.31
    turn = np.linspace(0.0, 2 * np.pi, 14, endpoint=False)
    for x in (0.36 * length, -0.34 * length):
        b.part((x, 0.0, radius), BODY)
        for size, colour in ((1.0, TYRE), (0.6, (look.rim, look.rim, look.rim))):
            b.both_sides([(x + radius * size * np.cos(t), 0.07, radius + radius * size * np.sin(t)) for t in turn],
                         colour, MATTE)
        for end in (-1, 1):
            _panel(b, x + end * radius * 0.8, (-0.07, 0.07), (0.02, 0.55), TYRE)
    boxes: list[tuple[tuple[float, float, float], tuple[float, float, float], Colour, int]] = [
        ((-0.2, -0.13, 0.3), (0.35, 0.13, 0.72), mix(look.paint, DARK, 0.65), BODY),
        ((-0.95, -0.14, 0.62), (-0.1, 0.14, 0.84), look.paint, BODY),
        ((-0.05, -0.17, 0.66), (0.5, 0.17, 0.95), look.paint, BODY),
        ((0.5, -0.2, 0.75), (0.66, 0.2, 1.08), look.paint, BODY), ((0.36, -0.36, 0.98), (0.44, 0.36, 1.04), DARK, BODY)]
    trousers = mix(look.person, (30.0, 32.0, 44.0), 0.85)
    for side in (-1.0, 1.0):
        y0, y1 = sorted((side * 0.14, side * 0.30))
        boxes.append(((-0.25, y0, 0.35), (0.25, y1, 0.88), trousers, BODY))
        boxes.append(((-0.05, y0 * 1.2, 1.0), (0.42, y1 * 1.2, 1.14), mix(look.person, DARK, 0.2), CABIN))
    boxes += [((-0.35, -0.23, 0.85), (0.08, 0.23, 1.42), look.person, CABIN),
              ((-0.26, -0.14, 1.42), (0.06, 0.14, 1.70), look.roof_paint or look.cargo, TOP)]
    if look.logo:
        boxes.append(((-0.95, -0.24, 0.85), (-0.5, 0.24, 1.25), look.logo, CABIN))  # a courier's box
    for low, high, colour, layer in boxes:
        b.piece(low, high, colour, layer)
    b.part((0.6, 0.0, 0.9), CABIN)
    _panel(b, 0.67, (-0.1, 0.1), (0.82, 1.0), WHITE, LAMP)
    b.part((-0.9, 0.0, 0.7), CABIN)
    _panel(b, -0.96, (-0.1, 0.1), (0.66, 0.78), RED, LAMP)
    _panel(b, -0.96, (-0.1, 0.1), (0.5, 0.62), look.plate)

"""How one made-up vehicle differs from another: model, paint, and the details by which it is known again."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from mtmc.worlds.traffic import BODIES, Body

Colour = tuple[float, float, float]  # RGB, 0 to 255

# White, black and grey lead, as on every street; the rest is more colourful than traffic is, because a vehicle
# is drawn with far less detail than a real one has.
_PAINTS: tuple[tuple[Colour, float], ...] = (
    ((232, 232, 228), 0.13), ((34, 35, 39), 0.10), ((92, 96, 102), 0.08), ((168, 172, 176), 0.10),
    ((166, 30, 34), 0.10), ((38, 62, 122), 0.08), ((74, 120, 170), 0.07), ((44, 84, 62), 0.06),
    ((196, 160, 40), 0.06), ((206, 100, 36), 0.05), ((112, 76, 54), 0.04), ((196, 186, 160), 0.06),
    ((40, 124, 126), 0.04), ((92, 40, 70), 0.03))
_ACCENTS: tuple[Colour, ...] = (
    (220, 220, 216), (26, 26, 30), (200, 32, 36), (32, 86, 168), (30, 132, 78), (240, 186, 30), (238, 118, 28),
    (104, 52, 140), (40, 164, 176))


@dataclass(frozen=True)
class Look:
    """Everything visible of one vehicle. Shares are of the body's own length, width or height.

    hood, belt: share of the length and of the height. rake: how far the windscreen leans, share of the length.
    roof_paint, stripe, band, logo, cargo: colours, or None where there is none. extras: names among "rack",
    "box", "taxi", "spoiler", "sunroof", "beacon". lamps: 0 to 2, shape of the lights. rim: brightness of the
    wheels. glass: brightness of the windows. logo_at: where on the side the sign stands, -1 to 1.
    """

    body: Body
    paint: Colour
    length_m: float
    width_m: float
    height_m: float
    hood: float
    belt: float
    rake: float
    roof_paint: Colour | None
    stripe: Colour | None
    band: Colour | None
    logo: Colour | None
    cargo: Colour
    extras: tuple[str, ...]
    lamps: int
    rim: float
    glass: float
    logo_at: float
    plate: Colour
    person: Colour


def look_of(world_seed: int, look_id: int, body_row: int, vehicle_id: int) -> Look:
    """The look of a vehicle: all of it from (world_seed, look_id), only small differences from `vehicle_id`."""
    rng = np.random.default_rng([world_seed, 7001, look_id])
    own = np.random.default_rng([world_seed, 7002, vehicle_id])
    body = BODIES[body_row]
    commercial = body.name in ("van", "truck", "bus")
    length, width, height = (float(size * rng.uniform(0.95, 1.06))
                             for size in (body.length_m, body.width_m, body.height_m))
    extras = _extras(body.name, rng)
    if own.random() < 0.12 and body.name in ("hatchback", "sedan", "suv", "van") and "rack" not in extras:
        extras = (*extras, "rack")  # what tells this one from its look-alikes
    return Look(
        body=body, paint=_nearly(_paint(rng), own), length_m=length, width_m=width, height_m=height,
        hood=float(rng.uniform(-0.03, 0.04)), belt=float(rng.uniform(0.58, 0.66)), rake=float(rng.uniform(0.12, 0.19)),
        roof_paint=_second_paint(rng), stripe=_maybe(rng, 0.18), band=_maybe(rng, 0.75 if body.name == "bus" else 0.28),
        logo=_maybe(rng, 0.6 if commercial else 0.12), cargo=_cargo(rng), extras=extras,
        lamps=int(rng.integers(0, 3)), rim=float(rng.uniform(60, 190) + own.uniform(-15, 15)),
        glass=float(rng.uniform(0.7, 1.35)), logo_at=float(rng.uniform(-0.6, 0.6)),
        plate=(236, 236, 230) if rng.random() < 0.7 else (232, 200, 72), person=_accent(rng))


def _paint(rng: np.random.Generator) -> Colour:
    shares = np.array([share for _, share in _PAINTS])
    return _nearly(_PAINTS[int(rng.choice(len(_PAINTS), p=shares / shares.sum()))][0], rng, 0.03, 0.09)


def _nearly(colour: Colour, rng: np.random.Generator, hue: float = 0.004, value: float = 0.03) -> Colour:
    """A paint that differs a little in hue and brightness (spread in HSV, 0 to 1)."""
    h, s, v = colorsys.rgb_to_hsv(*(channel / 255.0 for channel in colour))
    h, v = h + hue * float(rng.normal()), float(np.clip(v * (1.0 + value * rng.normal()), 0.10, 0.97))
    r, g, b = colorsys.hsv_to_rgb(h % 1.0, float(np.clip(s * (1.0 + value * rng.normal()), 0.0, 1.0)), v)
    return r * 255.0, g * 255.0, b * 255.0


def _accent(rng: np.random.Generator) -> Colour:
    return _ACCENTS[int(rng.integers(len(_ACCENTS)))]


def _maybe(rng: np.random.Generator, chance: float) -> Colour | None:
    colour = _accent(rng)
    return colour if rng.random() < chance else None


def _second_paint(rng: np.random.Generator) -> Colour | None:
    """Two-tone cars have black or white roofs, seldom another colour."""
    roofs: tuple[Colour, ...] = ((24, 24, 28), (24, 24, 28), (226, 226, 222), (226, 226, 222), (172, 34, 36))
    colour = roofs[int(rng.integers(len(roofs)))]
    return colour if rng.random() < 0.22 else None


def _cargo(rng: np.random.Generator) -> Colour:
    """Boxes of trucks are white, grey or in the colours of a firm."""
    return _nearly((222, 222, 218), rng) if rng.random() < 0.45 else _accent(rng)


def _extras(name: str, rng: np.random.Generator) -> tuple[str, ...]:
    chances = {"hatchback": {"spoiler": 0.3, "sunroof": 0.15}, "sedan": {"taxi": 0.12, "sunroof": 0.2},
               "suv": {"rack": 0.3, "box": 0.15, "sunroof": 0.2}, "van": {"rack": 0.25, "beacon": 0.1},
               "pickup": {"cover": 0.4, "beacon": 0.1}, "truck": {"beacon": 0.15}}
    return tuple(extra for extra, chance in chances.get(name, {}).items() if rng.random() < chance)

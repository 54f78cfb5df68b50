"""One colour a vehicle, the same in every picture of a run."""

from __future__ import annotations

import colorsys

_GOLDEN = 0.618033988749895  # steps of the golden ratio never come close to each other soon


def vehicle_colour_rgb(global_id: int) -> tuple[int, int, int]:
    """RGB 0-255 for a vehicle; neighbours in number are far apart in hue, and hues repeat in other shades."""
    hue = (global_id * _GOLDEN) % 1.0
    value = (0.95, 0.75, 0.85)[global_id % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.75, 0.9, 0.55)[global_id % 3], value)
    return round(red * 255), round(green * 255), round(blue * 255)


def vehicle_colour_css(global_id: int) -> str:
    """The same as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*vehicle_colour_rgb(global_id))

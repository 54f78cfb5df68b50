"""Boxes, labels and captions drawn into pictures, readable on any ground."""

from __future__ import annotations

import cv2
import numpy as np

from mtmc.results.colours import vehicle_colour_rgb

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT_PX = 22  # of a capital letter at scale 1
DARK = (20, 20, 20)
_LIGHT = (245, 245, 245)
_PAD_PX = 3


def draw_vehicle(image: np.ndarray, box_xyxy: np.ndarray, global_id: int, linked: bool) -> None:
    """Draw one vehicle's box and number into `image`, uint8 (H, W, 3) RGB, in the vehicle's colour.

    box_xyxy: px, may reach outside. linked: seen in several cameras; others get a thin box, for they are of less
    interest to somebody who checks the links.
    """
    colour = vehicle_colour_rgb(global_id)
    left, top, right, bottom = (round(float(value)) for value in np.clip(box_xyxy, -1e5, 1e5))
    width = max(2, round(image.shape[0] / 200)) if linked else 1
    cv2.rectangle(image, (left, top), (right, bottom), DARK, width + 2)
    cv2.rectangle(image, (left, top), (right, bottom), colour, width)
    put_label(image, str(global_id), (left, top), colour, letter_px=max(10, image.shape[0] // 40))


def put_label(image: np.ndarray, text: str, corner_xy: tuple[int, int], ground_rgb: tuple[int, int, int],
              letter_px: int) -> None:  # fmt: skip
    """Write `text` on a ground of its own whose lower left corner is `corner_xy`, moved to lie inside `image`."""
    scale = letter_px / _FONT_HEIGHT_PX
    thickness = max(1, round(letter_px / 9))
    text = text.encode("ascii", "replace").decode()  # all that OpenCV's own letters have
    (width, height), below = cv2.getTextSize(text, _FONT, scale, thickness)
    left = int(np.clip(corner_xy[0], 0, max(image.shape[1] - width - 2 * _PAD_PX, 0)))
    bottom = int(np.clip(corner_xy[1], height + below + 2 * _PAD_PX, image.shape[0]))
    top = bottom - height - below - 2 * _PAD_PX
    cv2.rectangle(image, (left, top), (left + width + 2 * _PAD_PX, bottom - 1), ground_rgb, cv2.FILLED)
    ink = DARK if np.dot(ground_rgb, (0.299, 0.587, 0.114)) > 130 else _LIGHT
    cv2.putText(image, text, (left + _PAD_PX, bottom - below - _PAD_PX), _FONT, scale, ink, thickness, cv2.LINE_AA)


def caption(image: np.ndarray, text: str) -> None:
    """Write `text` into the upper left corner."""
    put_label(image, text, (0, 0), DARK, letter_px=max(10, image.shape[0] // 40))


def clock_text(time_s: float) -> str:
    """Seconds as `h:mm:ss.t`; times before zero carry a minus."""
    tenths = round(abs(time_s) * 10)
    sign = "-" if time_s < 0 and tenths else ""
    return f"{sign}{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def shrink_or_grow(image: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """`image` at another size; averaging only where pixels would else be skipped, for it costs three times as much."""
    if (image.shape[1], image.shape[0]) == size_wh:
        return image
    method = cv2.INTER_AREA if 2 * size_wh[0] < image.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(image, size_wh, interpolation=method)


def fit(image: np.ndarray, size_wh: tuple[int, int]) -> tuple[np.ndarray, float, tuple[int, int]]:
    """`image` scaled to lie inside `size_wh`, its shape kept, the rest dark; the scale; the (x, y) of its corner."""
    height, width = image.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    small = shrink_or_grow(image, inner)
    left, top = (size_wh[0] - inner[0]) // 2, (size_wh[1] - inner[1]) // 2
    canvas = np.empty((size_wh[1], size_wh[0], 3), np.uint8)
    for bar in (canvas[:top], canvas[top + inner[1] :], canvas[:, :left], canvas[:, left + inner[0] :]):
        bar[:] = DARK
    canvas[top : top + inner[1], left : left + inner[0]] = small
    return canvas, scale, (left, top)

"""Images into a network's input and boxes back: shrunk with their shape kept, the rest filled with grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

_GREY = 114  # the padding that YOLO networks were trained with

Placement = Literal["top_left", "centre", "stretched"]


@dataclass(frozen=True)
class Letterbox:
    """Where an image lies in a network's input: x_input = x_image * scale_x + left, likewise y."""

    scale_x: float
    scale_y: float
    left: int
    top: int

    def boxes_to_image(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """(N, 4) pixels of the input → pixels of the image."""
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        return (boxes_xyxy - offset) / np.array([self.scale_x, self.scale_y] * 2, np.float32)


def place(image_hw: tuple[int, int], input_hw: tuple[int, int], placement: Placement) -> tuple[Letterbox, int, int]:
    """Letterbox of an image and the height and width that it is scaled to.

    "top_left": YOLOX; "centre": ultralytics; "stretched": RT-DETR, shape not kept.
    """
    height, width = image_hw
    if placement == "stretched":
        return Letterbox(input_hw[1] / width, input_hw[0] / height, 0, 0), *input_hw
    scale = min(input_hw[0] / height, input_hw[1] / width)
    if placement == "top_left":  # YOLOX cuts fractions off
        new_h, new_w = max(1, int(height * scale)), max(1, int(width * scale))
        return Letterbox(scale, scale, 0, 0), new_h, new_w
    new_h, new_w = max(1, round(height * scale)), max(1, round(width * scale))
    left, top = round((input_hw[1] - new_w) / 2 - 0.1), round((input_hw[0] - new_h) / 2 - 0.1)
    return Letterbox(scale, scale, left, top), new_h, new_w


def snug_hw(image_hw: tuple[int, int], input_hw: tuple[int, int], placement: Placement) -> tuple[int, int]:
    """Height and width, multiples of 32, of the part of `input_hw` that an image needs."""
    _, new_h, new_w = place(image_hw, input_hw, placement)
    return min(input_hw[0], -(-new_h // 32) * 32), min(input_hw[1], -(-new_w // 32) * 32)


def fit_image(
    image_rgb: np.ndarray, input_hw: tuple[int, int], placement: Placement, canvas_hw: tuple[int, int] = (0, 0)
) -> tuple[np.ndarray, Letterbox]:
    """uint8 (H, W, 3) RGB → the same of `input_hw`, and where the image lies in it.

    canvas_hw: give only so much of it, from the top left (`snug_hw`).
    """
    box, new_h, new_w = place((image_rgb.shape[0], image_rgb.shape[1]), input_hw, placement)
    canvas_hw = canvas_hw if any(canvas_hw) else input_hw
    resized = cv2.resize(image_rgb, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    if (new_h, new_w) == tuple(canvas_hw):
        return resized, box
    canvas = np.full((*canvas_hw, 3), _GREY, np.uint8)
    canvas[box.top : box.top + new_h, box.left : box.left + new_w] = resized
    return canvas, box

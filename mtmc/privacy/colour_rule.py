"""The colour of a vehicle in a picture, by a simple rule: what a person who sees the crop could note down."""

from __future__ import annotations

import numpy as np

COLOURS = ("black", "grey", "white", "red", "yellow", "green", "blue")
_MIDDLE = 0.6  # the middle of a crop's width and height is mostly bodywork
_DARK, _LIGHT = 60, 170  # of a pixel without colour, value 0 to 255
_COLOURED, _NOT_BLACK = 70, 45  # saturation and value from which a hue can be told
_HUE_ENDS = (9, 34, 85, 135, 160, 180)  # OpenCV hues, 0 to 179
_HUE_NAMES = ("red", "yellow", "green", "blue", "red", "red")  # orange counts as yellow, purple as red
_SHARE = 0.3  # a coloured car shows glass, tyres and road too


def colour_of(image_rgb: np.ndarray) -> str:
    """One of `COLOURS` for a crop, uint8 (H, W, 3); "" for a picture without pixels.

    The commonest colour where coloured pixels make up three tenths of the crop's middle, else the commonest of black,
    grey and white.
    """
    import cv2

    height, width = image_rgb.shape[:2]
    top, left = int(height * (1 - _MIDDLE) / 2), int(width * (1 - _MIDDLE) / 2)
    middle = image_rgb[top : height - top, left : width - left]
    if middle.size == 0:
        return ""
    hue, saturation, value = (plane.ravel() for plane in cv2.split(cv2.cvtColor(middle, cv2.COLOR_RGB2HSV)))
    coloured = (saturation >= _COLOURED) & (value >= _NOT_BLACK)
    if coloured.mean() >= _SHARE:
        names = np.array([COLOURS.index(name) for name in _HUE_NAMES])[np.digitize(hue[coloured], _HUE_ENDS[:-1])]
    else:
        names = np.digitize(value[~coloured], [_DARK, _LIGHT])
    return COLOURS[int(np.bincount(names, minlength=len(COLOURS)).argmax())]

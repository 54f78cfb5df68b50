"""From differing pixels to whole regions: shadows and specks out, holes filled, outlines kept tight."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectors.motion_background import Comparison


@dataclass(frozen=True)
class ShadowConfig:
    """What light alone can do to a road: scale all its colours by one factor that varies smoothly."""

    enabled: bool = True
    darkest: float = 0.35  # sky light alone leaves at least a third; less is a dark vehicle
    brightest: float = 1.12  # clouds passing, a lamp by day; more is a bright vehicle
    colour_tolerance: float = 0.06  # relative difference between the channels' factors
    unevenness: float = 0.03  # relative spread of the factor about its local mean: road under a shadow stays below
    least_neighbours: float = 0.3  # share of the neighbourhood that must be candidates; fewer prove nothing


@dataclass(frozen=True, eq=False)
class Regions:
    """Connected regions of one frame. labels: int32 (h, w), 0 = none. areas: int64 (R,), pixels.
    boxes_xyxy: float64 (R, 4), working pixels, right and bottom exclusive. Row r is label r + 1."""

    labels: np.ndarray
    areas: np.ndarray
    boxes_xyxy: np.ndarray


def find_regions(seen: Comparison, shadows: ShadowConfig) -> Regions:
    """The regions of `seen.different` that are things and not light."""
    different = cv2.medianBlur(seen.different, 3)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    solid = different
    if shadows.enabled and cv2.countNonZero(different):
        solid = cv2.bitwise_and(different, cv2.bitwise_not(shadow_mask(seen, different, shadows)))
        solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, cross)
        # Smooth paint looks like light, too: what lies between edges of a vehicle is taken back.
        bridged = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((_BRIDGE, _BRIDGE), np.uint8))
        solid = cv2.bitwise_or(solid, cv2.bitwise_and(bridged, different))
    # Small kernels on purpose: a gap of a few pixels is often the road between two vehicles. Pieces of one
    # vehicle are joined later, by remembering that they were one.
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, cross)
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = cv2.drawContours(np.zeros_like(solid), outlines, -1, 255, cv2.FILLED)
    filled = cv2.morphologyEx(filled, cv2.MORPH_OPEN, cross)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(filled, connectivity=8)
    left_top, sizes = stats[1:, :2].astype(np.float64), stats[1:, 2:4]
    return Regions(labels, stats[1:, 4].astype(np.int64), np.concatenate([left_top, left_top + sizes], axis=1))


def shadow_mask(seen: Comparison, among: np.ndarray, config: ShadowConfig) -> np.ndarray:
    """uint8 (h, w): 255 where `among` is road under a shadow or a light.

    Under a shadow image / background is the same in all channels (Horprasert et al., 1999) and varies smoothly,
    because the road's own texture cancels; a vehicle's surface has a texture of its own. The spread is
    taken among candidates alone, so that a hard edge does not look like texture, and about the
    local mean, so that a soft one does not either. Candidates beside a sure shadow are its edge.
    """
    mask = np.zeros_like(among)
    left, top, width, height = cv2.boundingRect(among)
    area = (slice(max(top - _WINDOW, 0), top + height + _WINDOW), slice(max(left - _WINDOW, 0), left + width + _WINDOW))
    image, background = (p[area].astype(np.float32) + 4 for p in (seen.image_rgb, seen.background_rgb))
    factor = cv2.divide(_sum(image), _sum(background))
    tint = _largest(cv2.absdiff(cv2.divide(image, background), cv2.merge([factor] * 3)))
    candidate = (tint < config.colour_tolerance * factor) & (factor > config.darkest) & (factor < config.brightest)
    candidate &= among[area] > 0
    weight = candidate.astype(np.float32)
    near = np.maximum(cv2.GaussianBlur(weight, (_WINDOW, _WINDOW), 0), np.float32(1e-3))
    local = cv2.divide(cv2.GaussianBlur(factor * weight, (_WINDOW, _WINDOW), 0), near)
    square = cv2.blur(np.square(factor - local) * weight, (_WINDOW, _WINDOW))
    covered = cv2.blur(weight, (_WINDOW, _WINDOW))
    even = candidate & (square < np.square(config.unevenness * local) * covered)
    even &= covered > config.least_neighbours
    # The rim of a shadow, where its window holds the edge, too: between the shadow beside it and the full light.
    beside = cv2.dilate(np.where(even, local, 0), np.ones((_RIM, _RIM), np.uint8))
    rim = candidate & (beside > 0) & (factor > (1 - config.colour_tolerance) * np.minimum(beside, 1))
    mask[area][even | rim] = 255
    return mask


_WINDOW = 7  # pixels at working size (480): wider than road grain, narrower than the shadow of a car
_BRIDGE = 5  # … closes gaps of four pixels
_RIM = 9  # … half the window and a blurred edge of one pixel, on either side


def _largest(image: np.ndarray) -> np.ndarray:
    first, second, third = cv2.split(image)
    return cv2.max(cv2.max(first, second), third)


def _sum(image: np.ndarray) -> np.ndarray:
    first, second, third = cv2.split(image)
    return first + second + third

"""Views of a vehicle as other cameras might have given them: framing, resolution, blur, colour, noise, cover, coding.

Own code because torchvision's transforms cannot share choices between the images of one identity, and because
one warp and one look-up table here cost what each of a dozen steps costs there: about 1 ms an image. Pure functions
of an image, a generator and settings. Images are uint8 H×W×3 RGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# The six orders of the colour channels: with the mirror image they make twelve vehicles out of one.
CHANNEL_ORDERS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2))


@dataclass(frozen=True)
class EffectsConfig:
    """How far views of one vehicle may differ. Set by eye on the training photographs: what a second camera might do,
    and somewhat beyond."""

    zoom: float = 0.15  # the box is up to this share larger or smaller, per axis
    shift: float = 0.08  # of the side; detectors seldom miss by more
    rotation_deg: float = 6.0
    perspective: float = 0.08  # of the side, each corner on its own
    occlusion_chance: float = 0.3
    occlusion_share: tuple[float, float] = (0.1, 0.4)  # of the area
    low_resolution_chance: float = 0.4
    low_resolution_px: tuple[float, float] = (28, 90)  # side before enlarging: far vehicles are that small
    blur_chance: float = 0.25
    colour_chance: float = 0.9
    gamma: float = 0.35  # exponent between 1 / (1 + gamma) and 1 + gamma
    gain: float = 0.2  # per channel, the colour cast of a camera
    brightness: float = 0.2
    saturation: tuple[float, float] = (0.5, 1.4)
    hue_deg: float = 8.0
    noise_chance: float = 0.3
    noise_sigma: float = 12.0  # grey levels
    jpeg_chance: float = 0.3
    jpeg_quality: tuple[int, int] = (25, 80)


def camera_view(image: np.ndarray, size_hw: tuple[int, int], rng: np.random.Generator, config: EffectsConfig,
                cover: np.ndarray | None = None) -> np.ndarray:
    """One random view (size_hw) of the vehicle in `image`; `cover` is another vehicle's image to hide parts with."""
    view = warp(image, size_hw, rng, config)
    if rng.random() < config.occlusion_chance:
        view = occlude(view, rng, config.occlusion_share, cover)
    if rng.random() < config.low_resolution_chance:
        view = lower_resolution(view, rng.uniform(*config.low_resolution_px))
    if rng.random() < config.blur_chance:
        view = blur(view, rng)
    if rng.random() < config.colour_chance:
        view = recolour(view, rng, config)
    if rng.random() < config.noise_chance:
        view = add_noise(view, rng.uniform(0, config.noise_sigma), rng)
    if rng.random() < config.jpeg_chance:
        view = recode(view, int(rng.integers(config.jpeg_quality[0], config.jpeg_quality[1] + 1)))
    return view


def warp(image: np.ndarray, size_hw: tuple[int, int], rng: np.random.Generator, config: EffectsConfig) -> np.ndarray:
    """Zoom, shift, rotation and perspective in one interpolation; what lies outside is mirrored in."""
    height, width = image.shape[:2]
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    corners *= 1 + rng.uniform(-config.zoom, config.zoom, 2)
    angle = np.deg2rad(rng.uniform(-config.rotation_deg, config.rotation_deg))
    corners = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners += 2 * rng.uniform(-config.shift, config.shift, 2)
    corners += 2 * rng.uniform(-config.perspective, config.perspective, (4, 2))
    source = ((corners + 1) / 2 * (width, height)).astype(np.float32)
    rows, columns = size_hw
    target = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    return cv2.warpPerspective(image, matrix, (columns, rows), flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REFLECT_101)


def occlude(image: np.ndarray, rng: np.random.Generator, share: tuple[float, float],
            cover: np.ndarray | None) -> np.ndarray:
    """Hide a rectangle of `share` of the area: by a piece of `cover`, by one colour, or by noise."""
    height, width = image.shape[:2]
    area, aspect = rng.uniform(*share) * height * width, np.exp(rng.uniform(-1, 1))
    tall, wide = min(int((area * aspect) ** 0.5), height - 1), min(int((area / aspect) ** 0.5), width - 1)
    if min(tall, wide) < 1:
        return image
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    kind = rng.integers(0, 3)
    if cover is not None and kind < 2:
        patch = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)
        y, x = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
        patch = patch[y : y + tall, x : x + wide]
    elif kind == 2:
        patch = rng.integers(0, 256, (tall, wide, 3), dtype=np.uint8)
    else:
        patch = rng.integers(0, 256, 3, dtype=np.uint8)
    result = image.copy()
    result[top : top + tall, left : left + wide] = patch
    return result


def lower_resolution(image: np.ndarray, side_px: float) -> np.ndarray:
    """`image` shrunk to about `side_px` and enlarged again."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(1, round(side_px)),) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Motion along a random direction, 3 to 9 px."""
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, np.pi), (length - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * middle
    ends = [tuple(int(v) for v in np.rint(middle + sign * reach)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def recolour(image: np.ndarray, rng: np.random.Generator, config: EffectsConfig) -> np.ndarray:
    """Hue and saturation by one matrix, then gamma, channel gains and brightness by one look-up table."""
    angle = np.deg2rad(rng.uniform(-config.hue_deg, config.hue_deg))
    saturation = rng.uniform(*config.saturation)
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5  # rotation about the grey axis (Rodrigues)
    turn = np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * cross
    image = cv2.transform(image, (grey + saturation * turn).astype(np.float32))
    gamma = np.exp(rng.uniform(-1, 1) * np.log(1 + config.gamma))
    gains = rng.uniform(1 - config.gain, 1 + config.gain, 3) * rng.uniform(1 - config.brightness, 1 + config.brightness)
    levels = (np.arange(256) / 255)[:, None] ** gamma * gains * 255
    return cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8)[:, None])


def add_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of `sigma` grey levels."""
    noise = rng.standard_normal(image.shape, dtype=np.float32) * sigma
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def recode(image: np.ndarray, quality: int) -> np.ndarray:
    """Through JPEG at `quality` (0 to 100)."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def other_vehicle(image: np.ndarray, mirror: bool, order: int) -> np.ndarray:
    """Another vehicle made from this one: the mirror image and one of `CHANNEL_ORDERS`. Done alike to every photograph
    of an identity it makes a new identity (a street stays grey under any order)."""
    image = image[..., list(CHANNEL_ORDERS[order])]
    return np.ascontiguousarray(image[:, ::-1] if mirror else image)


def is_colourful(image: np.ndarray, share: float = 0.12, chroma: int = 40) -> bool:
    """Whether more than `share` of the middle has max − min channel above `chroma`: only then does another order of
    the channels make another vehicle; a white van stays white."""
    height, width = image.shape[:2]
    middle = image[height // 6 : height - height // 6, width // 6 : width - width // 6].astype(np.int16)
    return bool(((middle.max(axis=2) - middle.min(axis=2)) > chroma).mean() > share)

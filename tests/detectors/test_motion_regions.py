"""Regions alone: what light can do is no region, what a vehicle does is one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detectors.motion_background import Comparison
from detectors.motion_regions import ShadowConfig, find_regions, shadow_mask

HW = (80, 120)
PLACE = (slice(30, 50), slice(40, 80))


def road() -> np.ndarray:
    grain = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 20, HW), (0, 0), 1)
    return np.clip(120 + grain[..., None] + [0.0, 3.0, 6.0], 0, 255).astype(np.uint8)


def comparison(image: np.ndarray) -> Comparison:
    excess = cv2.absdiff(image, road()).max(axis=2)
    needed = np.full(HW, 12, np.uint8)
    return Comparison(image, road(), excess, needed, (excess > needed).astype(np.uint8) * 255)


def scaled(factor: float, tint: tuple[float, float, float] = (1, 1, 1)) -> np.ndarray:
    image = road().astype(np.float64)
    image[PLACE] *= factor * np.array(tint)
    noise = np.random.default_rng(1).normal(0, 1, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("factor", [0.5, 0.7, 0.85])
def test_a_shadow_scales_the_road(factor: float) -> None:
    seen = comparison(scaled(factor))
    assert shadow_mask(seen, seen.different, ShadowConfig())[PLACE].mean() > 240
    assert len(find_regions(seen, ShadowConfig()).areas) == 0
    assert len(find_regions(seen, ShadowConfig(enabled=False)).areas) == 1


def test_paint_texture_darkness_and_brightness_are_no_shadow() -> None:
    textured = road()
    textured[PLACE] = np.random.default_rng(2).integers(30, 110, (20, 40, 1))
    for image in (scaled(0.6, (1.3, 1, 0.7)), textured, scaled(0.2), scaled(1.6)):
        regions = find_regions(comparison(image), ShadowConfig())
        assert len(regions.areas) == 1
        assert regions.boxes_xyxy[0] == pytest.approx([40, 30, 80, 50], abs=2)


def test_a_soft_shadow_beside_a_vehicle_leaves_the_vehicle() -> None:
    image = road().astype(np.float64)
    light = np.ones(HW)
    light[PLACE] = 0.5
    image *= cv2.GaussianBlur(light, (0, 0), 2)[..., None]
    image[20:40, 50:70] = (180, 30, 30)
    regions = find_regions(comparison(image.astype(np.uint8)), ShadowConfig())
    largest = int(regions.areas.argmax())
    assert np.delete(regions.areas, largest).max(initial=0) < 20  # corners of the shadow, below every size gate
    assert regions.boxes_xyxy[largest] == pytest.approx([50, 20, 70, 40], abs=2)


def test_labels_areas_and_boxes_agree() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        image = road()
        for _ in range(rng.integers(0, 5)):
            x, y, w, h = rng.integers([0, 0, 4, 4], [100, 60, 40, 30])
            image[y:y + h, x:x + w] = rng.integers(0, 255, 3)
        regions = find_regions(comparison(image), ShadowConfig())
        assert regions.labels.max(initial=0) == len(regions.areas) == len(regions.boxes_xyxy)
        for row, (area, box) in enumerate(zip(regions.areas, regions.boxes_xyxy, strict=True)):
            ys, xs = np.nonzero(regions.labels == row + 1)
            assert area == len(ys)
            assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]

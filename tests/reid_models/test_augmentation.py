"""Views of images: sizes, repeatability, bounds, and identities made out of others."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reid_models.data.camera_effects import (
    CHANNEL_ORDERS,
    EffectsConfig,
    camera_view,
    is_colourful,
    lower_resolution,
    occlude,
    other_vehicle,
    recolour,
    warp,
)
from reid_models.data.transforms import StandardConfig, standard_view

STILL = EffectsConfig(zoom=0, shift=0, rotation_deg=0, perspective=0, occlusion_chance=0, low_resolution_chance=0,
                      blur_chance=0, colour_chance=0, noise_chance=0, jpeg_chance=0)
FILL = (124, 116, 104)


def image(seed: int = 0, hw: tuple[int, int] = (40, 30)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*hw, 3), dtype=np.uint8)


@pytest.mark.parametrize("size_hw", [(32, 32), (20, 36)])
def test_views_have_the_size_asked_for_and_repeat_from_their_seed(size_hw: tuple[int, int]) -> None:
    views = [camera_view(image(), size_hw, np.random.default_rng(5), EffectsConfig(), image(1)) for _ in range(2)]
    assert views[0].shape == (*size_hw, 3)
    assert views[0].dtype == np.uint8
    assert np.array_equal(*views)
    standard = [standard_view(image(), size_hw, 9, StandardConfig(), FILL) for _ in range(2)]
    assert standard[0].shape == (*size_hw, 3)
    assert np.array_equal(*standard)
    assert not np.array_equal(standard[0], standard_view(image(), size_hw, 10, StandardConfig(), FILL))


def test_without_effects_the_image_stays() -> None:
    picture = image(hw=(32, 32))
    assert np.array_equal(camera_view(picture, (32, 32), np.random.default_rng(0), STILL), picture)
    plain = StandardConfig(flip_chance=0, pad_px=0, erase_chance=0)
    assert np.array_equal(standard_view(picture, (32, 32), 0, plain, FILL), picture)


def test_a_standard_view_leaves_the_global_generator_alone() -> None:
    import torch

    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    standard_view(image(), (32, 32), 3, StandardConfig(), FILL)
    assert torch.rand(1) == expected


def test_the_share_hidden_is_within_its_bounds() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    hidden = []
    for seed in range(60):
        view = occlude(white, np.random.default_rng(seed), (0.1, 0.3), np.zeros_like(white))
        hidden.append((view != 255).any(axis=2).mean())
    assert max(hidden) <= 0.31
    assert np.median(hidden) > 0.09
    assert (white == 255).all()


def test_erasing_stays_within_its_share() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    config = StandardConfig(flip_chance=0, pad_px=0, erase_chance=1)
    shares = [(standard_view(white, (64, 64), seed, config, FILL) != 255).any(axis=2).mean() for seed in range(25)]
    assert min(shares) > 0.015
    assert max(shares) < 0.41


def test_warp_moves_content_no_farther_than_allowed() -> None:
    dot = np.zeros((64, 64, 3), np.uint8)
    dot[30:34, 30:34] = 255
    config = dataclasses.replace(STILL, shift=0.1)
    for seed in range(20):
        rows, columns = np.nonzero(warp(dot, (64, 64), np.random.default_rng(seed), config)[..., 0] > 60)
        assert abs(rows.mean() - 31.5) < 0.1 * 64 + 1
        assert abs(columns.mean() - 31.5) < 0.1 * 64 + 1


def test_recolouring_keeps_grey_grey_but_for_the_gains() -> None:
    grey = np.full((8, 8, 3), 120, np.uint8)
    config = EffectsConfig(gain=0, brightness=0, gamma=0)
    assert np.abs(recolour(grey, np.random.default_rng(0), config).astype(int) - 120).max() <= 1


def test_lower_resolution_loses_detail_but_not_the_mean() -> None:
    picture = image(hw=(64, 64))
    low = lower_resolution(picture, 8)
    assert low.std() < picture.std() / 2
    assert abs(low.mean() - picture.mean()) < 2


def test_other_vehicles_are_twelve_different_images_and_streets_stay_grey() -> None:
    picture = image()
    made = {other_vehicle(picture, mirror, order).tobytes() for mirror in (False, True)
            for order in range(len(CHANNEL_ORDERS))}
    assert len(made) == 12
    assert np.array_equal(other_vehicle(picture, False, 0), picture)
    street = np.full((4, 4, 3), 90, np.uint8)
    assert (other_vehicle(street, True, 3) == street).all()


def test_colour_is_judged_in_the_middle() -> None:
    grey = np.full((60, 60, 3), 128, np.uint8)
    red = grey.copy()
    red[20:40, 20:40] = (200, 30, 30)
    border = grey.copy()
    border[:8] = (0, 200, 0)
    assert [is_colourful(picture) for picture in (grey, red, border)] == [False, True, False]

"""Images into a network's input and boxes back."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.letterbox import Placement, fit_image


@pytest.mark.parametrize("placement", ["top_left", "centre", "stretched"])
@pytest.mark.parametrize("image_hw", [(1, 1), (90, 160), (160, 90), (64, 64), (33, 257)])
def test_a_box_in_the_image_comes_back(placement: Placement, image_hw: tuple[int, int]) -> None:
    image = np.full((*image_hw, 3), 200, np.uint8)
    fitted, box = fit_image(image, (64, 64), placement)
    assert fitted.shape == (64, 64, 3)
    rows, columns = np.nonzero((fitted == 200).all(axis=2))
    inside = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    back = box.boxes_to_image(inside)[0]
    # One pixel of the input is image / 64 of the image.
    np.testing.assert_allclose(back, [0, 0, image_hw[1], image_hw[0]], atol=1.01 * max(image_hw) / 64)


def test_where_the_grey_lies() -> None:
    image = np.zeros((32, 64, 3), np.uint8)
    top_left, _ = fit_image(image, (64, 64), "top_left")
    assert (top_left[:32] == 0).all()
    assert (top_left[32:] == 114).all()
    centred, _ = fit_image(image, (64, 64), "centre")
    assert (centred[16:48] == 0).all()
    assert (centred[:16] == 114).all()
    assert (centred[48:] == 114).all()


def test_a_smaller_canvas_is_the_part_of_the_whole_one() -> None:
    image = np.random.default_rng(3).integers(0, 256, (27, 60, 3), dtype=np.uint8)
    whole, box = fit_image(image, (64, 64), "top_left")
    part, part_box = fit_image(image, (64, 64), "top_left", (32, 64))
    np.testing.assert_array_equal(part, whole[:32])
    assert part_box == box

"""Pictures through shared memory."""

from __future__ import annotations

import os

import numpy as np
import pytest

from mtmc.errors import InputError
from mtmc.model_service.blocks import ReadableBlock, WritableBlock


def test_what_is_placed_is_read_also_after_growing() -> None:
    rng = np.random.default_rng(1)
    writer = WritableBlock()
    reader = ReadableBlock(os.dup(writer.descriptor))
    for count in (0, 1, 3, 2, 7, 0, 1):
        images = [rng.integers(0, 256, (*rng.integers(0, 90, 2), 3), np.uint8) for _ in range(count)]
        found = reader.images(writer.place(images))
        assert [(image.shape, image.tobytes()) for image in found] == [(i.shape, i.tobytes()) for i in images]
        assert not any(image.flags.writeable for image in found)
    writer.close()
    reader.close()


def test_images_that_are_views_of_others_arrive_as_they_look() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    writer = WritableBlock()
    reader = ReadableBlock(os.dup(writer.descriptor))
    (found,) = reader.images(writer.place([image[::2, ::-1]]))
    assert np.array_equal(found, image[::2, ::-1])


@pytest.mark.parametrize("image", [np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8)])
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="uint8 h x w x 3"):
        WritableBlock().place([image])

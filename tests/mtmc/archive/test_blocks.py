"""Blocks in raster order and back, and the golden values of PSNR."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mtmc.archive.blocks import cut_blocks, grid_of, join_blocks, overlapping_blocks
from mtmc.archive.fidelity import block_errors, pooled_error, psnr


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (31, 33), (32, 32), (64, 96), (70, 41)])
def test_blocks_come_back_as_the_picture(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    blocks = cut_blocks(image)
    rows, columns = grid_of(shape)
    assert blocks.shape == (rows * columns, 32, 32, 3)
    np.testing.assert_array_equal(join_blocks(blocks, shape) if len(blocks) else image, image)


def test_order_is_raster_and_edges_are_continued() -> None:
    image = np.zeros((40, 64, 3), np.uint8)
    image[:32, 32:], image[39:, :32] = 7, 9
    blocks = cut_blocks(image)
    assert [int(b[0, 0, 0]) for b in blocks] == [0, 7, 0, 0]
    assert (blocks[2, 8:, :, 0] == 9).all()


def test_half_overlapping_blocks_are_those_of_shifted_pictures() -> None:
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    blocks = overlapping_blocks(image)
    assert len(blocks) == 16
    assert any(np.array_equal(b, image[16:48, 16:48]) for b in blocks)
    assert any(np.array_equal(b, image[32:, 32:]) for b in blocks)


def test_golden_psnr() -> None:
    assert psnr(1) == pytest.approx(48.1308, abs=5e-5)
    assert psnr(100) == pytest.approx(28.1308, abs=5e-5)
    assert psnr(0) == math.inf


def test_the_error_is_pooled_over_all_pictures() -> None:
    small, large = np.zeros((1, 1, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    pairs = [(small, small + 10), (large, large)]
    assert pooled_error(pairs) == pytest.approx(100 / 5)  # not the mean of 100 and 0
    assert math.isnan(pooled_error([]))
    assert block_errors(np.stack([small, small]), np.stack([small, small + 2])).tolist() == [0, 4]

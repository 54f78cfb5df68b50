"""Pictures cut into square blocks in raster order, and put together again (seeds_digest G)."""

from __future__ import annotations

import math

import numpy as np

BLOCK_PX = 32  # as published; five halvings of 32 leave one place


def grid_of(shape_hw: tuple[int, int], block_px: int = BLOCK_PX) -> tuple[int, int]:
    """Rows and columns of blocks that cover a picture of `shape_hw`; (0, 0) for one without pixels."""
    height, width = shape_hw
    return (math.ceil(height / block_px), math.ceil(width / block_px)) if height and width else (0, 0)


def cut_blocks(image_rgb: np.ndarray, block_px: int = BLOCK_PX) -> np.ndarray:
    """uint8 (B, block, block, 3) of a picture uint8 (H, W, 3), row by row.

    A picture whose sides are no multiple of the block is continued by its last row and column, which costs a codec
    less than black would; `join_blocks` cuts that off again.
    """
    rows, columns = grid_of(image_rgb.shape[:2], block_px)
    if not rows:
        return np.zeros((0, block_px, block_px, 3), np.uint8)
    height, width = image_rgb.shape[:2]
    padded = np.pad(image_rgb, ((0, rows * block_px - height), (0, columns * block_px - width), (0, 0)), mode="edge")
    grid = padded.reshape(rows, block_px, columns, block_px, 3).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(-1, block_px, block_px, 3))


def join_blocks(blocks: np.ndarray, shape_hw: tuple[int, int]) -> np.ndarray:
    """The picture (H, W, 3) of its blocks (B, block, block, 3), in the blocks' type; undoes `cut_blocks`."""
    block_px = blocks.shape[1]
    rows, columns = grid_of(shape_hw, block_px)
    grid = blocks.reshape(rows, columns, block_px, block_px, 3).swapaxes(1, 2)
    padded = grid.reshape(rows * block_px, columns * block_px, 3)
    return np.ascontiguousarray(padded[: shape_hw[0], : shape_hw[1]])


def overlapping_blocks(image_rgb: np.ndarray, block_px: int = BLOCK_PX) -> np.ndarray:
    """uint8 (B, block, block, 3): the blocks of the picture and of the picture shifted by half a block in each
    direction, for training (the published augmentation)."""
    half = block_px // 2
    starts = [(y, x) for y in (0, half) for x in (0, half)]
    parts = [cut_blocks(image_rgb[y:, x:], block_px) for y, x in starts]
    return np.concatenate(parts)

"""Crops of any size into a network's pictures on the network's own device, after one upload of their bytes.

    crops ─► one buffer uint8 (N, h, w, 3), pinned ─► device ─► W_y · image · W_xᵀ ─► whole grey levels (N, H, W, 3)

The resizing is OpenCV's (by area where a crop shrinks, bilinear otherwise) as two products with matrices of weights.
Weights are whole numbers, and all sums stay below 2²⁴, where float32 is exact: a crop's pixels depend neither on its
companions nor on the device. They differ from OpenCV's by a grey level at most.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from reid_models.preparing import check_crop

_WEIGHT = 2**11  # a picture's row of weights adds up to about this, as in OpenCV
_FINER = 2**4  # parts of a grey level that are kept between the two products: 255 x 16 x 2048 is below 2^24


def upload(
    crops_rgb: Sequence[np.ndarray], batch_size: int, device: torch.device, first: int = 0
) -> tuple[Tensor, Tensor]:
    """uint8 (batch_size, h, w, 3) of crops, each at the top left of a black picture as large as the largest, and their
    sizes, float32 (batch_size, 2): height, width; 1×1 beyond the crops. Both lie on `device`.

    On CUDA the copy goes from pinned memory and does not wait; torch keeps such memory until it was read. Raises
    `InputError` as `preparing.fit_crops`.
    """
    for number, crop in enumerate(crops_rgb):
        check_crop(crop, first + number)
    height, width = (max((crop.shape[axis] for crop in crops_rgb), default=1) for axis in (0, 1))
    pinned = device.type == "cuda"
    pixels = torch.zeros((batch_size, height, width, 3), dtype=torch.uint8, pin_memory=pinned)
    sizes = torch.ones((batch_size, 2), dtype=torch.float32, pin_memory=pinned)
    for row, crop in enumerate(crops_rgb):
        pixels[row, : crop.shape[0], : crop.shape[1]] = torch.from_numpy(np.ascontiguousarray(crop))
        sizes[row] = torch.tensor(crop.shape[:2])
    return pixels.to(device, non_blocking=True), sizes.to(device, non_blocking=True)


def fit(pixels: Tensor, sizes_hw: Tensor, input_hw: tuple[int, int]) -> Tensor:
    """float32 (N, H, W, 3), whole grey levels from 0 to 255: crops as `upload` gives them, squashed to `input_hw`."""
    count, height, width, colours = pixels.shape
    shrinks = (sizes_hw >= torch.tensor(input_hw, device=sizes_hw.device)).all(dim=1)
    down = weights(sizes_hw[:, 0], shrinks, height, input_hw[0])
    across = weights(sizes_hw[:, 1], shrinks, width, input_hw[1])
    lines = torch.bmm(down, pixels.float().reshape(count, height, width * colours))
    lines = (lines * _FINER / down.sum(dim=2, keepdim=True)).round()
    lines = lines.reshape(count, input_hw[0], width, colours).permute(0, 2, 1, 3).reshape(count, width, -1)
    image = torch.bmm(across, lines) / (_FINER * across.sum(dim=2, keepdim=True))
    return image.round().reshape(count, input_hw[1], input_hw[0], colours).permute(0, 2, 1, 3)


def weights(lengths: Tensor, shrinks: Tensor, longest: int, wanted: int) -> Tensor:
    """Whole numbers, float32 (N, wanted, longest): how much of each of `longest` pixels of a line goes into each of
    `wanted`. lengths: (N,) pixels of the lines that hold something. shrinks: bool (N,), by area instead of bilinear."""
    step = (lengths.double() / wanted)[:, None, None]
    place = torch.arange(wanted, device=lengths.device, dtype=torch.float64)[None, :, None]
    pixel = torch.arange(longest, device=lengths.device, dtype=torch.float64)[None, None, :]
    low, high = torch.maximum(place * step, pixel), torch.minimum((place + 1) * step, pixel + 1)
    by_area = (high - low).clamp(min=0) / step
    last = (lengths.double() - 1)[:, None, None]
    centre = torch.minimum(((place + 0.5) * step - 0.5).clamp(min=0), last)
    bilinear = (1 - (centre - pixel).abs()).clamp(min=0)
    return (torch.where(shrinks[:, None, None], by_area, bilinear) * _WEIGHT).round().float()

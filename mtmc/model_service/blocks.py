"""Pictures from one process to another through shared memory: written once, read in place.

A block is a file in memory without a name (Linux `memfd`): it goes when the last process that holds it goes, however
that ends, so a killed process leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.errors import InputError

_ALIGN = 64  # rows of vector loads


@dataclass(frozen=True)
class Placed:
    """Where images lie in a block: its size in bytes, and offset and shape (h, w, 3) of each."""

    block_bytes: int
    offsets: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]


class WritableBlock:
    """The sender's side. Grows to the largest request and stays so."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("mtmc-images")
        self._bytes = 0
        self._memory: mmap.mmap | None = None

    def place(self, images: Sequence[np.ndarray]) -> Placed:
        """Copy uint8 images into the block; what the last call placed is overwritten."""
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3:
                raise InputError("image", "uint8 h x w x 3", f"{image.dtype} {image.shape}")
        sizes = [-(-image.nbytes // _ALIGN) * _ALIGN for image in images]
        offsets = tuple(int(end) - size for end, size in zip(np.cumsum(sizes), sizes, strict=True))
        memory = self._of_size(sum(sizes))
        for image, offset in zip(images, offsets, strict=True):
            view = np.frombuffer(memory, np.uint8, image.nbytes, offset).reshape(image.shape)
            np.copyto(view, image)
        return Placed(self._bytes, offsets, tuple(image.shape for image in images))

    def _of_size(self, size: int) -> mmap.mmap:
        if self._memory is None or size > self._bytes:
            self._bytes = max(mmap.PAGESIZE, 1 << (size - 1).bit_length()) if size else mmap.PAGESIZE
            os.ftruncate(self.descriptor, self._bytes)
            self._memory = mmap.mmap(self.descriptor, self._bytes)
        return self._memory

    def close(self) -> None:
        """Let go; the receiver's side stays readable."""
        self._memory = None
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


class ReadableBlock:
    """The receiver's side of the block behind a descriptor, which it owns from now on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._bytes = descriptor, 0
        self._memory: mmap.mmap | None = None

    def images(self, placed: Placed) -> list[np.ndarray]:
        """Views of the images, read-only; good until the sender places others."""
        if self._memory is None or placed.block_bytes != self._bytes:
            self._memory = mmap.mmap(self._descriptor, placed.block_bytes, access=mmap.ACCESS_READ)
            self._bytes = placed.block_bytes
        memory = self._memory
        return [np.frombuffer(memory, np.uint8, int(np.prod(shape)), offset).reshape(shape)
                for offset, shape in zip(placed.offsets, placed.shapes, strict=True)]  # fmt: skip

    def close(self) -> None:
        """Let go; views that are still about keep the memory until they go."""
        self._memory = None
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

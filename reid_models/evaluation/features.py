"""Vectors of a task's images: every file is read and embedded once, however many tasks show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.data.images import read_image_rgb
from reid_models.data.samples import ReidSamples, ReidTask
from reid_models.embedder import Embedder

_READERS = 4  # threads that decode ahead of the network; JPEG decoding leaves the interpreter lock
_BATCHES_A_STEP = 4  # images read together: a multiple of the batch, so that only the last batch is padded


@dataclass(frozen=True, eq=False)
class ImageVectors:
    """vectors: float32 (N, D), a unit row for each file; row_of: path → row."""

    vectors: np.ndarray
    row_of: dict[Path, int]

    def of(self, samples: ReidSamples) -> np.ndarray:
        """float32 (len(samples), D)."""
        return self.vectors[np.array([self.row_of[path] for path in samples.paths], dtype=np.int64)]


def embed_tasks(embedder: Embedder, tasks: Sequence[ReidTask],
                progress: Callable[[int, int], None] = lambda done, total: None) -> ImageVectors:
    """Vectors of all images of all tasks; `progress(done, total)` is called as they come.

    Raises `InputError` naming a file that is no image, or an embedder that gives no finite unit rows.
    """
    paths = sorted({path for task in tasks for samples in (task.query, task.gallery) for path in samples.paths})
    parts, done = [np.zeros((0, embedder.dimension), dtype=np.float32)], 0
    for images in _read_ahead(paths, embedder.batch_size * _BATCHES_A_STEP):
        parts.append(embedder.embed(images))
        done += len(images)
        progress(done, len(paths))
    vectors = np.concatenate(parts)
    if not (np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-2).all():
        raise InputError(f"vectors of {embedder.name}", "finite rows of unit length", "others", "Check the weights.")
    return ImageVectors(vectors, {path: row for row, path in enumerate(paths)})


def _read_ahead(paths: list[Path], count: int) -> Iterator[list[np.ndarray]]:
    """Lists of `count` images (the last may be shorter); the next list is read while one is in use."""
    with ThreadPoolExecutor(_READERS) as readers:
        starts = range(0, len(paths), count)
        waiting = [readers.submit(read_image_rgb, path) for path in paths[:count]]
        for start in starts:
            current = waiting
            waiting = [readers.submit(read_image_rgb, path) for path in paths[start + count:start + 2 * count]]
            yield [future.result() for future in current]

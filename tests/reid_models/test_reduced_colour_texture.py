"""The short colour-texture vector: unit rows that do not depend on each other, and distances as in the long one."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file

from reid_models.colour_axes import COUNTS, distance_errors, principal_axes
from reid_models.colour_texture import ColourTextureEmbedder
from reid_models.data.registry import load_split
from reid_models.reduced_colour_texture import (
    AXES_FILE,
    RANDOM_DIMENSIONS,
    ReducedColourTexture,
    parts_of,
    projection,
    random_signs,
)


def crops(count: int) -> list[np.ndarray]:
    """Blocks of colour, as unlike the photographs that the axes come from as can be."""
    rng = np.random.default_rng(5)
    blocks = [rng.integers(0, 256, (6, 5, 3), dtype=np.uint8) for _ in range(count)]
    return [cv2.resize(block, (60, 80), interpolation=cv2.INTER_NEAREST) for block in blocks]


@pytest.mark.parametrize("count", [0, 1, 2, 33])
def test_rows_are_unit_and_do_not_depend_on_each_other(count: int) -> None:
    embedder, pictures = ReducedColourTexture(), crops(count)
    rows = embedder.embed(pictures)
    assert rows.shape == (count, embedder.dimension)
    assert embedder.dimension <= 256
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert all(np.array_equal(row, embedder.embed([one])[0]) for row, one in zip(rows, pictures, strict=True))


def test_distances_of_pictures_unlike_all_photographs_are_kept_on_average() -> None:
    pictures = crops(40)
    errors = distance_errors(ColourTextureEmbedder().embed(pictures), ReducedColourTexture().embed(pictures))
    assert abs(errors.mean()) < 0.02
    assert np.sqrt((errors**2).mean()) < 0.06


def test_shipped_axes_are_orthonormal_and_few() -> None:
    axes = load_file(AXES_FILE)
    for array in axes.values():
        np.testing.assert_allclose(array.T @ array, np.eye(array.shape[1]), atol=1e-5)
    matrix = projection(axes, RANDOM_DIMENSIONS).astype(np.float64)
    known = matrix.shape[1] - RANDOM_DIMENSIONS
    np.testing.assert_allclose(matrix[:, :known].T @ matrix[:, :known], np.eye(known), atol=1e-5)
    np.testing.assert_allclose(matrix[:, :known].T @ matrix[:, known:], 0, atol=1e-4)


def test_all_axes_keep_every_distance() -> None:
    """With as many axes as numbers nothing is left over for the signs."""
    vectors = ColourTextureEmbedder().embed(crops(12))
    axes = principal_axes(vectors, [part.shape[axis] for part in parts_of(vectors) for axis in (1, 2)])
    errors = distance_errors(vectors, vectors @ projection(axes, 4))
    np.testing.assert_allclose(errors, 0, atol=1e-4)


def test_signs_are_those_of_the_file_format_for_ever() -> None:
    signs = random_signs(1880, 100)
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 0.01
    assert signs[0, :8].tolist() == [1, -1, -1, 1, -1, 1, 1, -1]


def test_it_leaves_other_cores_alone() -> None:
    """Linear algebra libraries spin on every core that they are allowed: no matrix product is left in it."""
    code = ("import time, numpy as np; from reid_models.reduced_colour_texture import ReducedColourTexture; "
            "e = ReducedColourTexture(); p = [np.full((60, 60, 3), i, np.uint8) for i in range(64)]; e.embed(p[:1]); "
            "c, t = time.process_time(), time.thread_time(); e.embed(p); "
            "print((time.process_time() - c) / (time.thread_time() - t))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "4"})
    assert float(done.stdout) < 1.3


@pytest.mark.needs_data
def test_distances_of_photographs_that_made_no_axes(shared_data) -> None:
    """val.txt: the shipped axes come from train.txt."""
    from reid_models.data.images import read_image_rgb

    samples = load_split("two-view", shared_data / "vehicle-reid-2cam", "val")
    pictures = [read_image_rgb(path) for path in samples.paths[:80]]
    errors = distance_errors(ColourTextureEmbedder().embed(pictures), ReducedColourTexture().embed(pictures))
    assert np.sqrt((errors**2).mean()) < 0.015
    assert sum(COUNTS[i] * COUNTS[i + 1] for i in (0, 2)) + RANDOM_DIMENSIONS == 256

"""A run's gallery out of its cameras' folders: the arrays of all cameras one after the other, held once."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import IntegrityError
from mtmc.gallery import _stacked
from mtmc.privacy.vault import PLAIN


def write(folder: Path, arrays: list[np.ndarray]) -> list[Path]:
    places = []
    for number, array in enumerate(arrays):
        places.append(folder / str(number))
        places[-1].mkdir()
        np.save(places[-1] / "x.npy", array)
    return places


@pytest.mark.parametrize("counts", [[], [0], [3], [0, 2, 0, 5, 1, 0]])
def test_rows_of_all_cameras_in_order(tmp_path: Path, counts: list[int]) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.random((count, 4 if count else 1)).astype(np.float32) for count in counts]
    stacked = _stacked(write(tmp_path, arrays), "x.npy", counts, PLAIN)
    expected = [array for array in arrays if len(array)]
    assert stacked.dtype == np.float32
    assert np.array_equal(stacked, np.concatenate(expected) if expected else np.zeros((0, 1), np.float32))


@pytest.mark.parametrize(("shape", "count"), [((3, 4), 2), ((3, 5), 3), ((0, 1), 1), ((2, 4), 0), ((3, 1), 3)])
def test_a_camera_that_does_not_fit_is_named(tmp_path: Path, shape: tuple[int, int], count: int) -> None:
    places = write(tmp_path, [np.ones((2, 4), np.float32), np.ones(shape, np.float32)])
    with pytest.raises(IntegrityError, match=r"1/x\.npy: expected .* rows of 4, found .*Delete the camera's folder"):
        _stacked(places, "x.npy", [2, count], PLAIN)


def test_memory_holds_all_cameras_once(tmp_path: Path) -> None:
    arrays = [np.ones((1000, 256), np.float32) for _ in range(16)]
    places, one_mb = write(tmp_path, arrays), arrays[0].nbytes
    del arrays
    tracemalloc.start()
    _stacked(places, "x.npy", [1000] * 16, PLAIN)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 19 * one_mb  # 16 in the result, the one being read, and the next while the last is let go

"""The log of frames: what went to its file is given back as if it had stayed in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import OutputError
from mtmc.open_tracks import FrameLog


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 17, 200])
@pytest.mark.parametrize("in_memory", [2, 3, 16, 1000])
def test_a_log_with_a_file_answers_like_two_lists(tmp_path: Path, count: int, in_memory: int) -> None:
    chance = np.random.default_rng(count)
    indices = np.cumsum(chance.integers(1, 4, count))
    times_s = np.cumsum(chance.uniform(0.01, 0.1, count))
    log = FrameLog(tmp_path, in_memory)
    for index, time_s in zip(indices.tolist(), times_s.tolist(), strict=True):
        log.add(index, time_s)
        assert log.last() == (index, time_s)
    assert len(log) == count
    np.testing.assert_array_equal(log.all()[0], indices)
    np.testing.assert_array_equal(log.all()[1], times_s)
    for _ in range(20):
        first, last = sorted(chance.integers(0, 4 * count + 2, 2).tolist())
        inside = (indices >= first) & (indices <= last)
        if count:
            found = log.between(first, last)
            np.testing.assert_array_equal(found[0], indices[inside])
            np.testing.assert_array_equal(found[1], times_s[inside])
    assert list(tmp_path.iterdir()) == []  # the file has no name that a crash could leave


def test_a_folder_that_went_away_is_an_error_of_the_output(tmp_path: Path) -> None:
    log = FrameLog(tmp_path / "gone", in_memory=2)
    log.add(0, 0.0)
    log.add(1, 0.1)
    with pytest.raises(OutputError, match="gone"):
        log.add(2, 0.2)

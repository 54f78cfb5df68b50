"""The demo on worlds that it was not made with. Slow: each is rendered, run and scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtmc.demo import run_demo


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_other_seeds_do_as_well(seed: int, tmp_path: Path) -> None:
    result = run_demo(tmp_path, seed=seed, quiet=True)
    assert result.idf1 >= 0.85
    assert result.idf1_times_alone < 0.75
    assert result.idf1_appearance_alone < 0.75

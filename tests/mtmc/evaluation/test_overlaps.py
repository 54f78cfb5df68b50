"""Overlaps against every pair compared by hand; assignment against all permutations."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from mtmc.errors import InputError
from mtmc.evaluation import bipartite
from mtmc.evaluation import overlaps as overlaps_module
from mtmc.evaluation.bipartite import best_assignment
from mtmc.evaluation.overlaps import find_overlaps


@pytest.mark.parametrize("block", [1, 7, 10**6])
@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 5), (5, 0), (1, 1), (40, 30), (20, 40)])
def test_overlaps_are_those_of_every_pair(scene: Callable, iou: Callable, monkeypatch: pytest.MonkeyPatch, n: int,
                                          m: int, block: int) -> None:
    monkeypatch.setattr(overlaps_module, "_PAIRS_AT_ONCE", block)
    truth, prediction = scene(n, n), scene(m + 100, m, frames=7)
    found = find_overlaps(truth, prediction)
    expected = []
    for t, p in itertools.product(range(len(truth)), range(len(prediction))):
        same = truth.camera_rows[t] == prediction.camera_rows[p] and truth.frames[t] == prediction.frames[p]
        value = iou(truth.boxes_xywh[t], prediction.boxes_xywh[p]) if same else 0.0
        if value > 0:
            expected.append((t, p, value))
    rows = sorted(zip(found.truth_rows.tolist(), found.prediction_rows.tolist(), found.ious.tolist(), strict=True))
    assert rows == expected


def test_other_cameras_are_refused(scene: Callable) -> None:
    with pytest.raises(InputError, match="c003"):
        find_overlaps(scene(0, 4), scene(1, 4, cameras=3))


def test_rows_are_counted_anew_among_kept_ones(scene: Callable) -> None:
    truth, prediction = scene(0, 40), scene(1, 40)
    rng = np.random.default_rng(0)
    keep_t, keep_p = rng.random(len(truth)) < 0.6, rng.random(len(prediction)) < 0.6
    found = find_overlaps(truth, prediction).among(keep_t, keep_p)
    expected = find_overlaps(truth[keep_t], prediction[keep_p])
    assert np.array_equal(found.truth_rows, expected.truth_rows)
    assert np.array_equal(found.ious, expected.ious)


@pytest.mark.parametrize("largest_table", [4_000_000, 0])
@pytest.mark.parametrize("seed", range(30))
def test_the_assignment_is_the_best_of_all(monkeypatch: pytest.MonkeyPatch, seed: int, largest_table: int) -> None:
    monkeypatch.setattr(bipartite, "_LARGEST_TABLE", largest_table)
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((rng.integers(1, 6), rng.integers(1, 6))) < 0.5)
    weights = rng.integers(1, 5, len(rows))
    chosen = best_assignment(rows, columns, weights)
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == chosen.sum()
    best = 0
    for size in range(len(rows) + 1):
        for some in map(list, itertools.combinations(range(len(rows)), size)):
            if len(set(rows[some])) == len(set(columns[some])) == size:
                best = max(best, int(weights[some].sum()))
        if size >= 5:
            break
    assert weights[chosen].sum() == best

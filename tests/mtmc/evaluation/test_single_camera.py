"""IDF1, CLEAR and HOTA of one camera: equal to `trackers.eval`, and identity to a search through all mappings."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from mtmc.evaluation.clear import clear_score
from mtmc.evaluation.hota import HotaScore, hota_score
from mtmc.evaluation.identity import identity_score
from mtmc.evaluation.overlaps import find_overlaps
from mtmc.results.track_boxes import TrackBoxes

SIZES = [(0, 0), (0, 6), (6, 0), (1, 1), (12, 9), (40, 40), (150, 140), (150, 40)]


def scores(truth: TrackBoxes, prediction: TrackBoxes) -> tuple:
    overlaps = find_overlaps(truth, prediction)
    matched = overlaps.at_least(0.5)
    identity = identity_score(truth.ids, prediction.ids, matched.truth_rows, matched.prediction_rows)
    return identity, clear_score(truth, prediction, overlaps), hota_score(truth, prediction, overlaps)


def jittered(truth: TrackBoxes, seed: int) -> TrackBoxes:
    """Boxes that mostly follow the truth, with identities that swap now and then."""
    rng = np.random.default_rng(seed)
    boxes = truth.boxes_xywh + rng.normal(0, 1.5, truth.boxes_xywh.shape) * [1, 1, 0.3, 0.3]
    ids = np.where(rng.random(len(truth)) < 0.15, truth.ids % 4 + 1, truth.ids + 10)
    moved = TrackBoxes.build(truth.camera_ids, truth.camera_rows, ids, truth.frames, boxes)
    keys = np.stack([moved.camera_rows, ids, moved.frames], axis=1)
    first = np.sort(np.unique(keys, axis=0, return_index=True)[1]) if len(truth) else slice(0)
    return moved[first]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("follow", [False, True])
def test_one_camera_is_counted_as_the_reference_counts(scene: Callable, reference_lists: Callable, n: int, m: int,
                                                       seed: int, follow: bool) -> None:
    from trackers.eval import compute_clear_metrics, compute_hota_metrics, compute_identity_metrics

    truth = scene(seed, n, cameras=1, ids=6, frames=30)
    prediction = jittered(truth, seed) if follow else scene(seed + 50, m, cameras=1, ids=7, frames=28)
    identity, clear, hota = scores(truth, prediction)
    lists = reference_lists(truth, prediction)
    r = compute_identity_metrics(*lists, threshold=0.5)
    assert (identity.idtp, identity.idfp, identity.idfn) == (r["IDTP"], r["IDFP"], r["IDFN"])
    assert (identity.idf1, identity.idp, identity.idr) == pytest.approx((r["IDF1"], r["IDP"], r["IDR"]), abs=1e-12)
    r = compute_clear_metrics(*lists, threshold=0.5)
    assert (clear.tp, clear.fp, clear.fn) == (r["CLR_TP"], r["CLR_FP"], r["CLR_FN"])
    assert (clear.mostly_tracked, clear.partly_tracked, clear.mostly_lost) == (r["MT"], r["PT"], r["ML"])
    if follow or not len(truth):  # at random, equal overlaps leave several best assignments with other switches
        assert (clear.switches, clear.fragments) == (r["IDSW"], r["Frag"])
        assert clear.mota == pytest.approx(r["MOTA"] if len(truth) and len(prediction) else clear.mota, abs=1e-12)
    assert clear.motp == pytest.approx(r["MOTP"], abs=1e-9)
    r = compute_hota_metrics(*lists)
    assert (hota.hota, hota.det_a, hota.ass_a) == pytest.approx((r["HOTA"], r["DetA"], r["AssA"]), abs=1e-9)


def test_sequences_are_combined_as_the_reference_combines(scene: Callable, reference_lists: Callable) -> None:
    from trackers.eval import (
        aggregate_clear_metrics,
        aggregate_hota_metrics,
        compute_clear_metrics,
        compute_hota_metrics,
    )

    pairs = [(t, jittered(t, seed)) for seed in range(3) for t in [scene(seed, 90, cameras=1, ids=6, frames=30)]]
    ours = [scores(*pair) for pair in pairs]
    lists = [reference_lists(*pair) for pair in pairs]
    r = aggregate_hota_metrics([compute_hota_metrics(*each) for each in lists])
    total = HotaScore.total(each[2] for each in ours)
    assert (total.hota, total.det_a, total.ass_a) == pytest.approx((r["HOTA"], r["DetA"], r["AssA"]), abs=1e-9)
    r = aggregate_clear_metrics([compute_clear_metrics(*each, threshold=0.5) for each in lists])
    clear = ours[0][1] + ours[1][1] + ours[2][1]
    assert (clear.mota, clear.motp) == pytest.approx((r["MOTA"], r["MOTP"]), abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_identity_is_the_best_of_all_mappings(scene: Callable, iou: Callable, seed: int) -> None:
    truth, prediction = scene(seed, 25, ids=3), scene(seed + 99, 25, ids=4)
    matched = find_overlaps(truth, prediction).at_least(0.5)
    found = identity_score(truth.ids, prediction.ids, matched.truth_rows, matched.prediction_rows)
    together = np.zeros((4, 5), dtype=int)
    for t, p in itertools.product(range(len(truth)), range(len(prediction))):
        same = truth.camera_rows[t] == prediction.camera_rows[p] and truth.frames[t] == prediction.frames[p]
        if same and iou(truth.boxes_xywh[t], prediction.boxes_xywh[p]) >= 0.5:
            together[truth.ids[t], prediction.ids[p]] += 1
    best = max(sum(together[t, p] for t, p in zip((1, 2, 3), some, strict=True))
               for some in itertools.permutations((1, 2, 3, 4), 3))
    assert (found.idtp, found.idfp, found.idfn) == (best, len(prediction) - best, len(truth) - best)


def test_a_box_on_the_threshold_counts() -> None:
    truth = TrackBoxes.build(["c"], [0], [1], [1], [[0, 0, 10, 10]])
    half = TrackBoxes.build(["c"], [0], [1], [1], [[0, 0, 10, 5]])
    assert scores(truth, half)[0].idtp == scores(truth, half)[1].tp == 1
    less = TrackBoxes.build(["c"], [0], [1], [1], [[0, 0, 10, 4.99]])
    assert scores(truth, less)[0].idtp == scores(truth, less)[1].tp == 0

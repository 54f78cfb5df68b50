"""The checks of seeds_digest E7, and a slow twin of the grouping."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mtmc.errors import ConfigError, InputError
from reid_models.adaptation.mining import NOISE, MiningConfig, from_sure_negatives, mine_groups, without_doubt

DOCUMENTED = MiningConfig().longest


def units(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def clusters_with_noise(seed: int, dimensions: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """20 tight clusters of 7, and 30 % of all points noise (-1)."""
    r = np.random.default_rng(seed)
    truth = np.r_[np.repeat(np.arange(20), 7), np.full(60, -1)]
    centres = units(r.normal(size=(20, dimensions)))
    points = np.where((truth < 0)[:, None], units(r.normal(size=(200, dimensions))),
                      centres[truth] + 0.03 * r.normal(size=(200, dimensions)))
    order = r.permutation(200)
    return units(points)[order], truth[order]


def none(count: int) -> np.ndarray:
    return np.zeros((count, count), bool)


def plain_twin(embeddings: np.ndarray, kinds: list[str], negatives: np.ndarray, threshold: float) -> np.ndarray:
    """Join the two groups whose farthest members are nearest, again and again."""
    groups = [[i] for i in range(len(embeddings))]

    def between(a: list[int], b: list[int]) -> float:
        pairs = list(itertools.product(a, b))
        if any(negatives[i, j] or (kinds[i] and kinds[j] and kinds[i] != kinds[j]) for i, j in pairs):
            return np.inf
        return max(float(np.linalg.norm(embeddings[i].astype(float) - embeddings[j])) for i, j in pairs)

    while len(groups) > 1:
        best = min((between(a, b), i, j) for (i, a), (j, b) in itertools.combinations(enumerate(groups), 2))
        if best[0] > threshold:
            break
        groups[best[1]] += groups.pop(best[2])
    result, number = np.full(len(embeddings), NOISE), 0
    for group in sorted(sorted(g) for g in groups if len(g) > 1):
        result[group], number = number, number + 1
    return result


@pytest.mark.parametrize("seed", range(4))
def test_tight_clusters_are_pure_and_no_noise_is_let_in(seed: int) -> None:
    points, truth = clusters_with_noise(seed)
    found = mine_groups(points, [""] * 200, none(200), DOCUMENTED)
    assert (found[truth < 0] == NOISE).all()
    assert len(np.unique(found[truth >= 0])) == 20
    for group in range(20):
        assert len(set(truth[found == group])) == 1
        assert (found == group).sum() == 7


def test_a_higher_threshold_never_splits_a_group() -> None:
    points, _ = clusters_with_noise(5, dimensions=8)
    negatives = np.random.default_rng(0).random((200, 200)) < 0.1
    negatives = negatives | negatives.T
    before = mine_groups(points, [""] * 200, negatives, 0.1)
    for threshold in np.linspace(0.15, 2, 25):
        now = mine_groups(points, [""] * 200, negatives, float(threshold))
        for group in range(before.max() + 1):
            members = now[before == group]
            assert len(set(members)) == 1
            assert members[0] != NOISE
        before = now


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 24])
@pytest.mark.parametrize("threshold", [0.3, 0.9, 1.6])
def test_grouping_against_the_plain_twin(count: int, threshold: float) -> None:
    r = np.random.default_rng(count)
    points = units(r.normal(size=(count, 3))) if count else np.zeros((0, 3), np.float32)
    negatives = r.random((count, count)) < 0.2
    negatives = (negatives | negatives.T) & ~np.eye(count, dtype=bool)
    kinds = r.choice(["", "car", "bus"], count).tolist()
    np.testing.assert_array_equal(mine_groups(points, kinds, negatives, threshold),
                                  plain_twin(points, kinds, negatives, threshold))


def test_what_one_camera_saw_at_once_is_never_one_vehicle() -> None:
    points = units(np.ones((4, 5)))
    negatives = none(4)
    negatives[0, 1] = negatives[1, 0] = True
    found = mine_groups(points, [""] * 4, negatives, 0.5)
    assert found[0] != found[1]
    assert len(set(found) - {NOISE}) >= 1
    assert mine_groups(points, ["car", "bus", "car", "bus"], none(4), 0.5).tolist() == [0, 1, 0, 1]


def test_the_threshold_comes_from_the_sure_negatives() -> None:
    angles = np.deg2rad([0, 10, 60, 120])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    negatives = none(4)
    for a, b in ((0, 2), (0, 3), (2, 3)):
        negatives[a, b] = negatives[b, a] = True
    config = MiningConfig(negative_share=0.0, longest=2.0)
    assert from_sure_negatives(points, negatives, config) == pytest.approx(1.0)  # 2 sin 30°
    assert from_sure_negatives(points, negatives, MiningConfig()) == MiningConfig().longest
    assert from_sure_negatives(points, none(4), MiningConfig()) == MiningConfig().longest
    assert from_sure_negatives(points, negatives, MiningConfig(threshold=0.3)) == 0.3


def test_doubtful_groups_are_not_told_apart_unless_surely_different() -> None:
    angles = np.deg2rad([0, 2, 30, 32, 120])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    groups = np.array([0, 0, 1, 1, NOISE])
    assert without_doubt(points, groups, none(5), 0.6).tolist() == [0, 1, 4]
    assert without_doubt(points, groups, none(5), 0.1).tolist() == [0, 1, 2, 3, 4]
    negatives = none(5)
    negatives[1, 2] = negatives[2, 1] = True  # one sure pair tells both groups apart
    assert without_doubt(points, groups, negatives, 0.6).tolist() == [0, 1, 2, 3, 4]
    assert without_doubt(points[:0], groups[:0], none(0), 0.6).tolist() == []


def test_what_cannot_be_grouped_gets_a_sentence() -> None:
    with pytest.raises(InputError, match="kinds"):
        mine_groups(np.zeros((2, 3)), [""], none(2), 0.5)
    for wrong in ({"threshold": 3.0}, {"doubt": 0.5}, {"negative_share": 0.9}, {"longest": 0.0}):
        with pytest.raises(ConfigError):
            MiningConfig(**wrong)

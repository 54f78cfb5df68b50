"""Joining the pieces of one camera: the sparse assignment against its dense twin, and whole chains."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mtmc.joining import JoiningConfig, PiecePairs, admissible_pairs, followers, join_chains
from mtmc.tracklets import Tracklet


def dense_followers(m: int, pairs: PiecePairs) -> np.ndarray:
    """The slow twin: all pieces against all, and a private place for each that nobody follows."""
    costs = np.full((m, m), 1e6)
    costs[pairs.earlier, pairs.later] = pairs.costs
    alone = np.where(np.eye(m, dtype=bool), 1.0, 1e6)
    follower = np.full(m, -1)
    if m:
        rows, columns = linear_sum_assignment(np.concatenate([costs, alone], axis=1))
        linked = columns < m
        follower[rows[linked]] = columns[linked]
    return follower


def random_pairs(rng: np.random.Generator, m: int, reach: int) -> PiecePairs:
    """Every piece may be followed by some of the next `reach`."""
    earlier, later = [], []
    for i in range(m):
        for j in range(i + 1, min(m, i + 1 + reach)):
            if rng.random() < 0.6:
                earlier.append(i)
                later.append(j)
    return PiecePairs(np.array(earlier, int), np.array(later, int), rng.random(len(earlier)))


@pytest.mark.parametrize("m", [0, 1, 2, 3, 5, 17, 60, 150])
def test_same_as_the_dense_assignment(m: int) -> None:
    rng = np.random.default_rng(m)
    for reach in (0, 1, 2, 6, m):
        pairs = random_pairs(rng, m, reach)
        assert followers(m, pairs).tolist() == dense_followers(m, pairs).tolist()


def test_a_pair_that_costs_nothing_is_a_pair() -> None:
    pairs = PiecePairs(np.array([0]), np.array([1]), np.array([0.0]))
    assert followers(3, pairs).tolist() == [1, -1, -1]


def test_memory_grows_with_the_pairs() -> None:
    """A day of a busy camera: the dense twin would need 20,000 x 40,000 numbers, 6.4 GB."""
    m = 20_000
    rng = np.random.default_rng(1)
    earlier = np.repeat(np.arange(m - 6), 4)
    later = earlier + np.tile([1, 2, 4, 6], m - 6)
    tracemalloc.start()
    found = followers(m, PiecePairs(earlier, later, rng.random(len(earlier))))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    taken = found[found >= 0]
    assert len(taken) > m / 2
    assert len(np.unique(taken)) == len(taken)
    assert peak < 50e6


def passage(track_id: int, start_s: float, x_px: float, frames: int = 10) -> Tracklet:
    """A 100 x 50 px vehicle that drives right at 100 px/s, seen at 10 Hz."""
    times = start_s + np.arange(frames) / 10
    left = x_px + 100 * (times - start_s)
    boxes = np.stack([left, np.full(frames, 100.0), left + 100, np.full(frames, 150.0)], axis=1)
    return Tracklet("c", track_id, times, np.round(times * 10), boxes, np.ones(frames), np.zeros(frames, bool), 2, 1.0)


def test_one_vehicle_in_three_pieces_beside_another() -> None:
    pieces = [passage(1, 0.0, 0), passage(2, 0.0, 600), passage(3, 1.5, 150), passage(4, 3.0, 300)]
    same, other = np.eye(4)[0], np.eye(4)[1]
    embeddings = np.stack([same, other, same, same])
    assert join_chains(pieces, embeddings, 0.5, JoiningConfig()) == [[0, 2, 3], [1]]


@pytest.mark.parametrize("m", [0, 1, 40])
def test_pairs_are_those_that_every_pair_gives(m: int) -> None:
    """Only pieces that start within the gap are looked at; looking at all of them finds no more."""
    rng = np.random.default_rng(m)
    pieces = [passage(i, float(rng.uniform(0, 20)), float(rng.uniform(0, 300)), int(rng.integers(1, 12)))
              for i in range(m)]  # fmt: skip
    embeddings = np.tile(np.eye(8)[0], (m, 1)) + rng.normal(0, 0.02, (m, 8))
    config = JoiningConfig()
    pairs = admissible_pairs(pieces, embeddings, 0.5, config)
    found = set(zip(pairs.earlier.tolist(), pairs.later.tolist(), strict=True))
    singles = set()
    for i in range(m):
        for j in range(m):
            if 0 < pieces[j].start_s - pieces[i].end_s <= config.join_gap_s:
                two = admissible_pairs([pieces[i], pieces[j]], embeddings[[i, j]], 0.5, config)
                if (0, 1) in zip(two.earlier.tolist(), two.later.tolist(), strict=True):
                    singles.add((i, j))
    assert found == singles
    assert m < 40 or found

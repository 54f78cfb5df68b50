"""What the learner fits with: regressions that always get to their minimum, samples that stand for all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from mtmc.matching.appearance import weighted_logistic
from mtmc.matching.thinning import FITTED, SURELY_FALSE, thinned
from mtmc.matching.threads import in_threads


@pytest.mark.parametrize("seed", range(12))
def test_the_regression_gets_to_its_minimum_from_wherever_it_starts(seed: int) -> None:
    """Rows whose scores are far out have no curvature left: full Newton steps go astray there."""
    rng = np.random.default_rng(seed)
    columns = np.column_stack([rng.normal(0, 3, 3000), rng.normal(-2, 6, 3000), np.ones(3000)])
    target = expit(columns @ np.array([1.5, -0.8, -3.0]) + rng.normal(0, 2, 3000))
    mass = rng.choice([1.0, 13.0], 3000)
    centre, penalty = np.array([5.0, 5.0, -8.0]) * rng.choice([-1, 1], 3), np.array([4.0, 1.0, 1e-6])

    def loss(at: np.ndarray) -> float:
        scores = columns @ at
        return float((mass * (np.logaddexp(0, scores) - target * scores)).sum()
                     + 0.5 * (penalty * np.square(at - centre)).sum())  # fmt: skip

    best = minimize(loss, np.zeros(3), method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-14})
    assert loss(weighted_logistic(columns, target, mass, centre, penalty)) <= best.fun + 1e-4 * abs(best.fun)


def test_a_thinned_sample_stands_for_all_pairs() -> None:
    rng = np.random.default_rng(0)
    probability = np.where(rng.random(5 * FITTED) < 0.05, rng.random(5 * FITTED), 0.0)
    rows, mass = thinned(probability)
    assert (np.diff(rows) > 0).all()
    assert np.isin(np.flatnonzero(probability >= SURELY_FALSE), rows).all()
    assert mass.sum() == pytest.approx(len(probability))
    assert len(rows) < 2 * FITTED
    few, ones = thinned(probability[:1000])
    assert few.tolist() == list(range(1000))
    assert (ones == 1).all()


def test_threads_answer_in_order_and_raise() -> None:
    assert in_threads(lambda item: item * item, range(100)) == [item * item for item in range(100)]
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda item: 1 // item, [1, 0, 2])

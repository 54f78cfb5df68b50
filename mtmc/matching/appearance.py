"""How much likelier a pair's looks are if it is one vehicle: a log likelihood ratio, fitted without labels.

The density of true pairs is that of false pairs times exp(constant + slopes × distances) (exponential tilting:
Anderson 1972; with unlabelled mixtures Qin 1999), which makes the fit a weighted logistic regression between
pairs as likely true as the rest of the evidence says, and pairs that are surely or probably false.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts are loaded when they are first used

from mtmc.matching.thinning import thinned

START_SLOPES = np.array([-1.4, -0.6])  # before anything is learned; what most embedders end near
RIDGE_CENTRE = -1.0  # nearer is likelier, also where there are hardly any links to learn from
MAX_LOG_RATIO, MIN_LOG_RATIO = 8.0, -12.0  # beyond, the tails are not known
MOST_RAISED = 0.5  # few false pairs, all clearly false, have a mean ratio below 1 that says nothing of rarer ones
SUPPORT_LEVELS = (0.05, 0.5, 0.95, 1.5, 2.5)  # numbers of neighbours that are normalised apart


def start_log_ratio(distances: np.ndarray, false_distances: np.ndarray, false_weights: np.ndarray) -> np.ndarray:
    """(P,) log ratios with `START_SLOPES`, scaled so that false pairs have a mean ratio of 1.

    distances: (P, 2) standardised. false_distances: (Q, 2), of pairs that are false but for a few; false_weights:
    (Q,) how many pairs each stands for.
    """
    return clipped(distances @ START_SLOPES - _mean_level(false_distances, false_weights))


def _mean_level(distances: np.ndarray, weights: np.ndarray) -> float:
    """Log of the mean ratio of false pairs, from pairs of which a few are true.

    Their own mean is too high, as the few true ones weigh most in it; that of a normal with their middle two thirds is
    too low where vehicles look alike. Half-way is within half a nat on all worlds tried.
    """
    if not len(distances):
        return 0.0
    scores = np.clip(distances @ START_SLOPES, -30, 30)
    order = np.argsort(scores, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    low, high = np.interp([0.16, 0.84], before / max(float(before[-1]), 1e-12), scores[order])
    normal = float(np.average(scores, weights=weights)) + float((high - low) / 2) ** 2 / 2
    return (float(np.log(np.average(np.exp(scores), weights=weights))) + normal) / 2


def fit_log_ratio(distances: np.ndarray, weights: np.ndarray, false_distances: np.ndarray,
                  false_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Slopes and constant learned from pairs of which `weights` says how probably they are true.

    false_weights: how many pairs each of the false ones stands for. Slopes are `START_SLOPES` while there are no
    links at all. A slope that would call the more distant pair the likelier one is set to 0.
    """
    true_mass = float(weights.sum())
    false_mass = float((1 - weights).sum() + false_weights.sum())
    if true_mass < 1e-6 or false_mass < 1e-6:
        every = np.concatenate([distances, false_distances])
        return START_SLOPES, -_mean_level(every, np.concatenate([np.ones(len(distances)), false_weights]))
    asked, mass = thinned(weights)
    rows = np.concatenate([distances[asked], false_distances])
    target = np.concatenate([weights[asked], np.zeros(len(false_distances))])
    mass = np.concatenate([mass, false_weights])
    active = np.ones(distances.shape[1], bool)
    while True:
        columns = np.column_stack([rows[:, active], np.ones(len(rows))])
        log_odds = scipy.special.logit(np.clip(true_mass / mass.sum(), 1e-6, 0.5))
        start = np.append(np.full(active.sum(), RIDGE_CENTRE), log_odds)
        penalty = np.append(np.ones(active.sum()), 1e-6)
        found = weighted_logistic(columns, target, mass, start, penalty)
        slopes = np.zeros(distances.shape[1])
        slopes[active] = found[:-1]
        if not (slopes > 0).any():
            return slopes, float(found[-1] - np.log(true_mass / false_mass))
        active &= slopes <= 0


def add_support(log_ratios: np.ndarray, asked: np.ndarray, mass: np.ndarray, support: np.ndarray,
                neighbours: np.ndarray, weights: np.ndarray, left_out: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """(P,) log ratios that also hear what the neighbours of both sides look like.

    log_ratios: (P,). asked, mass: (Q,) the pairs whose neighbours were asked and how many pairs each stands for; the
    others count as pairs without neighbours. support: (Q,) mean standardised distance between one side and the
    tracklets already linked to the other. neighbours: (Q,) how many those are (sum of probabilities). weights: (Q,)
    probability to be true. left_out: how many pairs there are besides, all false, and their mean ratio; as many of
    them have neighbours as of the others. How much neighbours say is learned; for every number of neighbours false
    pairs keep a mean ratio of 1, so that having neighbours is no evidence in itself.
    """
    if not len(asked):
        return log_ratios
    has, more = np.minimum(neighbours, 1.0), np.clip(neighbours - 1.0, 0.0, 2.0)
    columns = np.column_stack([log_ratios[asked], has * support, more * support, has, np.ones(len(asked))])
    share = float((mass * weights).sum() / mass.sum())
    start = np.array([1.0, -0.5, 0.0, 0.0, scipy.special.logit(np.clip(share, 1e-6, 0.5))])
    penalty = np.array([4.0, 1.0, 4.0, 0.1, 1e-6])
    found = weighted_logistic(columns, weights, mass, start, penalty)
    raw = columns[:, :3] @ found[:3]
    group = np.digitize(neighbours, SUPPORT_LEVELS)
    doubt = mass * (1 - weights)
    levels = np.zeros(len(SUPPORT_LEVELS) + 1)
    beside, mean_beside = left_out[0] / max(doubt.sum(), 1e-9), left_out[1]
    for value in np.unique(group):
        mine = group == value
        mean = (doubt[mine] * np.exp(np.clip(raw[mine], -30, 15))).sum() / max(doubt[mine].sum(), 1e-9)
        mean = (mean + beside * mean_beside) / (1 + beside)
        levels[value] = max(float(np.log(mean + 1e-12)), -MOST_RAISED)
    result = log_ratios * found[0] - levels[0]
    result[asked] = raw - levels[group]
    return result


def weighted_logistic(columns: np.ndarray, target: np.ndarray, mass: np.ndarray, centre: np.ndarray,
                      penalty: np.ndarray) -> np.ndarray:
    """Coefficients of a logistic regression with a normal prior around `centre`, by Newton steps that never
    raise the loss.

    columns: (P, K). target: (P,) probability of each row to be true, 0 to 1. mass: (P,) how many rows each is.
    """
    def loss_at(scores: np.ndarray, at: np.ndarray) -> float:
        likelihood = np.maximum(scores, 0) - target * scores + np.log1p(np.exp(-np.abs(scores)))
        return float((mass * likelihood).sum() + 0.5 * (penalty * np.square(at - centre)).sum())

    found = centre.astype(np.float64)
    scores = columns @ found
    loss = loss_at(scores, found)
    for _ in range(40):
        chance = scipy.special.expit(scores)
        gradient = columns.T @ (mass * (chance - target)) + penalty * (found - centre)
        hessian = (columns * (mass * chance * (1 - chance))[:, None]).T @ columns + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        while True:
            nearer = columns @ (found - step)
            below = loss_at(nearer, found - step)
            if below <= loss or float(np.abs(step).max()) < 1e-6:
                break
            step = step / 4  # too far: where every row is clear the curvature says little
        found, scores, loss = found - step, nearer, below
        if float(np.abs(step).max()) < 1e-6:
            break
    return found


def clipped(log_ratios: np.ndarray) -> np.ndarray:
    return np.clip(log_ratios, MIN_LOG_RATIO, MAX_LOG_RATIO)

"""The probe of seeds_digest C2, trained as printed: batch normalisation, dense layer, Adam in small steps.

It stops at the epoch with the best balanced accuracy on rows of its own; the public code takes the epoch that is best
on the rows it then reports, which flatters it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.privacy.linear_probe import LinearProbe, balanced_accuracy, cross_entropy, row_weights


@dataclass(frozen=True)
class PublishedSchedule:
    """As printed. epsilon of the normalisation and Adam's constants are the usual ones of Keras."""

    epochs: int = 100
    batch_rows: int = 128
    learning_rate: float = 5e-5
    drop_after_epochs: int = 50
    drop_factor: float = 5.0
    epsilon: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    adam_epsilon: float = 1e-7


def fit_published(
    features: np.ndarray, labels: np.ndarray, classes: int, selection: tuple[np.ndarray, np.ndarray], seed: int,
    schedule: PublishedSchedule | None = None,
) -> LinearProbe:  # fmt: skip
    """As `linear_probe.fit_exact`, by the published schedule (None: `PublishedSchedule()`)."""
    schedule = schedule or PublishedSchedule()
    x, rng = np.asarray(features, dtype=np.float64), np.random.default_rng(seed)
    parameters = _start(x.shape[1], classes, rng)
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    per_row = row_weights(labels, classes) * len(labels)  # mean 1, as Keras' class weights
    best, best_score, step = _frozen(parameters, x, schedule), -1.0, 0
    for epoch in range(schedule.epochs):
        rate = schedule.learning_rate / (schedule.drop_factor if epoch >= schedule.drop_after_epochs else 1)
        order = rng.permutation(len(x))
        for start in range(0, len(order), schedule.batch_rows):
            rows = order[start : start + schedule.batch_rows]
            step += 1
            gradients = _gradients(parameters, x[rows], labels[rows], per_row[rows] / len(rows), schedule)
            for value, gradient, (first, second) in zip(parameters, gradients, moments, strict=True):
                first += (1 - schedule.beta_1) * (gradient - first)
                second += (1 - schedule.beta_2) * (gradient**2 - second)
                size = np.sqrt(1 - schedule.beta_2**step) / (1 - schedule.beta_1**step)
                value -= rate * size * first / (np.sqrt(second) + schedule.adam_epsilon)
        probe = _frozen(parameters, x, schedule)
        score = balanced_accuracy(probe.predict(selection[0]), selection[1])
        if score > best_score:
            best, best_score = probe, score
    return best


def _start(width: int, classes: int, rng: np.random.Generator) -> list[np.ndarray]:
    """gamma, beta, weights (Glorot uniform), bias."""
    limit = np.sqrt(6 / (width + classes))
    return [np.ones(width), np.zeros(width), rng.uniform(-limit, limit, (width, classes)), np.zeros(classes)]


def _gradients(
    parameters: list[np.ndarray], x: np.ndarray, labels: np.ndarray, weights: np.ndarray, schedule: PublishedSchedule
) -> list[np.ndarray]:
    """Of the mean weighted cross entropy over a batch, which is normalised by its own mean and variance."""
    gamma, beta, matrix, bias = parameters
    unit = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + schedule.epsilon)
    normalised = gamma * unit + beta
    _, gradient = cross_entropy(normalised @ matrix + bias, labels, weights)
    back = gradient @ matrix.T
    return [(back * unit).sum(axis=0), back.sum(axis=0), normalised.T @ gradient, gradient.sum(axis=0)]


def _frozen(parameters: list[np.ndarray], x: np.ndarray, schedule: PublishedSchedule) -> LinearProbe:
    """The network in use: normalised by the mean and variance of all rows that were fitted."""
    gamma, beta, matrix, bias = parameters
    scale = np.sqrt(x.var(axis=0) + schedule.epsilon)
    return LinearProbe(x.mean(axis=0), scale, gamma[:, None] * matrix, bias + beta @ matrix)

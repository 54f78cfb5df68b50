"""A linear reader of feature vectors: standardised input, one dense layer, softmax, balanced classes.

In use, a batch normalisation and a dense layer are one affine map: this is the attack model of seeds_digest C2. Fitted
exactly (the loss is convex), which is the strongest that this model can be; `published_probe` is trained as printed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

# Of standardised features, from nearly free to nearly constant; which one is chosen on rows that were not fitted.
PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)
_MOST_STEPS = 200  # far beyond what the penalties above need; a bound for hostile input


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """scores = (x - mean) / scale · weights + bias. mean, scale: (D,). weights: (D, C). bias: (C,)."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """int64 (N,): the class of each row of features (N, D)."""
        scores = (features - self.mean) / self.scale @ self.weights + self.bias
        return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def row_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """(N,), sum 1: inversely proportional to the number of rows of the same class, so that rare classes count alike."""
    counts = np.bincount(labels, minlength=classes)
    return 1.0 / (counts[labels] * max(int((counts > 0).sum()), 1))


def cross_entropy(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Weighted softmax cross entropy of scores (N, C), and its gradient (N, C)."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    rows = np.arange(len(labels))
    loss = float((weights * (log_sum - shifted[rows, labels])).sum())
    gradient = np.exp(shifted - log_sum[:, None])
    gradient[rows, labels] -= 1
    return loss, gradient * weights[:, None]


def balanced_accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the classes that occur of the share of their rows that are right: 1 / classes for a constant answer.
    0 where there is no row."""
    if not len(labels):
        return 0.0
    return float(np.mean([(predicted[labels == c] == c).mean() for c in np.unique(labels)]))


def fit_exact(
    features: np.ndarray, labels: np.ndarray, classes: int, selection: tuple[np.ndarray, np.ndarray], seed: int
) -> LinearProbe:
    """The best probe for features (N, D) and labels int64 (N,) in 0 … classes - 1, its penalty chosen on `selection`
    (features, labels), then fitted on both. `seed` is not needed: there is one optimum."""
    rows, scores = _coordinates(features), []
    for penalty in PENALTIES:
        probe = _fit(rows, labels, classes, penalty)
        scores.append(balanced_accuracy(probe.predict(selection[0]), selection[1]))
    chosen = PENALTIES[int(np.argmax(scores))]  # of equals the first, the largest
    both = np.concatenate([features, selection[0]]), np.concatenate([labels, selection[1]])
    return fit(*both, classes, chosen)


def fit(features: np.ndarray, labels: np.ndarray, classes: int, penalty: float) -> LinearProbe:
    """The probe of least weighted cross entropy + penalty / 2 · |weights|²."""
    return _fit(_coordinates(features), labels, classes, penalty)


@dataclass(frozen=True, eq=False)
class _Coordinates:
    """Standardised rows x as x = points · basis.T. points: (N, R). basis: (D, R), orthonormal columns."""

    mean: np.ndarray
    scale: np.ndarray
    points: np.ndarray
    basis: np.ndarray


def _coordinates(features: np.ndarray) -> _Coordinates:
    """The penalty does not see rotations, and the optimum lies in the span of the rows: fewer rows than dimensions
    need no more unknowns than rows."""
    x = np.asarray(features, dtype=np.float64)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale < 1e-12] = 1.0
    x = (x - mean) / scale
    if len(x) >= x.shape[1]:
        return _Coordinates(mean, scale, x, np.eye(x.shape[1]))
    squares, vectors = np.linalg.eigh(x @ x.T)
    kept = squares > 1e-9 * max(float(squares.max(initial=0)), 1.0)  # centred rows have one dimension less
    lengths = np.sqrt(squares[kept])
    return _Coordinates(mean, scale, vectors[:, kept] * lengths, x.T @ (vectors[:, kept] / lengths))


def _fit(rows: _Coordinates, labels: np.ndarray, classes: int, penalty: float) -> LinearProbe:
    x, weights, width = rows.points, row_weights(labels, classes), rows.points.shape[1]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        matrix = parameters.reshape(width + 1, classes)
        value, gradient = cross_entropy(x @ matrix[:-1] + matrix[-1], labels, weights)
        value += penalty / 2 * float((matrix[:-1] ** 2).sum())
        down = np.concatenate([x.T @ gradient + penalty * matrix[:-1], gradient.sum(axis=0)[None]])
        return value, down.ravel()

    found = minimize(loss, np.zeros((width + 1) * classes), jac=True, method="L-BFGS-B",
                     options={"maxiter": _MOST_STEPS})  # fmt: skip
    matrix = found.x.reshape(width + 1, classes)
    return LinearProbe(rows.mean, rows.scale, rows.basis @ matrix[:-1], matrix[-1])

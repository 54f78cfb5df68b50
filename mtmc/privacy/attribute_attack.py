"""Auxiliary-attribute inference: how well a linear reader tells an attribute from feature vectors (seeds_digest C2).

The same number says how useful features are for reading that attribute on purpose. Judged on vehicles that the reader
never saw, by balanced accuracy against chance, with an interval over vehicles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.config import did_you_mean
from mtmc.errors import ConfigError, InputError
from mtmc.privacy.folds import splits
from mtmc.privacy.linear_probe import fit_exact
from mtmc.privacy.published_probe import fit_published

METHODS = {"exact": fit_exact, "published": fit_published}


@dataclass(frozen=True)
class AttackConfig:
    """method: of `METHODS`. folds: parts of the vehicles, each judged once. fewest_groups: vehicles that a class needs,
    one a fold at least. most_rows: more are drawn from. resamples: of the bootstrap. confidence: of the interval."""

    method: str = "exact"  # finds what the published schedule finds and more, faster (docs/privacy.md)
    folds: int = 5
    fewest_groups: int = 5
    most_rows: int = 5000  # beyond that an audit gains digits, not answers
    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError("attack method", " or ".join(METHODS), self.method, did_you_mean(self.method, METHODS))
        if self.folds < 3 or self.fewest_groups < self.folds:
            raise ConfigError("attack folds", "3 or more, and fewest_groups as many", f"{self.folds} and "
                              f"{self.fewest_groups}")  # fmt: skip


@dataclass(frozen=True)
class AttackResult:
    """classes: those that were told apart. left_out: classes with too few vehicles. groups: vehicles. low, high: of the
    interval. balanced_accuracy is NaN where fewer than two classes are left."""

    attribute: str
    classes: tuple[str, ...]
    left_out: tuple[str, ...]
    rows: int
    groups: int
    balanced_accuracy: float
    low: float
    high: float

    @property
    def chance(self) -> float:
        """What any constant answer gets."""
        return 1 / len(self.classes) if self.classes else float("nan")

    @property
    def readable(self) -> bool:
        """Whether the whole interval lies above chance."""
        return self.low > self.chance


def attack(
    attribute: str, features: np.ndarray, labels: np.ndarray, groups: np.ndarray, config: AttackConfig | None = None
) -> AttackResult:
    """Read `labels` (N strings; "" = unknown, left out) from features (N, D). groups: int64 (N,), rows of one vehicle.

    Raises `InputError` where lengths differ or a feature is not finite.
    """
    config = config or AttackConfig()
    labels = np.asarray(labels, dtype=np.str_)
    if not len(features) == len(labels) == len(groups) or features.ndim != 2:
        raise InputError(f"attack on {attribute}", "as many labels and groups as feature rows",
                         f"{len(labels)} and {len(groups)} for {features.shape}")  # fmt: skip
    if not np.isfinite(features).all():
        raise InputError(f"attack on {attribute}", "finite features", "NaN or infinity")
    names = np.unique(labels[labels != ""])
    kept = [str(name) for name in names if len(np.unique(groups[labels == name])) >= config.fewest_groups]
    left_out = tuple(str(name) for name in names if name not in kept)
    rows = _drawn(np.flatnonzero(np.isin(labels, kept)), config)
    if len(kept) < 2:
        nan = float("nan")
        return AttackResult(attribute, tuple(kept), left_out, len(rows), len(np.unique(groups[rows])), nan, nan, nan)
    numbers, own_groups = np.searchsorted(kept, labels[rows]), np.unique(groups[rows], return_inverse=True)[1]
    hits = predictions(features[rows], numbers, own_groups, config) == numbers
    score, low, high = _interval(hits, numbers, own_groups, len(kept), config)
    return AttackResult(attribute, tuple(kept), left_out, len(rows), int(own_groups.max()) + 1, score, low, high)


def predictions(features: np.ndarray, labels: np.ndarray, groups: np.ndarray, config: AttackConfig) -> np.ndarray:
    """int64 (N,): what is read from each row by a probe that saw no row of its group. labels: int64, 0 … C - 1."""
    predicted = np.zeros(len(labels), np.int64)
    for split in splits(labels, groups, config.folds, config.seed):
        chosen = features[split.selection], labels[split.selection]
        fit = METHODS[config.method]
        probe = fit(features[split.fit], labels[split.fit], int(labels.max()) + 1, chosen, config.seed)
        predicted[split.test] = probe.predict(features[split.test])
    return predicted


def _drawn(rows: np.ndarray, config: AttackConfig) -> np.ndarray:
    if len(rows) <= config.most_rows:
        return rows
    return np.sort(np.random.default_rng(config.seed).choice(rows, config.most_rows, replace=False))


def _interval(
    hits: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: int, config: AttackConfig
) -> tuple[float, float, float]:
    """Balanced accuracy with its percentile interval over groups drawn with replacement."""
    count = int(groups.max()) + 1
    right, total = np.zeros((count, classes)), np.zeros((count, classes))
    np.add.at(right, (groups, labels), hits)
    np.add.at(total, (groups, labels), 1)
    score = float((right.sum(axis=0) / total.sum(axis=0)).mean())
    draws = np.random.default_rng(config.seed).multinomial(count, np.full(count, 1 / count), config.resamples)
    seen = draws @ total
    recalls = np.where(seen > 0, draws @ right / np.maximum(seen, 1), np.nan)
    tail = (1 - config.confidence) / 2
    low, high = np.quantile(np.nanmean(recalls, axis=1), [tail, 1 - tail])
    return score, float(low), float(high)

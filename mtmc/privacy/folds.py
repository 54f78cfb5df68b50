"""Splitting rows for an attack, so that what belongs together (a vehicle's tracklets) is never on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """int64 rows: the attacker fits on `fit`, chooses on `selection`, and is judged on `test`."""

    fit: np.ndarray
    selection: np.ndarray
    test: np.ndarray


def splits(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> Iterator[Split]:
    """`folds` splits in which every row is in `test` once. labels, groups: int64 (N,)."""
    fold_of = fold_numbers(labels, groups, folds, seed)
    for number in range(folds):
        test, selection = fold_of == number, fold_of == (number + 1) % folds
        yield Split(np.flatnonzero(~test & ~selection), np.flatnonzero(selection), np.flatnonzero(test))


def fold_numbers(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """int64 (N,): the fold of each row. A group lies in one fold; every fold gets its part of each class, rare classes
    being dealt out first."""
    _, label_rows = np.unique(labels, return_inverse=True)
    _, group_rows = np.unique(groups, return_inverse=True)
    classes, count = int(label_rows.max(initial=-1)) + 1, int(group_rows.max(initial=-1)) + 1
    table = np.zeros((count, classes))  # rows of each class in each group
    np.add.at(table, (group_rows, label_rows), 1)
    share = table / np.maximum(table.sum(axis=0), 1)
    shuffled = np.random.default_rng(seed).permutation(count)
    order = shuffled[np.argsort(-share[shuffled].max(axis=1, initial=0), kind="stable")]
    loads, fold_of_group = np.zeros((folds, classes)), np.zeros(count, np.int64)
    for group in order:
        # The fold that has least of what this group brings; among equals the one with fewest rows in all.
        wanted = loads @ (share[group] > 0) + 1e-6 * loads.sum(axis=1)
        fold_of_group[group] = int(np.argmin(wanted))
        loads[fold_of_group[group]] += share[group]
    return fold_of_group[group_rows]

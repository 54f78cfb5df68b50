"""Which of very many pairs a fit looks at: all that may be true, and of the surely false ones every so many."""

from __future__ import annotations

import numpy as np

FITTED = 100_000  # pairs up to which all are looked at
SURELY_FALSE = 0.002


def thinned(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 (Q,) rows, in order, and float64 (Q,) how many pairs each stands for.

    probability: (P,) of each pair to be true, as believed so far. The sure negatives are taken at equal steps, so that
    about `FITTED` are kept beside the others; in sum the rows stand for P.
    """
    rows = np.arange(len(probability))
    if len(rows) <= FITTED:
        return rows, np.ones(len(rows))
    surely_false = probability < SURELY_FALSE
    false_rows = rows[surely_false]
    some = false_rows[::max(1, len(false_rows) // FITTED)]
    rows = np.sort(np.concatenate([rows[~surely_false], some]))
    return rows, np.where(surely_false[rows], len(false_rows) / max(len(some), 1), 1.0)

"""Which of a set of feature vectors are like no other: auto-encoder, clusters, normality in one step (H2)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mtmc.errors import ConfigError
from reid_models.clustering.clusters import cluster
from reid_models.clustering.l2_autoencoder import AutoencoderConfig, codes_of, fit_autoencoder
from reid_models.clustering.normality import normality


@dataclass(frozen=True)
class OddnessConfig:
    """clusters: k, the number of kinds of normal rows (nine in the published protocol); fewer where there are not four
    rows a cluster. most_rows: more are drawn from for the fit; all are judged. network: the auto-encoder, which sees
    odd rows too, and no label."""

    clusters: int = 9
    most_rows: int = 5000  # a day's crops are fitted as fast as an hour's
    # A quarter of the published widths, fit for some thousand vectors and a few seconds of one core.
    network: AutoencoderConfig = field(default_factory=lambda: AutoencoderConfig(widths=(128, 128, 512)))

    def __post_init__(self) -> None:
        if self.clusters < 1:
            raise ConfigError("clusters", "1 or more", str(self.clusters))


_ROWS_A_CLUSTER = 4


def normalities_of(rows: np.ndarray, config: OddnessConfig) -> np.ndarray:
    """float64 (N,), -1 to 1, of rows (N, D): how near each is to a group of its fellows. One row, or none, is normal.

    Deterministic: the same rows and settings give the same numbers, in whatever order the rows come.
    """
    if len(rows) < 2:
        return np.ones(len(rows))
    order = np.lexsort(np.asarray(rows, np.float32).T[::-1])  # training draws by place; so places are made canonical
    ordered = _spread(np.asarray(rows, np.float32)[order])
    fitted = np.linspace(0, len(rows) - 1, min(len(rows), config.most_rows)).round().astype(np.int64)
    codes = codes_of(fit_autoencoder(ordered[fitted], config.network), ordered)
    count = max(1, min(config.clusters, len(fitted) // _ROWS_A_CLUSTER))
    centres, _ = cluster(codes[fitted], count, config.network.seed)
    found = np.empty(len(rows))
    found[order] = normality(codes, centres)
    return found


def _spread(rows: np.ndarray) -> np.ndarray:
    """Rows about their mean, in units of their overall deviation: values of unit vectors of hundreds of dimensions are
    so small that a fresh network sees little but its own biases."""
    centred = rows - rows.mean(axis=0, dtype=np.float64)
    return (centred / max(float(centred.std()), 1e-12)).astype(np.float32)

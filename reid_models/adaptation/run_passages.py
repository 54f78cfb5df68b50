"""The tracklets of a run as adaptation sees them: when, where, what kind, and one vector each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from reid_models.data.run_folder import load_split
from reid_models.data.samples import ReidSamples
from reid_models.temporal import pool


@dataclass(frozen=True, eq=False)
class Passages:
    """M tracklets of a run that have crops, and those crops.

    samples: N crops; their `tracklets` are rows 0 … M - 1 here, their `identities` what the run's matcher (or a person)
    says. cameras: int64 (M,). spans_s: float64 (M, 2), start and end. kinds: M words. identities: int64 (M,). rows: for
    each tracklet the rows of its crops.
    """

    samples: ReidSamples
    cameras: np.ndarray
    spans_s: np.ndarray
    kinds: tuple[str, ...]
    identities: np.ndarray
    rows: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.cameras)


def read_passages(run: Path) -> Passages:
    """Of a run folder. Raises `InputError` for a run without crops or times, or an encrypted one."""
    samples = load_split(Path(run), "all")
    count = int(samples.tracklets.max()) + 1
    order = np.argsort(samples.tracklets, kind="stable")
    rows = np.split(order, np.searchsorted(samples.tracklets[order], np.arange(1, count)))
    first = np.array([own[0] for own in rows])
    spans = samples.spans_s[first]
    if np.isnan(spans).any():
        raise InputError(Path(run) / "tracklets.csv", "start_s and end_s of every tracklet", "none of some",
                         "Give a run folder as run_cameras leaves it.")
    return Passages(samples, samples.cameras[first], spans, tuple(samples.kinds[row] for row in first.tolist()),
                    samples.identities[first], tuple(rows))


def pooled(passages: Passages, image_embeddings: np.ndarray) -> np.ndarray:
    """float32 (M, D): each tracklet's mean vector, unit length. image_embeddings: (N, D) of the samples."""
    return np.stack([pool(image_embeddings[rows]) for rows in passages.rows])

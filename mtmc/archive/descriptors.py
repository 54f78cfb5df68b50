"""Feature vectors in few bytes, by name: half precision, principal components, product codes, bits (seeds_digest G).

A fitted coder turns unit vectors float32 (N, D) into codes and codes back into unit vectors, which any matcher can
compare; what that costs in accuracy is measured by benchmarks/compact_features.py. Coders are fitted on the vectors
that they will hold and stored beside them as plain arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mtmc.archive import binary_codes, principal_codes, product_codes
from mtmc.config import did_you_mean
from mtmc.errors import ConfigError, InputError

Arrays = Mapping[str, np.ndarray]


class Coder(Protocol):
    """What each module of this kind has."""

    def fit(self, rows: np.ndarray, size: int, seed: int) -> dict[str, np.ndarray]:
        """The arrays that coding needs, for rows float32 (N, D), N >= 2."""
        ...

    def encode(self, rows: np.ndarray, fitted: Arrays) -> np.ndarray:
        """Codes (N, …) of rows (N, D)."""
        ...

    def decode(self, codes: np.ndarray, fitted: Arrays) -> np.ndarray:
        """float32 (N, D), about the rows; not yet of unit length."""
        ...

    def bytes_per_row(self, size: int) -> float:
        """What a code takes, without what is stored once."""
        ...


CODERS: Mapping[str, Coder] = {
    "principal": principal_codes, "product": product_codes, "binary": binary_codes,
}  # type: ignore[dict-item]
NAMES = ("float32", "float16", *CODERS)


@dataclass(frozen=True)
class DescriptorConfig:
    """kind: of `NAMES`. size: components kept, bytes a vector, or bits a vector, by kind; 0 takes the kind's own."""

    kind: str = "float16"
    size: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in NAMES:
            raise ConfigError("features", " or ".join(NAMES), self.kind, did_you_mean(self.kind, NAMES))
        if self.size < 0:
            raise ConfigError("feature size", "0 or more", str(self.size))

    @property
    def resolved_size(self) -> int:
        """The size that is used."""
        defaults = {"principal": 64, "product": 32, "binary": 256}
        return self.size or defaults.get(self.kind, 0)


@dataclass(frozen=True, eq=False)
class Compact:
    """N coded vectors of D dimensions. fitted: what decoding needs besides; empty for plain kinds."""

    kind: str
    dimension: int
    codes: np.ndarray
    fitted: Arrays

    @property
    def nbytes(self) -> int:
        """Bytes of the codes and of what is stored once."""
        return int(self.codes.nbytes + sum(array.nbytes for array in self.fitted.values()))


def compress(rows: np.ndarray, config: DescriptorConfig) -> Compact:
    """The vectors float32 (N, D) in the form that `config` asks for. Fewer than two vectors that differ cannot be
    fitted on and are kept in half precision. Raises `InputError` for anything but finite rows."""
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise InputError("vectors to compress", "finite (N, D)", f"{rows.shape}")
    kind = config.kind
    if kind in CODERS and (len(rows) < 2 or not np.ptp(rows, axis=0).any()):
        kind = "float16"
    if kind not in CODERS:
        return Compact(kind, rows.shape[1], rows.astype(kind), {})
    coder, values = CODERS[kind], np.asarray(rows, np.float32)
    fitted = coder.fit(values, config.resolved_size, config.seed)
    return Compact(kind, rows.shape[1], coder.encode(values, fitted), fitted)


def restore(compact: Compact) -> np.ndarray:
    """float32 (N, D), unit rows, but float32 kept as it is. Raises `ConfigError` for a kind that nobody knows."""
    if compact.kind == "float32":
        return np.asarray(compact.codes, np.float32)
    if compact.kind == "float16":
        rows = np.asarray(compact.codes, np.float32)
    elif compact.kind in CODERS:
        rows = CODERS[compact.kind].decode(compact.codes, compact.fitted)
    else:
        raise ConfigError("features", " or ".join(NAMES), compact.kind)
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    flat = np.full(rows.shape, 1 / np.sqrt(max(rows.shape[1], 1)))  # a row without length has no direction of its own
    return np.where(lengths > 1e-12, rows / np.maximum(lengths, 1e-12), flat).astype(np.float32)

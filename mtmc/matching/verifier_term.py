"""What a pair verifier says of two tracklets' vectors, as evidence for the matcher (optional; seeds_digest E1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtmc.errors import ConfigError

if TYPE_CHECKING:
    from reid_models.pair_verifier import PairVerifier

_AT_ONCE = 65536  # pairs; at 768 numbers a vector some 400 MB


@dataclass(frozen=True)
class VerifierConfig:
    """file: the `*_verifier.safetensors` that a training with `loss.verification_weight` left; "" is off."""

    file: str = ""
    # The verifier judges the very vectors whose distance the matcher judges already: 1 counts much of it twice.
    weight: float = 0.5
    limit: float = 3.0  # natural logarithms: 20 to 1 at most, so that two pictures are never proof

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1 or not 0 < self.limit < float("inf"):
            raise ConfigError("verifier.weight and verifier.limit", "above 0 (weight at most 1)",
                              f"{self.weight} and {self.limit}")


def verified(verifier: PairVerifier, vectors: np.ndarray, config: VerifierConfig, a: np.ndarray, b: np.ndarray
             ) -> np.ndarray:
    """float64 (P,) log likelihood ratios of pairs of rows a, b of the unit vectors float32 (M, D).

    The verifier's log odds, taken as if it had learned from as many pairs of one vehicle as of two; its training begins
    there and goes up to 4 to 1, which makes it the more careful. Raises `InputError` for vectors of another length.
    """
    from reid_models.pair_verifier import log_odds_same

    parts = [slice(start, start + _AT_ONCE) for start in range(0, max(len(a), 1), _AT_ONCE)]
    odds = np.concatenate([log_odds_same(verifier, vectors[a[part]], vectors[b[part]]) for part in parts])
    return config.weight * np.clip(odds, -config.limit, config.limit)


def require_verifier(file: Path, weights: Path | None) -> None:
    """Raise `WeightsError` where `file` is no verifier, `ConfigError` where it does not belong to the network `weights`
    (None: no network of one's own)."""
    from reid_models.pair_verifier import load_verifier
    from reid_models.weights_file import read_info

    dimension = load_verifier(file).dimension
    if weights is None:
        raise ConfigError("--verifier", "--weights of the same training beside it", "other vectors",
                          "Give the weights file that lies beside the verifier.")
    found = read_info(weights).model.dimension
    if found != dimension:
        raise ConfigError(f"--verifier {file}", f"a verifier of {found} numbers, as {weights} makes", str(dimension),
                          "Give both files of one training.")

"""Probability that two embeddings show one vehicle: the square layer and 2-way softmax of the verification-
identification network (Zheng, Zheng, Yang 2016; seeds_digest E1).

It needs nothing but the vectors that a run keeps, so that it can judge pairs of tracklets afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from mtmc.errors import InputError, WeightsError
from mtmc.files import write_bytes

FORMAT = "mtmc-pair-verifier-1"
DIFFERENT, SAME = 0, 1  # the two answers


class PairVerifier(nn.Module):
    """logits = theta · (scale · (f1 − f2))² + bias; symmetric, since a square forgets the sign."""

    def __init__(self, dimension: int, scale: float | None = None) -> None:
        """scale: what the difference is multiplied with before it is squared; default √dimension, which turns the
        elements of a difference of unit vectors, 1/√dimension each, into numbers near 1."""
        super().__init__()
        self.scale = dimension**0.5 if scale is None else scale
        self.theta = nn.Linear(dimension, 2)
        # Begin at "the farther, the less the same", an even answer near the distance of strangers (√2).
        with torch.no_grad():
            slope = 1.0 / dimension
            self.theta.weight.copy_(torch.tensor([[slope], [-slope]]).expand(2, dimension))
            self.theta.bias.copy_(torch.tensor([-1.0, 1.0]))

    @property
    def dimension(self) -> int:
        """Length of the vectors that it compares."""
        return self.theta.in_features

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(P, D) each → logits (P, 2) for `DIFFERENT` and `SAME`."""
        return self.theta((self.scale * (first - second)).square())


def probability_same(verifier: PairVerifier, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """float64 (P,), 0 to 1, for embeddings float32 (P, D) each. Raises `InputError` for other shapes."""
    return torch.sigmoid(torch.from_numpy(log_odds_same(verifier, first, second))).numpy()


def log_odds_same(verifier: PairVerifier, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """float64 (P,), the natural logarithm of P(same) / P(different). Raises as `probability_same`."""
    dimension = verifier.dimension
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] != dimension:
        raise InputError("pairs of embeddings", f"two arrays of (pairs, {dimension})",
                         f"{first.shape} and {second.shape}")
    with torch.inference_mode():
        logits = verifier(torch.from_numpy(np.asarray(first, np.float32)),
                          torch.from_numpy(np.asarray(second, np.float32))).double()
        return (logits[:, SAME] - logits[:, DIFFERENT]).numpy()


def save_verifier(path: Path, verifier: PairVerifier) -> None:
    """Write a verifier, atomically."""
    tensors = {name: value.detach().cpu().float().contiguous() for name, value in verifier.theta.state_dict().items()}
    write_bytes(path, safetensors_bytes(tensors, {FORMAT: json.dumps({"scale": verifier.scale})}))


def load_verifier(path: Path) -> PairVerifier:
    """A verifier from its file. Raises `WeightsError` naming the file where it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            scale = float(json.loads((file.metadata() or {})[FORMAT])["scale"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        verifier = PairVerifier(state["weight"].shape[1], scale)
        verifier.theta.load_state_dict(state)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise WeightsError(path, "a pair verifier", " ".join(str(error).split()),
                           "Give the *_verifier.safetensors that a training with loss.verification_weight left.",
                           ) from error
    return verifier.eval()

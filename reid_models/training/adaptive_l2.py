"""Adaptive L2 regularisation (Ni, Fang, Rahtu, ICPR 2020; seeds_digest B2): every tensor has a factor of its own.

The factor is A·f(theta) with theta learned along with the weights and f a hard sigmoid, which keeps it between 0 and A.

What it does: the loss does not depend on theta but through the penalty, whose derivative A·|w|² / 2c is never negative.
Each theta can only fall, so each factor is a penalty that **decays** at a pace set by the learning rate; it is no
search for the best factor. A tensor of zeros stays where it began.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtmc.errors import ConfigError


@dataclass(frozen=True)
class AdaptiveL2Config:
    """The text names neither A nor the start; these are the authors' code."""

    amplitude: float = 0.005  # A; theta starts at 0, hence factors at A / 2
    half_width: float = 2.5  # c: theta beyond which the hard sigmoid is 0 or 1

    def __post_init__(self) -> None:
        if self.amplitude <= 0 or self.half_width <= 0:
            raise ConfigError("optimiser.adaptive_l2", "an amplitude and a half width above 0",
                              f"{self.amplitude}, {self.half_width}")


def hard_sigmoid(theta: Tensor, half_width: float) -> Tensor:
    """0 below −c, 1 above c, a straight line between."""
    return (theta / (2 * half_width) + 0.5).clamp(0, 1)


class AdaptiveL2(nn.Module):
    """Σ_n A·f(theta_n)·|w_n|² over all trained tensors of a model, whatever their rank."""

    def __init__(self, model: nn.Module, config: AdaptiveL2Config | None = None) -> None:
        super().__init__()
        self.config = config or AdaptiveL2Config()
        self.theta = nn.Parameter(torch.zeros(len(trained_parameters(model))))
        self._groups = group_rows(model)

    @property
    def factors(self) -> Tensor:
        """(tensors,) lambda of each, 0 to A, in the order of the model's parameters."""
        return self.config.amplitude * hard_sigmoid(self.theta, self.config.half_width)

    def forward(self, model: nn.Module) -> Tensor:
        """The penalty, in float32."""
        return (self.factors * squared_norms(model)).sum()

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """Mean factor of each group of tensors, for the log."""
        return {name: float(self.factors[rows].mean()) for name, rows in self._groups.items()}


def trained_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that the optimiser moves."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def squared_norms(model: nn.Module) -> Tensor:
    """float32 (tensors,): sum of squares of each trained tensor."""
    return torch.stack([parameter.float().square().sum() for parameter in trained_parameters(model)])


def group_rows(model: nn.Module) -> dict[str, list[int]]:
    """Places of the trained tensors by what they are: conv_kernel, norm_gamma, dense_bias … ; others are "other"."""
    rows: dict[str, list[int]] = {}
    kinds = ((nn.modules.conv._ConvNd, "conv_kernel", "conv_bias"), (nn.Linear, "dense_kernel", "dense_bias"),
             (nn.modules.batchnorm._NormBase, "norm_gamma", "norm_beta"))
    place = {id(parameter): row for row, parameter in enumerate(trained_parameters(model))}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in place:
                group = next((names[name == "bias"] for kind, *names in kinds if isinstance(module, kind)), "other")
                rows.setdefault(f"lambda_{group}", []).append(place[id(parameter)])
    return dict(sorted(rows.items()))

"""Penalties on weights by the name that `optimiser.penalty` gives. The only place that knows the names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from reid_models.training.adaptive_l2 import AdaptiveL2, squared_norms

if TYPE_CHECKING:
    from reid_models.training.config import OptimiserConfig


class ConstantL2(nn.Module):
    """factor·Σ|w|² over all trained tensors: the conventional penalty, with which adaptive L2 is compared."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, model: nn.Module) -> Tensor:
        """The penalty, in float32."""
        return self.factor * squared_norms(model).sum()

    def report(self) -> dict[str, float]:
        """Nothing changes."""
        return {}


# name → (settings, model) → a module of (model) with a `report`, or None.
PENALTIES: dict[str, Callable[[OptimiserConfig, nn.Module], ConstantL2 | AdaptiveL2 | None]] = {
    "none": lambda config, model: None,
    "l2": lambda config, model: ConstantL2(config.l2_factor),
    "adaptive-l2": lambda config, model: AdaptiveL2(model, config.adaptive_l2),
}

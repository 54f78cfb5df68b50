"""Exponential averages of weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class AveragedModel:
    """A copy of `model` that follows it: average ← decay·average + (1 − decay)·model, norms' statistics included.

    The decay starts near 0 and rises to its value as (1 + n) / (10 + n), so that the random start is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = copy.deepcopy(model).requires_grad_(False), decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """After optimiser step number `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages, values = self.model.state_dict(), model.state_dict()
        floats = [name for name, value in values.items() if value.dtype.is_floating_point]
        torch._foreach_lerp_([averages[n] for n in floats], [values[n] for n in floats], 1 - decay)
        for name in values.keys() - set(floats):
            averages[name].copy_(values[name])

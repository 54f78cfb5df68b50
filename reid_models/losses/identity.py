"""Identity classification with label smoothing (seeds_digest A5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError


class IdentityLoss(nn.Module):
    """Cross entropy against q'(i) = (1 − eps)·q(i) + eps / N over N identities."""

    def __init__(self, smoothing: float = 0.1) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ConfigError("loss.smoothing", "0 <= smoothing < 1", str(smoothing))
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits (N, identities), labels (N,) in 0..identities − 1 → scalar."""
        logits = logits if logits.dtype == torch.float64 else logits.float()
        if len(logits) == 0:
            return logits.sum()
        return functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)

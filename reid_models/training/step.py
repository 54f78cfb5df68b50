"""Images and their marks to losses: everything that learns, in one module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reid_models.architectures import build_network
from reid_models.data.marks import Marks
from reid_models.losses.objective import Objective, Parts
from reid_models.network_embedder import normalise
from reid_models.training.attributes import with_accuracies
from reid_models.training.config import TrainConfig
from reid_models.training.passes import PASSES
from reid_models.training.penalties import PENALTIES


class TrainingStep(nn.Module):
    """The network, the losses (some have weights of their own) and the penalty, so that one wrapper keeps the
    gradients of all of them alike over several processes."""

    def __init__(self, config: TrainConfig, identities: int, kinds: int, dtype: torch.dtype) -> None:
        """dtype: of the network's arithmetic; losses stay in float32."""
        super().__init__()
        self.config, self.dtype = config, dtype
        # Classifiers that no loss looks at are left out: they would learn nothing, and several processes wait for
        # the gradient of every weight.
        self.model = build_network(config.model, identities if config.loss.identity_weight else 0,
                                   kinds if config.loss.kind_weight else 0)
        self.objective = Objective(config.loss, config.seed, config.model.dimension)
        self.penalty = PENALTIES[config.optimiser.penalty](config.optimiser, self.model)

    def forward(self, images: Tensor, marks: Marks) -> Parts:
        """images: uint8 (N, 3, H, W), channels last in memory."""
        with torch.autocast(images.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32):
            seen = PASSES[self.config.passes](self.model, normalise(images.permute(0, 2, 3, 1), self.config.model))
        joined = self.model.join(seen.levels) if self.objective.verification is not None else None
        parts = self.objective(seen.levels, marks, joined)
        for name, value in seen.extras.items():
            parts = parts.plus(name, value, self.config.flip_weight)
        parts = with_accuracies(parts, seen.levels, marks, self.config)
        return parts if self.penalty is None else parts.plus("penalty", self.penalty(self.model))

    def report(self) -> dict[str, float]:
        """Further numbers for the log."""
        return {} if self.penalty is None else self.penalty.report()

"""Additive angular margin (ArcFace; Deng et al., CVPR 2019, equation 3; named in seeds_digest E3 and D7)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError


@dataclass(frozen=True)
class ArcFaceConfig:
    """scale 30, margin 0.3: the authors' 64 and 0.5 are for face sets of 10,000s of identities and do not begin to
    learn from a random start on hundreds."""

    scale: float = 30.0
    margin_rad: float = 0.3

    def __post_init__(self) -> None:
        if self.scale <= 0 or not 0 <= self.margin_rad < math.pi / 2:
            raise ConfigError("loss.arcface", "a scale above 0, a margin of 0 to 1.57 rad",
                              f"{self.scale}, {self.margin_rad}")


class ArcFaceLoss(nn.Module):
    """Cross entropy of scale·cos(angle to each class), the angle to the right class widened by the margin.

    Takes the cosines of a cosine classifier (`model.classifier: cosine`). Where the widened angle would pass π the
    cosine keeps falling in a straight line, so that the loss never turns around (the authors' code does the same).
    """

    def __init__(self, config: ArcFaceConfig | None = None, smoothing: float = 0.0) -> None:
        super().__init__()
        config = config or ArcFaceConfig()
        self.scale, self.margin, self.smoothing = config.scale, config.margin_rad, smoothing

    def forward(self, cosines: Tensor, labels: Tensor) -> Tensor:
        """cosines (N, identities), labels (N,) → scalar."""
        cosines = cosines if cosines.dtype == torch.float64 else cosines.float()
        if len(cosines) == 0:
            return cosines.sum()
        right = cosines.gather(1, labels[:, None])
        sine = (1 - right.square()).clamp(min=1e-12).sqrt()
        widened = right * math.cos(self.margin) - sine * math.sin(self.margin)
        straight = right - math.sin(math.pi - self.margin) * self.margin
        target = torch.where(right > math.cos(math.pi - self.margin), widened, straight)
        logits = self.scale * cosines.scatter(1, labels[:, None], target)
        return functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)

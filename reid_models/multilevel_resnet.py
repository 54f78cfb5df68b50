"""A ResNet tapped at several depths; each tap gives an embedding of its own (issue 3, seeds_digest A1).

Per tap: global pooling → fully connected → (batch norm, "BNNeck") → unit length. Training puts the losses
on every tap separately; only at test are the taps joined, as the concatenation of unit vectors divided by
√taps, which is again of unit length.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torchvision
from torch import Tensor, nn

from reid_models.classifiers import CLASSIFIERS
from reid_models.embedding_network import EmbeddingNetwork, Levels, join_levels
from reid_models.model_config import STAGE_CHANNELS, ModelConfig

__all__ = ["STAGE_CHANNELS", "GlobalPool", "InstanceBatchNorm", "Levels", "ModelConfig", "MultilevelResNet", "TapHead",
           "join_levels"]



class InstanceBatchNorm(nn.Module):
    """IBN-a (Pan et al. 2018): the first half of the channels normalised per image, the rest per batch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.per_instance = channels // 2
        self.instance = nn.InstanceNorm2d(self.per_instance, affine=True)
        self.batch = nn.BatchNorm2d(channels - self.per_instance)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        first, second = torch.split(maps, [self.per_instance, maps.shape[1] - self.per_instance], dim=1)
        return torch.cat([self.instance(first), self.batch(second)], dim=1)


class GlobalPool(nn.Module):
    """(N, C, H, W) → (N, C): maximum, mean, or generalised mean with a learned power."""

    def __init__(self, kind: str, power: float = 3.0) -> None:
        super().__init__()
        self.kind = kind
        if kind == "gem":
            self.power = nn.Parameter(torch.tensor(power))

    def forward(self, maps: Tensor) -> Tensor:
        """Pool over space; the powers of GeM in float32, since they overflow in half precision."""
        if self.kind == "max":
            return maps.amax(dim=(2, 3))
        if self.kind == "avg":
            return maps.mean(dim=(2, 3))
        return maps.float().clamp(min=1e-6).pow(self.power).mean(dim=(2, 3)).pow(1 / self.power)


class TapHead(nn.Module):
    """One level: pooled maps to a vector, its neck, and the identity scores used while training."""

    def __init__(self, channels: int, config: ModelConfig, identities: int) -> None:
        super().__init__()
        self.pool = GlobalPool(config.pooling, config.gem_power)
        width = config.embedding_dim or channels
        self.embed: nn.Module = nn.Identity()
        if config.embedding_dim:
            self.embed = nn.Linear(channels, width)
            nn.init.kaiming_normal_(self.embed.weight, nonlinearity="linear")
            nn.init.zeros_(self.embed.bias)
        self.neck: nn.Module = nn.Identity()
        if config.bn_neck:
            self.neck = nn.BatchNorm1d(width)
            self.neck.bias.requires_grad_(False)  # without a shift, classes are told apart by direction (BNNeck)
        self.dropout: nn.Module = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.classifier = CLASSIFIERS[config.classifier](width, identities) if identities else None

    @classmethod
    def without_embedding(cls, width: int, config: ModelConfig, identities: int) -> TapHead:
        """A level whose vectors are made elsewhere: neck and classifier only."""
        return cls(width, replace(config, embedding_dim=0, pooling="avg"), identities)

    def feature(self, maps: Tensor) -> Tensor:
        """Maps (N, C, H, W) to vectors (N, D), float32."""
        return self.embed(self.pool(maps)).float()

    def judge(self, feature: Tensor) -> tuple[Tensor, Tensor | None]:
        """Vectors (N, D) to (neck, identity scores (N, identities) or None), float32."""
        neck = self.neck(feature)
        return neck, None if self.classifier is None else self.classifier(self.dropout(neck)).float()


class MultilevelResNet(EmbeddingNetwork):
    """`identities`: number of training identities; 0 leaves the classifiers out (a model for use)."""

    def __init__(self, config: ModelConfig, identities: int = 0, kinds: int = 0) -> None:
        """kinds: not learned here."""
        super().__init__()
        self.config = config
        self.stem, self.stages = build_trunk(config, max(config.taps))
        self.heads = nn.ModuleDict({f"layer{t}": TapHead(config.channels[t - 1], config, identities)
                                    for t in config.taps})

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """See `EmbeddingNetwork.features`."""
        features = []
        maps = self.stem(images)
        for name, stage in self.stages.items():
            maps = stage(maps)
            if name in self.heads:
                features.append(self.heads[name].feature(maps))  # type: ignore[operator]
        return tuple(features)

    def levels(self, features: tuple[Tensor, ...]) -> Levels:
        """See `EmbeddingNetwork.levels`; `logits` is empty without classifiers."""
        judged = [head.judge(feature)  # type: ignore[operator]
                  for head, feature in zip(self.heads.values(), features, strict=True)]
        return Levels(features, tuple(neck for neck, _ in judged),
                      tuple(logits for _, logits in judged if logits is not None))


def build_trunk(config: ModelConfig, deepest: int) -> tuple[nn.Sequential, nn.ModuleDict]:
    """The stem and the stages 1 to `deepest` of the backbone, with random weights."""
    base = getattr(torchvision.models, config.backbone)(weights=None)
    if config.last_stride == 1:
        _unstride(base.layer4)
    if config.ibn_a:
        for stage in (base.layer1, base.layer2, base.layer3):
            for block in stage:
                block.bn1 = InstanceBatchNorm(block.bn1.num_features)
    stem = nn.Sequential()
    for name in ("conv1", "bn1", "relu", "maxpool"):
        stem.add_module(name, getattr(base, name))
    return stem, nn.ModuleDict({f"layer{i}": getattr(base, f"layer{i}") for i in range(1, deepest + 1)})


def _unstride(stage: nn.Module) -> None:
    """Set the stride of a stage's first block to 1; weights keep their shapes."""
    first = stage[0]  # type: ignore[index]
    for module in first.modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.stride = (1, 1)

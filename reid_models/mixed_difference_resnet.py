"""Mixed difference network of deep relative distance learning (Liu et al., CVPR 2016; seeds_digest E2).

Two branches leave the pooled map: one learns the vehicle's kind (its model, where that is labelled) by softmax, the
other what tells one vehicle from the next. Both are fused into the vector of use. The metric loss, coupled clusters,
acts on the second branch and again on the fused vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtmc.errors import ConfigError
from reid_models.classifiers import CLASSIFIERS
from reid_models.embedding_network import EmbeddingNetwork, Levels, join_levels
from reid_models.model_config import ModelConfig
from reid_models.multilevel_resnet import GlobalPool, TapHead, build_trunk


class MixedDifferenceResNet(EmbeddingNetwork):
    """`features`: the kind branch and the difference branch; `levels`: the difference branch and the fused vector."""

    def __init__(self, config: ModelConfig, identities: int = 0, kinds: int = 0) -> None:
        """kinds: number of kinds in the training images; 0 leaves their classifier out."""
        super().__init__()
        if not config.embedding_dim:
            raise ConfigError("model.embedding_dim", "1 or more with the mixed difference network", "0")
        self.config = config
        self.stem, self.stages = build_trunk(config, deepest=4)
        channels, width = config.channels[3], config.embedding_dim
        self.heads = nn.ModuleDict({
            "pool": GlobalPool(config.pooling, config.gem_power),
            "kind": KindBranch(channels, width, kinds),
            "difference": nn.Sequential(nn.Linear(channels, width), nn.ReLU()),
            "difference_level": TapHead.without_embedding(width, config, identities),
            "fuse": nn.Linear(2 * width, width),
            "fused_level": TapHead.without_embedding(width, config, identities),
        })

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """See `EmbeddingNetwork.features`."""
        maps = self.stem(images)
        for stage in self.stages.values():
            maps = stage(maps)
        pooled = self.heads["pool"](maps)
        return self.heads["kind"](pooled).float(), self.heads["difference"](pooled).float()

    def levels(self, features: tuple[Tensor, ...]) -> Levels:
        """See `EmbeddingNetwork.levels`."""
        kind, difference = features
        fused = self.heads["fuse"](torch.cat(features, dim=1)).float()
        parts = (difference, fused)
        heads = (self.heads["difference_level"], self.heads["fused_level"])
        judged = [head.judge(part) for head, part in zip(heads, parts, strict=True)]  # type: ignore[operator,union-attr]
        return Levels(parts, tuple(neck for neck, _ in judged),
                      tuple(logits for _, logits in judged if logits is not None),
                      self.heads["kind"].scores(kind))  # type: ignore[operator,union-attr]

    def join(self, levels: Levels) -> Tensor:
        """The fused vector alone."""
        return join_levels(levels.necks[-1:])


class KindBranch(nn.Module):
    """A fully connected layer, and the kinds' scores while training."""

    def __init__(self, channels: int, width: int, kinds: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(channels, width), nn.ReLU())
        self.classifier = CLASSIFIERS["linear"](width, kinds) if kinds else None

    def forward(self, pooled: Tensor) -> Tensor:
        """(N, channels) → (N, width)."""
        return self.embed(pooled)

    def scores(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """(N, kinds), or nothing without a classifier."""
        return () if self.classifier is None else (self.classifier(vectors).float(),)

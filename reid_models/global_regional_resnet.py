"""Strong baseline with a global and two regional branches (Ni, Fang, Rahtu 2021: AdaptiveReID and FlipReID;
seeds_digest B1).

Stages 1 to 3 are shared. The global branch goes on through stage 4; the regional branch through a copy of stage 4 that
shares nothing with it, whose map is cut into horizontal stripes, each with a convolution of its own. Every branch:
pool → clip to [0, 1] → batch norm → classifier. In use the branches' clipped vectors are joined as they are.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.embedding_network import EmbeddingNetwork, Levels
from reid_models.model_config import ModelConfig
from reid_models.multilevel_resnet import TapHead, build_trunk


class BranchHead(TapHead):
    """Pool, clip (as ReLU-n does), batch norm, classifier."""

    def feature(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C) in [0, 1]."""
        return super().feature(maps).clamp(0, 1)


class GlobalRegionalResNet(EmbeddingNetwork):
    """`features`: the global branch, then the stripes from top to bottom."""

    def __init__(self, config: ModelConfig, identities: int = 0, kinds: int = 0) -> None:
        """kinds: not learned here. Raises `ConfigError` for settings of another architecture."""
        super().__init__()
        if config.embedding_dim or not config.bn_neck:
            raise ConfigError("model", "embedding_dim: 0 and bn_neck: true with global and regional branches",
                              f"{config.embedding_dim}, {config.bn_neck}")
        self.config = config
        self.stem, self.stages = build_trunk(config, deepest=4)
        channels, width = config.channels[3], config.stripe_channels
        # Under `heads`, since a file of backbone weights has no such tensors; `adopt_backbone` copies them.
        self.heads = nn.ModuleDict({
            "global": BranchHead(channels, config, identities),
            "regional": copy.deepcopy(self.stages["layer4"]),
            "reductions": nn.ModuleList(_reduction(channels, width) for _ in range(config.stripes)),
            "stripes": nn.ModuleList(BranchHead(width, config, identities) for _ in range(config.stripes)),
        })

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """See `EmbeddingNetwork.features`."""
        maps = self.stem(images)
        for name in ("layer1", "layer2", "layer3"):
            maps = self.stages[name](maps)
        regional = stripes_of(self.heads["regional"](maps), self.config.stripes)
        parts = zip(regional, self.heads["reductions"], self.heads["stripes"], strict=True)  # type: ignore[call-overload]
        return (self.heads["global"].feature(self.stages["layer4"](maps)),  # type: ignore[operator,union-attr]
                *(head.feature(reduce(stripe)) for stripe, reduce, head in parts))

    def levels(self, features: tuple[Tensor, ...]) -> Levels:
        """See `EmbeddingNetwork.levels`."""
        heads = (self.heads["global"], *self.heads["stripes"])  # type: ignore[misc]
        judged = [head.judge(feature) for head, feature in zip(heads, features, strict=True)]
        return Levels(features, tuple(neck for neck, _ in judged),
                      tuple(logits for _, logits in judged if logits is not None))

    def join(self, levels: Levels) -> Tensor:
        """The branches' vectors before the batch norm, joined, then made a unit vector."""
        return functional.normalize(torch.cat(levels.features, dim=1).float(), dim=1)

    def adopt_backbone(self) -> None:
        """The regional branch begins as the same trained stage 4."""
        self.heads["regional"].load_state_dict(self.stages["layer4"].state_dict())


def stripes_of(maps: Tensor, count: int) -> list[Tensor]:
    """(N, C, H, W) cut into `count` horizontal stripes of equal height, the last with the rows left over. Maps too low
    for one row each are cut where they overlap least."""
    height = maps.shape[2]
    if height < count:
        return [maps[:, :, min(i, height - 1):min(i, height - 1) + 1] for i in range(count)]
    step = height // count
    return [maps[:, :, i * step:(i + 1) * step if i < count - 1 else height] for i in range(count)]


def _reduction(channels: int, width: int) -> nn.Sequential:
    """3 × 3 convolution to fewer channels, as in the authors' code."""
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True))

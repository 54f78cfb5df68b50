"""Learned fusion of levels: the multi-level representation of ALISC 2015's third place (seeds_digest E5).

Maps of many depths are max-pooled to one size, each passes a convolution of its own, a learned linear mix adds them up,
and the sum over space is the vector. Where `multilevel` joins levels side by side, here training weighs them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.embedding_network import EmbeddingNetwork, Levels
from reid_models.model_config import ModelConfig
from reid_models.multilevel_resnet import TapHead, build_trunk


class LearnedFusionResNet(EmbeddingNetwork):
    """One level, mixed from the outputs of blocks. `fused_blocks` counts blocks of all stages from 1; none given: the
    last block of each stage in `taps`."""

    def __init__(self, config: ModelConfig, identities: int = 0, kinds: int = 0) -> None:
        """kinds: not learned here. Raises `ConfigError` for blocks that the backbone does not have."""
        super().__init__()
        if not config.embedding_dim:
            raise ConfigError("model.embedding_dim", "1 or more with learned fusion", "0")
        self.config = config
        self.stem, self.stages = build_trunk(config, deepest=4)
        ends, widths = [], []
        for stage, channels in zip(self.stages.values(), config.channels, strict=True):
            widths += [channels] * len(stage)  # type: ignore[arg-type]
            ends.append(len(widths))
        self.blocks = config.fused_blocks or tuple(ends[tap - 1] for tap in config.taps)
        if self.blocks[-1] > len(widths):
            raise ConfigError("model.fused_blocks", f"blocks from 1 to {len(widths)} of a {config.backbone}",
                              str(self.blocks))
        self.heads = nn.ModuleDict({
            "levels": nn.ModuleList(nn.Conv2d(widths[b - 1], config.embedding_dim, 1) for b in self.blocks),
            "mix": Mix(len(self.blocks)),
            "fused": TapHead.without_embedding(config.embedding_dim, config, identities),
        })

    def level_maps(self, images: Tensor) -> list[Tensor]:
        """The convolved maps (N, D, h, w) of every level, all of the size of the smallest map."""
        maps, number, tapped = self.stem(images), 0, []
        for stage in self.stages.values():
            for block in stage:  # type: ignore[attr-defined]
                maps, number = block(maps), number + 1
                if number in self.blocks:
                    tapped.append(maps)
        size = min(maps.shape[2] for maps in tapped), min(maps.shape[3] for maps in tapped)
        convolutions: nn.ModuleList = self.heads["levels"]  # type: ignore[assignment]
        return [conv(functional.adaptive_max_pool2d(maps, size))
                for conv, maps in zip(convolutions, tapped, strict=True)]

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """See `EmbeddingNetwork.features`."""
        return (self.heads["mix"](self.level_maps(images)).float().sum(dim=(2, 3)),)

    def levels(self, features: tuple[Tensor, ...]) -> Levels:
        """See `EmbeddingNetwork.levels`."""
        neck, logits = self.heads["fused"].judge(features[0])  # type: ignore[operator,union-attr]
        return Levels(features, (neck,), () if logits is None else (logits,))


class Mix(nn.Module):
    """Σ_l weight_l · maps_l: a 1 × 1 convolution over levels, the same for all channels; begins as the mean."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((levels,), 1 / levels))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps of one shape to one map."""
        return torch.einsum("l,l...->...", self.weight.to(maps[0].dtype), torch.stack(maps))

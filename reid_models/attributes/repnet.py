"""RepNet (Liu et al. 2017; seeds_digest D4): what attributes already explain is suppressed, so that the vector keeps
what tells two vehicles of one model and colour apart.

    f_base ─┬─ f_acs (1024) ── a softmax an attribute
            └─ sls1 (1024) ── repression by f_acs ── sls2 (1024, ReLU) ── sls3 (256)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.attributes.multi_task import SHARED_WIDTH, AttributeHeads
from reid_models.embedding_network import EmbeddingNetwork, Levels
from reid_models.model_config import ModelConfig
from reid_models.multilevel_resnet import GlobalPool, TapHead, build_trunk

# name → (how the two vectors are joined before W, how many times wider that is).
REPRESSIONS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int]] = {
    "product": (lambda similar, attributes: similar * attributes, 1),
    "subtractive": (lambda similar, attributes: similar - attributes, 1),
    "concatenated": (lambda similar, attributes: torch.cat([similar, attributes], dim=1), 2),
}


class Repression(nn.Module):
    """F₂ = Wᵀ·join(F₁, F_ACS): product, subtractive, or concatenated, which the authors found best."""

    def __init__(self, kind: str, width: int = SHARED_WIDTH) -> None:
        super().__init__()
        self.join, times = REPRESSIONS[kind]
        self.linear = nn.Linear(times * width, width, bias=False)

    def forward(self, similar: Tensor, attributes: Tensor) -> Tensor:
        """(N, width) twice → (N, width)."""
        return self.linear(self.join(similar, attributes))


class RepNetHead(nn.Module):
    """(N, channels) pooled maps → sls3 (N, dimension) and the scores of each attribute."""

    def __init__(self, channels: int, classes: Sequence[int], dimension: int, kind: str = "concatenated",
                 width: int = SHARED_WIDTH) -> None:
        super().__init__()
        self.attributes = AttributeHeads(channels, classes, width)
        self.sls1 = nn.Linear(channels, width)
        self.repression = Repression(kind, width)
        self.sls3 = nn.Linear(width, dimension)

    def forward(self, pooled: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The only activation stands at sls2."""
        shared, scores = self.attributes(pooled)
        sls2 = functional.relu(self.repression(self.sls1(pooled), shared))
        return self.sls3(sls2).float(), scores


class RepNetResNet(EmbeddingNetwork):
    """`features`: the pooled map; `levels`: sls3 (with the neck and classifier of any level) and the attributes.

    The seed trains the attribute branch first: a run with `loss.metric: none`, `loss.identity_weight: 0`, then another
    that starts from its weights.
    """

    def __init__(self, config: ModelConfig, identities: int = 0, kinds: int = 0) -> None:
        """Raises `ConfigError` without attributes or an embedding."""
        super().__init__()
        if not config.attributes or not config.embedding_dim:
            raise ConfigError("model", "attributes to learn and an embedding_dim (256 in the seed) with repnet",
                              f"{len(config.attributes)} attributes, {config.embedding_dim}")
        self.config = config
        self.stem, self.stages = build_trunk(config, deepest=4)
        classes = [len(words) for _, words in config.attributes]
        self.heads = nn.ModuleDict({
            "pool": GlobalPool("avg"),
            "repnet": RepNetHead(config.channels[3], classes, config.embedding_dim, config.repression),
            "level": TapHead.without_embedding(config.embedding_dim, config, identities),
        })

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """See `EmbeddingNetwork.features`."""
        maps = self.stem(images)
        for stage in self.stages.values():
            maps = stage(maps)
        return (self.heads["pool"](maps).float(),)

    def levels(self, features: tuple[Tensor, ...]) -> Levels:
        """See `EmbeddingNetwork.levels`."""
        vector, scores = self.heads["repnet"](features[0])
        neck, logits = self.heads["level"].judge(vector)  # type: ignore[operator]
        return Levels((vector,), (neck,), () if logits is None else (logits,), attributes=scores)

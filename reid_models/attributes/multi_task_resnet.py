"""The multi-level network with attribute heads beside the deepest level (seeds_digest D3): vectors and attributes from
one pass, learned together."""

from __future__ import annotations

from torch import Tensor

from mtmc.errors import ConfigError
from reid_models.attributes.multi_task import AttributeHeads
from reid_models.embedding_network import Levels
from reid_models.model_config import ModelConfig
from reid_models.multilevel_resnet import GlobalPool, MultilevelResNet


class MultiTaskResNet(MultilevelResNet):
    """`model.attributes` names the heads. The last entry of `features` is the pooled map that they read."""

    def __init__(self, config: ModelConfig, identities: int = 0, kinds: int = 0) -> None:
        super().__init__(config, identities, kinds)
        if not config.attributes:
            raise ConfigError("model.attributes", "the attributes to learn and their words", "none",
                              "Give training images with attributes: data.attributes, or kinds.")
        channels = config.channels[max(config.taps) - 1]
        self.attribute_pool = GlobalPool("avg")
        self.attribute_heads = AttributeHeads(channels, [len(words) for _, words in config.attributes])

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """See `EmbeddingNetwork.features`."""
        features, maps = [], self.stem(images)
        for name, stage in self.stages.items():
            maps = stage(maps)
            if name in self.heads:
                features.append(self.heads[name].feature(maps))  # type: ignore[operator]
        return (*features, self.attribute_pool(maps).float())

    def levels(self, features: tuple[Tensor, ...]) -> Levels:
        """See `EmbeddingNetwork.levels`."""
        _, scores = self.attribute_heads(features[-1])
        return super().levels(features[:-1])._replace(attributes=scores)



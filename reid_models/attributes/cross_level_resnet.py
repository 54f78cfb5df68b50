"""Cross-level vehicle recognition, CLVR (seeds_digest D2): a classifier of vehicle models whose last layer but one is
the re-identification vector.

Labels of models (or types) are all that it learns from. The layer is linear, without an activation; the classifier is
in no weights file. The seed's backbone is a customised Inception-V3 at 299 px; here it is the ResNet of the
configuration, whose files, inputs and weights the project has already.
"""

from __future__ import annotations

from torch import Tensor, nn

from mtmc.errors import ConfigError
from reid_models.classifiers import CLASSIFIERS
from reid_models.embedding_network import EmbeddingNetwork, Levels
from reid_models.model_config import ModelConfig
from reid_models.multilevel_resnet import GlobalPool, build_trunk


class CrossLevelResNet(EmbeddingNetwork):
    """Mean over the last map → linear layer of `embedding_dim` (1024 in the seed) → scores of `kinds` while training.

    The classes are the words of the training images' `kinds`: models where the data names them, else types.
    """

    def __init__(self, config: ModelConfig, identities: int = 0, kinds: int = 0) -> None:
        """identities: not learned here. Raises `ConfigError` without an embedding."""
        super().__init__()
        if not config.embedding_dim:
            raise ConfigError("model.embedding_dim", "1 or more with cross-level recognition (1024 in the seed)", "0")
        self.config = config
        self.stem, self.stages = build_trunk(config, deepest=4)
        self.heads = nn.ModuleDict({"pool": GlobalPool("avg"),
                                    "vector": nn.Linear(config.channels[3], config.embedding_dim)})
        self.heads["judge"] = nn.ModuleDict({"classifier": CLASSIFIERS[config.classifier](
            config.embedding_dim, kinds)}) if kinds else nn.ModuleDict()

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """See `EmbeddingNetwork.features`."""
        maps = self.stem(images)
        for stage in self.stages.values():
            maps = stage(maps)
        return (self.heads["vector"](self.heads["pool"](maps)).float(),)

    def levels(self, features: tuple[Tensor, ...]) -> Levels:
        """See `EmbeddingNetwork.levels`."""
        judge = self.heads["judge"]
        kinds = tuple(head(features[0]).float() for head in judge.values())  # type: ignore[union-attr,operator]
        return Levels(features, features, (), kinds)

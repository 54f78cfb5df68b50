"""The shape of the multi-level ResNet and of its input, without torch: also the back ends that need none read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mtmc.errors import ConfigError
from reid_models.architectures import dimension_of

# Channels after layer1 … layer4 of the backbones.
STAGE_CHANNELS = {
    "resnet18": (64, 128, 256, 512),
    "resnet34": (64, 128, 256, 512),
    "resnet50": (256, 512, 1024, 2048),
}
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}  # residual blocks a stage
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the network and of its input. Stored inside every weights file."""

    backbone: Literal["resnet18", "resnet34", "resnet50"] = "resnet50"
    taps: tuple[int, ...] = (2, 3, 4)  # stages whose output is embedded; one alone is a single-level model
    embedding_dim: int = 512  # per tap; the RLL authors use 512 a level (reid.md 2.3). 0: the pooled maps as they are
    pooling: Literal["max", "gem", "avg"] = "max"  # the poster pools by maximum
    bn_neck: bool = False  # metric loss before, ID loss and test vector after a batch norm (reid.md 6.1)
    last_stride: int = 2  # 1 doubles the last map: +1.4 R-1 on Market (reid.md 6.1), +30 % time
    ibn_a: bool = False  # half of each first norm per instance: colour casts cancel (+1.6 mAP on VeRi, reid.md 6.2)
    input_hw: tuple[int, int] = (256, 256)
    mean: tuple[float, float, float] = IMAGENET_MEAN  # of RGB in 0..1
    std: tuple[float, float, float] = IMAGENET_STD
    # Other published methods (docs/methods.md); a name of reid_models/architectures.py.
    architecture: Literal["multilevel", "global-regional", "learned-fusion", "mixed-difference", "multi-task",
                          "cross-level", "repnet"] = "multilevel"
    gem_power: float = 3.0  # at the start of training, of `pooling: gem`; AdaptiveReID and FlipReID begin at 1
    classifier: Literal["linear", "cosine"] = "linear"  # cosine: what `loss.identity: arcface` needs
    dropout: float = 0.0  # before the classifier, as the verification-identification network has it
    stripes: int = 2  # of global-regional
    stripe_channels: int = 1024  # of global-regional, each stripe
    fused_blocks: tuple[int, ...] = ()  # of learned-fusion: blocks of the backbone from 1; none: the ends of `taps`
    # Of multi-task and repnet: the attributes learned and their words; training fills it in from its images.
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    # Of repnet; concatenated is what its authors found best.
    repression: Literal["product", "subtractive", "concatenated"] = "concatenated"

    def __post_init__(self) -> None:
        if not self.taps or any(t not in (1, 2, 3, 4) for t in self.taps) or list(self.taps) != sorted(set(self.taps)):
            raise ConfigError("model.taps", "rising stages out of 1 to 4", str(self.taps))
        if self.last_stride not in (1, 2):
            raise ConfigError("model.last_stride", "1 or 2", str(self.last_stride))
        if self.embedding_dim < 0 or min(self.input_hw) < 32 or min(self.std) <= 0:
            raise ConfigError("model", "embedding_dim >= 0, input_hw >= 32 and std > 0",
                              f"{self.embedding_dim}, {self.input_hw}, {self.std}")
        if self.gem_power <= 0 or not 0 <= self.dropout < 1 or self.stripes < 1 or self.stripe_channels < 1:
            raise ConfigError("model", "gem_power > 0, 0 <= dropout < 1, stripes and stripe_channels >= 1",
                              f"{self.gem_power}, {self.dropout}, {self.stripes}, {self.stripe_channels}")
        if any(b < 1 for b in self.fused_blocks) or list(self.fused_blocks) != sorted(set(self.fused_blocks)):
            raise ConfigError("model.fused_blocks", "rising numbers of blocks from 1", str(self.fused_blocks))

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels after stages 1 to 4."""
        return STAGE_CHANNELS[self.backbone]

    @property
    def dimension(self) -> int:
        """Length of the vectors of use."""
        return dimension_of(self)

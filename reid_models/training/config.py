"""All settings of a training, in one tree. A YAML file holds only what differs from these defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mtmc.errors import ConfigError
from reid_models.data.camera_effects import EffectsConfig
from reid_models.data.sampler import SamplerConfig
from reid_models.data.transforms import StandardConfig
from reid_models.losses.objective import LossConfig
from reid_models.losses.registry import NEEDS
from reid_models.model_config import ModelConfig
from reid_models.training.adaptive_l2 import AdaptiveL2Config


@dataclass(frozen=True)
class DataConfig:
    """Which images, and how they become training samples."""

    dataset: str = "two-view"  # a name that reid_models.data.registry knows
    split: str = "train"
    attributes: str = ""  # CSV of the images' type, make, model and colour, for networks that learn attributes
    validation_share: float = 0.2  # of the identities (of the scenes where cameras fall apart into several)
    validation_fold: int = 0  # which share: 0, 1 … turns the same cut into cross-validation
    cache_px: int = 0  # side to which images are squashed and kept in memory; 0 reads files each time
    augmentation: Literal["standard", "cameras"] = "standard"
    standard: StandardConfig = field(default_factory=StandardConfig)
    cameras: EffectsConfig = field(default_factory=EffectsConfig)
    # New identities out of old ones, the same for all images of an identity in a batch.
    mirrored_identities: bool = False
    recoloured_identities: bool = False
    clean_share: float = 0.0  # of the images only resized, so that the network also sees what it will be given
    workers: int = 2  # processes that read and augment

    def __post_init__(self) -> None:
        if not 0 <= self.validation_share < 1 or not 0 <= self.clean_share <= 1:
            raise ConfigError("data", "shares between 0 and 1", f"{self.validation_share}, {self.clean_share}")
        if self.validation_fold < 0 or self.validation_share * (self.validation_fold + 1) > 1 + 1e-9:
            raise ConfigError("data.validation_fold", "a fold that the share leaves room for",
                              str(self.validation_fold))


@dataclass(frozen=True)
class OptimiserConfig:
    """How the weights move."""

    kind: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    momentum: float = 0.9
    schedule: Literal["cosine", "step"] = "cosine"
    warmup_share: float = 0.05  # of the training
    warmup_start: float = 0.01  # of the learning rate
    milestones: tuple[float, ...] = (0.5, 0.875)  # of the training, for "step" (epochs 40 and 70 of 80)
    step_factor: float = 0.1
    final_factor: float = 0.001  # of the learning rate, at the end of "cosine"
    gradient_clip: float = 5.0  # norm; 0 switches it off
    ema: float = 0.0  # decay of averaged weights, which are then validated and kept; 0 switches it off
    # A penalty in the loss, in place of `weight_decay`; a name of reid_models/training/penalties.py.
    penalty: Literal["none", "l2", "adaptive-l2"] = "none"
    l2_factor: float = 5e-4  # of "l2", each weight's; what adaptive L2 was compared with
    adaptive_l2: AdaptiveL2Config = field(default_factory=AdaptiveL2Config)


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    steps: int = 10_000
    minutes: float = 0.0  # where above 0, progress is training time, not steps: for machines of unknown speed
    # Sides of the input by progress, e.g. [[0, 96], [0.6, 128]]; empty: the model's input from the start.
    resolutions: tuple[tuple[float, int], ...] = ()
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"  # auto: bfloat16 where the processor has it
    threads: int = 0  # CPU threads; 0 leaves torch's own number
    validate_every: int = 500  # steps; a validation is a forward pass over the images held out
    checkpoint_minutes: float = 5.0
    initial: Literal["random", "imagenet"] = "random"
    start_weights: str = ""  # a weights file of the same network to begin from, as repnet's second stage does
    # "flip": the losses act on the mean over an image and its mirror image (reid_models/training/passes.py).
    passes: Literal["single", "flip"] = "single"
    flip_weight: float = 1.0  # of the flip loss, which keeps one image alone usable; 0 leaves it out

    def __post_init__(self) -> None:
        if self.steps < 1 or self.validate_every < 1 or self.minutes < 0:
            raise ConfigError("training", "steps and validate_every of 1 or more, minutes of 0 or more",
                              f"{self.steps}, {self.validate_every}, {self.minutes}")
        if self.initial == "imagenet" and self.start_weights:
            raise ConfigError("start_weights", "none with initial: imagenet", self.start_weights)
        if self.initial == "imagenet" and self.model.ibn_a:
            raise ConfigError("initial: imagenet", "a model without ibn_a", "ibn_a: true",
                              "torchvision publishes no weights for it.")
        for (name, value), (section, setting, needed) in NEEDS.items():
            found = getattr(getattr(self, section), setting)
            if getattr(self.loss, name) == value and found != needed:
                raise ConfigError(f"{section}.{setting}", f"{needed} with loss.{name}: {value}", str(found))
        if self.loss.verification_weight and self.sampler.kind != "pairs":
            raise ConfigError("sampler.kind", "pairs with loss.verification_weight", self.sampler.kind)
        if list(self.resolutions) != sorted(self.resolutions) or any(not 0 <= p < 1 for p, _ in self.resolutions):
            raise ConfigError("resolutions", "rising pairs of (progress below 1, side in px)", str(self.resolutions))

"""The `Embedder` with a network behind it: preprocessing, fixed batches, device and precision."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mtmc.errors import ConfigError
from mtmc.files import sha256_of
from reid_models.embedding_network import EmbeddingNetwork
from reid_models.model_config import ModelConfig
from reid_models.preparing import fit_crops
from reid_models.preparing_on_device import fit, upload
from reid_models.registry import SHIPPED_WEIGHTS, EmbedderConfig
from reid_models.weights import load_weights

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class NetworkEmbedder:
    """Crops through a network of ours, always `batch_size` at a time, the last batch padded with black crops."""

    def __init__(self, model: EmbeddingNetwork, name: str, fingerprint: str, config: EmbedderConfig) -> None:
        self.device = resolve_device(config.device)
        self.precision = resolve_precision(config.precision, self.device)
        self.model = model.eval().to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config = config
        self.name = f"{name} on {self.device} in {self.precision}"
        self.fingerprint = (f"{fingerprint}:{self.precision}:{self.device.type}:batch{config.batch_size}"
                            f":flip{2 * int(config.flip_at_test)}")  # 1: the mean was taken of unit vectors
        self.dimension = model.config.dimension
        self.input_hw = model.config.input_hw
        self.batch_size = config.batch_size
        self.prepares_on_device = self.device.type != "cpu"

    @classmethod
    def load(cls, weights: Path, config: EmbedderConfig) -> NetworkEmbedder:
        """From a weights file. Raises `WeightsError` where it does not fit, `ConfigError` for a device not there."""
        model, info = load_weights(weights)
        shipped = Path(weights).resolve() == SHIPPED_WEIGHTS.resolve()
        origin = "shipped weights" if shipped else Path(weights).name
        return cls(model, f"{info.name} ({origin})", f"multilevel:{sha256_of(weights)}", config)

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        """See `Embedder.embed`."""
        if not len(crops_rgb):
            return np.zeros((0, self.dimension), np.float32)
        size = self.batch_size
        with _threads(self.config.threads), torch.inference_mode():
            # Vectors are fetched at the end: until then a GPU works while the next crops are put together.
            vectors = [self._forward(self._images(crops_rgb[start : start + size], start))
                       for start in range(0, len(crops_rgb), size)]
            return torch.cat(vectors)[: len(crops_rgb)].cpu().numpy()

    def _images(self, crops_rgb: Sequence[np.ndarray], first: int) -> Tensor:
        """A batch of normalised images (batch_size, 3, H, W) on the device. first: the number of its first crop."""
        if not self.prepares_on_device:
            return prepare(crops_rgb, self.model.config, self.batch_size, first)
        pixels, sizes_hw = upload(crops_rgb, self.batch_size, self.device, first)
        return normalise(fit(pixels, sizes_hw, self.model.config.input_hw), self.model.config)

    def _forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        dtype = _DTYPES[self.precision]
        with torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not torch.float32):
            vectors = (self.model.embed_double if self.config.flip_at_test else self.model.embed)(images)
        return torch.nn.functional.normalize(vectors.float(), dim=1)


def prepare(crops_rgb: Sequence[np.ndarray], config: ModelConfig, batch_size: int, first: int = 0) -> Tensor:
    """(batch_size, 3, H, W) float32, normalised, of crops as `fit_crops` fits them."""
    return normalise(torch.from_numpy(fit_crops(crops_rgb, config.input_hw, batch_size, first)), config)


def normalise(images: Tensor, config: ModelConfig) -> Tensor:
    """Grey levels 0 to 255 (N, H, W, 3), uint8 or float32, to float32 (N, 3, H, W), channels last in memory, with the
    model's mean and deviation."""
    mean = torch.tensor(config.mean, device=images.device) * 255
    std = torch.tensor(config.std, device=images.device) * 255
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def resolve_device(name: str) -> torch.device:
    """The torch device of a setting. Raises `ConfigError` where it is unknown or absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError("embedder.device", "auto, cpu, cuda or cuda:N", name) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError("embedder.device", f"one of {torch.cuda.device_count()} CUDA devices", name,
                          "Use device auto or cpu.")
    return device


def resolve_precision(name: str, device: torch.device) -> str:
    """"auto" is float32 on a CPU and float16 elsewhere. float16 on a CPU is refused: it is slow and overflows."""
    if name == "auto":
        return "float32" if device.type == "cpu" else "float16"
    if name == "float16" and device.type == "cpu":
        raise ConfigError("embedder.precision", "float32 or bfloat16 on a CPU", name)
    return name


@contextlib.contextmanager
def _threads(count: int):  # type: ignore[no-untyped-def]
    """Run with `count` CPU threads (0: as they are), and put the number back."""
    before = torch.get_num_threads()
    if count and count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count and count != before:
            torch.set_num_threads(before)

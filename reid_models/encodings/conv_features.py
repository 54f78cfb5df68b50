"""Every place of a frozen network's map as a local feature (seeds_digest F5, F6), or windows of it (F4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mtmc.errors import ConfigError
from mtmc.files import sha256_of
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet
from reid_models.network_embedder import prepare, resolve_device
from reid_models.weights import load_weights


class ConvFeatures:
    """Crops through the first stages of a `MultilevelResNet`, always `batch_size` at a time, in float32."""

    def __init__(self, config: EncodingConfig, backbone: Path, batch_size: int = 32, device: str = "auto",
                 threads: int = 0) -> None:
        """Raises `WeightsError` where `backbone` is no weights file of ours."""
        model, info = load_weights(backbone)
        self._stages = dict(model.stages.items())  # type: ignore[union-attr,operator]
        if f"layer{config.layer}" not in self._stages:
            raise ConfigError("encoding.layer", f"one of {', '.join(self._stages)}", f"layer{config.layer}")
        self.config, self.model_config = config, info.model
        self.device = resolve_device(device)
        self.model = model.eval().to(self.device)
        self.backbone_sha256 = sha256_of(backbone)
        self.input_hw = info.model.input_hw
        self.batch_size, self._threads = batch_size, threads

    def extract(self, crops_rgb: Sequence[np.ndarray]) -> list[LocalSet]:
        """One set a crop, in order. Raises `InputError` for what is no uint8 RGB image."""
        return [self._set_of(m) for m in self.maps(crops_rgb)]

    def maps(self, crops_rgb: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One float32 (h, w, C) map a crop."""
        if self._threads:
            torch.set_num_threads(self._threads)
        found: list[np.ndarray] = []
        with torch.inference_mode():
            for start in range(0, len(crops_rgb), self.batch_size):
                chosen = crops_rgb[start : start + self.batch_size]
                images = prepare(chosen, self.model_config, self.batch_size, first=start).to(self.device)
                maps = self._forward(images.contiguous()).permute(0, 2, 3, 1).float().cpu().numpy()
                found += [np.ascontiguousarray(m) for m in maps[: len(chosen)]]
        return found

    def _forward(self, images: Tensor) -> Tensor:
        maps = self.model.stem(images)  # type: ignore[operator]
        for number in range(1, self.config.layer + 1):
            maps = self._stages[f"layer{number}"](maps)
        return maps

    def _set_of(self, feature_map: np.ndarray) -> LocalSet:
        if self.config.features == "windows":
            return windows(feature_map, self.config.levels)
        return places(feature_map)


def places(feature_map: np.ndarray) -> LocalSet:
    """All h·w places of an (h, w, C) map, row by row."""
    height, width, channels = feature_map.shape
    y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    centres = np.stack([y.ravel(), x.ravel()], axis=1).astype(np.float32)
    return LocalSet(feature_map.reshape(-1, channels), centres, np.zeros(height * width, np.int64))


def windows(feature_map: np.ndarray, levels: Sequence[int]) -> LocalSet:
    """Means over windows of an (h, w, C) map, of unit length. Level s: windows of 1/s of each side that overlap by
    half, 2s − 1 a side; `levels[i]` gives level number i."""
    vectors, centres, numbers = [], [], []
    for number, parts in enumerate(levels):
        starts = np.arange(2 * parts - 1) / (2 * parts)
        for top in starts:
            for left in starts:
                window = _cut(_cut(feature_map, top, 1 / parts), left, 1 / parts, axis=1)
                vector = window.mean(axis=(0, 1), dtype=np.float64)
                vectors.append(vector / max(float(np.linalg.norm(vector)), 1e-12))
                centres.append((top + 0.5 / parts, left + 0.5 / parts))
                numbers.append(number)
    return LocalSet(np.array(vectors, np.float32), np.array(centres, np.float32), np.array(numbers, np.int64))


def _cut(values: np.ndarray, start: float, length: float, axis: int = 0) -> np.ndarray:
    """The cells between two shares of an axis, at least one."""
    cells = values.shape[axis]
    first = min(round(start * cells), cells - 1)
    last = min(max(round((start + length) * cells), first + 1), cells)
    return values[first:last] if axis == 0 else values[:, first:last]

"""A network with attribute heads as a recogniser of single crops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from reid_models.attributes.exemplars import Recognised
from reid_models.attributes.reading import require_attribute_heads
from reid_models.embedding_network import EmbeddingNetwork
from reid_models.network_embedder import prepare, resolve_device
from reid_models.weights import load_weights


class AttributeNetwork:
    """Crops through a network of `model.attributes`, always `batch_size` at a time, in float32."""

    def __init__(self, model: EmbeddingNetwork, batch_size: int = 32, device: str = "cpu", threads: int = 0) -> None:
        self.device = resolve_device(device)
        self.model = model.eval().to(self.device)
        self.batch_size, self._threads = batch_size, threads

    @classmethod
    def load(cls, path: Path, batch_size: int = 32, device: str = "auto", threads: int = 0) -> AttributeNetwork:
        """From a file of tools/train_reid.py. Raises `WeightsError` where it has no attribute heads."""
        require_attribute_heads(path)
        return cls(load_weights(path)[0], batch_size, device, threads)

    def recognise(self, crops_rgb: Sequence[np.ndarray]) -> dict[str, Recognised]:
        """Attribute → what each of K crops shows: softmax shares; a crop weighs as much as its best word's lead over
        the second (1 where there is one word)."""
        config = self.model.config
        parts: list[list[np.ndarray]] = [[np.zeros((0, len(words)))] for _, words in config.attributes]
        if self._threads:
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            for start in range(0, len(crops_rgb), self.batch_size):
                chosen = crops_rgb[start : start + self.batch_size]
                images = prepare(chosen, config, self.batch_size, first=start).to(self.device)
                for part, scores in zip(parts, self.model(images).attributes, strict=True):
                    part.append(torch.softmax(scores, dim=1)[: len(chosen)].double().cpu().numpy())
        found = {}
        for (name, words), part in zip(config.attributes, parts, strict=True):
            shares = np.concatenate(part)
            ordered = np.sort(shares, axis=1)
            lead = ordered[:, -1] - ordered[:, -2] if len(words) > 1 else np.ones(len(shares))
            found[name] = Recognised(words, shares, lead)
        return found

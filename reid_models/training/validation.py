"""How good the weights are on the images held out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from reid_models.data.images import read_image_rgb
from reid_models.data.relevance import JUNK_SAME_CAMERA, JUNK_SAME_IDENTITY_AND_CAMERA
from reid_models.data.samples import ReidSamples
from reid_models.embedding_network import EmbeddingNetwork
from reid_models.evaluation.metrics import score, summarise
from reid_models.network_embedder import prepare

BATCH = 32
# Queries beyond this many change a mean by less than its own spread; every n-th image is taken.
MOST_QUERIES = 2000


def validate(model: EmbeddingNetwork, samples: ReidSamples, device: torch.device,
             dtype: torch.dtype) -> dict[str, float]:
    """{"map", "r1"} in per cent: every image (every n-th of very many) a query, image to image, across cameras."""
    features = embed_samples(model, samples, device, dtype)
    several = len(np.unique(samples.cameras)) > 1
    rule = JUNK_SAME_CAMERA if several else JUNK_SAME_IDENTITY_AND_CAMERA
    cameras = samples.cameras if several else np.arange(len(samples))  # one camera: only the query itself is left out
    chosen = np.arange(0, len(samples), -(-len(samples) // MOST_QUERIES))
    scores = score(features[chosen], features, samples.identities[chosen], samples.identities, cameras[chosen],
                   cameras, rule)
    summary = summarise(scores)
    return {"map": 100 * summary.map_rectangle, "r1": 100 * summary.r1}


def embed_samples(model: EmbeddingNetwork, samples: ReidSamples, device: torch.device, dtype: torch.dtype,
                  double: bool = False) -> np.ndarray:
    """(N, D) float32 unit vectors of the samples' images, as the embedder makes them; `double`: of each image and its
    mirror image."""
    training = model.training
    model.eval()
    parts = [np.zeros((0, model.config.dimension), np.float32)]
    with torch.inference_mode(), torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
        for images, count in _batches(model, samples):
            images = images.to(device).contiguous(memory_format=torch.channels_last)
            parts.append((model.embed_double if double else model.embed)(images)[:count].cpu().numpy())
    model.train(training)
    return np.concatenate(parts)


def _batches(model: EmbeddingNetwork, samples: ReidSamples) -> Iterator[tuple[Tensor, int]]:
    for start in range(0, len(samples), BATCH):
        crops = [read_image_rgb(path) for path in samples.paths[start : start + BATCH]]
        yield prepare(crops, model.config, BATCH, first=start), len(crops)



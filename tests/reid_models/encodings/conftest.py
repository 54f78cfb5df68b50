"""Made-up pictures of vehicles, and a network small enough to run on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def picture(vehicle: int, view: int, side: int = 48) -> np.ndarray:
    """uint8 RGB: bars and a square whose places and colours are the vehicle's, with the view's noise."""
    rng = np.random.default_rng(vehicle)
    image = np.full((side, side + 6 * view, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(5):
        y, x = rng.integers(0, side - 10, 2)
        image[y : y + rng.integers(4, 10), x : x + rng.integers(4, 10)] = rng.integers(0, 256, 3)
    noise = np.random.default_rng([vehicle, view]).integers(-8, 9, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def pictures() -> list[np.ndarray]:
    """Twelve vehicles, two views each, view by view."""
    return [picture(vehicle, view) for view in (0, 1) for vehicle in range(12)]


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet18 of two taps with random weights, in a file."""
    import torch

    from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
    from reid_models.weights import WeightsInfo, save_weights

    torch.manual_seed(0)
    config = ModelConfig(backbone="resnet18", taps=(1, 2), embedding_dim=8, input_hw=(48, 48))
    path = tmp_path_factory.mktemp("backbone") / "tiny.safetensors"
    save_weights(path, MultilevelResNet(config), WeightsInfo(config))
    return path

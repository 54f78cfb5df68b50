"""Torchvision's detectors, with weights made here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detectors import torchvision_models
from detectors.detector_config import DetectorConfig
from detectors.torchvision_models import TorchvisionDetector, load_network
from mtmc.errors import ConfigError, WeightsError

MODEL = "ssdlite320_mobilenet_v3_large"
CAR = 3  # in torchvision's numbering, where 0 is the background


def network() -> torch.nn.Module:
    from torchvision.models import get_model

    torch.manual_seed(0)
    return get_model(MODEL, weights=None, weights_backbone=None, num_classes=91)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network that calls everything a car, and whose normalisation looks used."""
    model = network()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.fill_(0.01)
        for head in model.head.classification_head.module_list:
            last = head[-1]
            last.weight.zero_()
            last.bias.view(-1, 91)[:] = 0.0
            last.bias.view(-1, 91)[:, CAR] = 6.0
    path = tmp_path_factory.mktemp("weights") / f"{MODEL}.pth"
    torch.save(model.state_dict(), path)
    return path


def test_vehicles_of_a_known_network(weights: Path) -> None:
    detector = TorchvisionDetector(MODEL, weights, "", DetectorConfig(threads=1))
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    found = detector.detect([image, image], [0, 1], [0.0, 0.1])
    assert len(found[0]) > 0
    assert set(found[0].class_ids.tolist()) == {2}
    assert found[0].boxes_xyxy[:, 2].max() <= 160
    np.testing.assert_array_equal(found[0].boxes_xyxy, found[1].boxes_xyxy)


def test_weights_of_another_network(weights: Path) -> None:
    with pytest.raises(WeightsError, match="fcos_resnet50_fpn"):
        load_network("fcos_resnet50_fpn", weights)


def test_random_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{MODEL}.pth"
    torch.save(network().state_dict(), path)
    with pytest.raises(WeightsError, match="never trained"):
        load_network(MODEL, path)


def test_a_payload_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.system, (f"touch '{tmp_path / 'marker'}'",))

    path = tmp_path / f"{MODEL}.pth"
    torch.save({"x": Evil()}, path)
    with pytest.raises(WeightsError, match="the weights of"):
        load_network(MODEL, path)
    assert not (tmp_path / "marker").exists()


def test_a_fixed_input_cannot_be_set(weights: Path) -> None:
    with pytest.raises(ConfigError, match="input_hw"):
        TorchvisionDetector(MODEL, weights, "", DetectorConfig(input_hw=(64, 64)))


@pytest.mark.slow
def test_every_offered_model_can_be_prepared() -> None:
    """Names, published files and the knobs that we turn exist in the installed torchvision."""
    from torchvision.models import get_model, get_model_weights

    from detectors.weights_folder import TORCHVISION_FILES

    for name, file in TORCHVISION_FILES.items():
        assert get_model_weights(name).DEFAULT.url.endswith(f"/{file}")
        model = get_model(name, weights=None, weights_backbone=None, num_classes=91)
        torchvision_models._leave_suppression_to_us(model, 0.1)

"""The weights inside the package: found, described, small enough, and able."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from mtmc.config import build, read_yaml
from reid_models.data.images import read_image_rgb
from reid_models.data.registry import load_split
from reid_models.registry import SHIPPED_WEIGHTS, build_embedder, describe
from reid_models.training.cli import describe_data
from reid_models.training.config import TrainConfig
from reid_models.weights import read_info

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_card_describes_the_file() -> None:
    card, info = (ROOT / "docs" / "model_card.md").read_text(), read_info(SHIPPED_WEIGHTS)
    assert hashlib.sha256(SHIPPED_WEIGHTS.read_bytes()).hexdigest() in card
    assert SHIPPED_WEIGHTS.stat().st_size < 52_000_000
    assert info.licence == "Apache-2.0"
    assert info.training_data.rsplit(" ", 1)[1] in card
    assert info.command in card
    for name, value in info.scores.items():
        assert (f"{value:,.0f} steps" if name == "steps" else f"{value:.2f}") in card, name


def test_the_configuration_that_trains_it_again_has_its_shape() -> None:
    config = build(TrainConfig, read_yaml(ROOT / "configs" / "reid_shipped.yaml"), "configs/reid_shipped.yaml")
    info = read_info(SHIPPED_WEIGHTS)
    assert config.model == info.model
    assert config.steps == info.scores["steps"]


def test_it_is_the_default_embedder() -> None:
    embedder = build_embedder()
    assert "shipped weights" in describe(embedder)
    assert embedder.embed([np.zeros((50, 40, 3), np.uint8)]).shape == (1, 768)


@pytest.mark.needs_data
def test_it_was_trained_on_the_list_it_names_and_knows_those_vehicles(shared_data: Path) -> None:
    """Not a score: the vehicles are those of its training. A broken file or other preprocessing fails here."""
    samples = load_split("two-view", shared_data / "vehicle-reid-2cam", "train")
    assert describe_data("two-view", "train", samples.paths) == read_info(SHIPPED_WEIGHTS).training_data
    first, second = (np.flatnonzero(samples.cameras == camera)[::16] for camera in (1, 2))
    embedder = build_embedder()
    one, two = (embedder.embed([read_image_rgb(samples.paths[row]) for row in rows]) for rows in (first, second))
    nearest = np.linalg.norm(one[:, None] - two[None], axis=2).argmin(axis=1)
    assert (samples.identities[second][nearest] == samples.identities[first]).mean() > 0.95

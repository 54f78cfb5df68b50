"""Networks with attributes through the real training command, and what becomes of their files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mtmc.config import build
from mtmc.errors import ConfigError, InputError, WeightsError
from reid_models.attributes.labels import MISSING
from reid_models.attributes.network import AttributeNetwork
from reid_models.attributes.training_labels import places_of, vocabulary_of
from reid_models.data.registry import load_split
from reid_models.data.samples import ReidSamples
from reid_models.registry import EmbedderConfig, build_embedder
from reid_models.training.attributes import with_attributes
from reid_models.training.cli import main
from reid_models.training.config import TrainConfig
from reid_models.training.dataset import AttributeMarks
from reid_models.training.logs import read_log
from reid_models.weights import load_weights

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["data.dataset=two-view", "data.workers=0", "data.validation_share=0.25", "model.backbone=resnet18",
         "model.input_hw=[32, 32]", "initial=random", "steps=2", "precision=float32", "sampler.identities=3",
         "sampler.images_per_identity=2"]
SIZES = {"cross_level": ["model.embedding_dim=1024"], "multi_task": ["model.embedding_dim=8", "model.taps=[1, 2]"],
         "repnet": ["model.embedding_dim=16"]}


@pytest.fixture(scope="module")
def two_view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve red, green or blue vehicles of two kinds, one photograph in each of two cameras; colours of most."""
    folder = tmp_path_factory.mktemp("two-view")
    (folder / "images").mkdir()
    rng, names, lines = np.random.default_rng(0), [], ["path,colour"]
    for vehicle in range(12):
        for camera in (1, 2):
            names.append(f"{'car' if vehicle < 6 else 'bus'}_{vehicle:04d}_cam{camera}.jpg")
            image = np.full((40, 36, 3), 60, np.uint8)
            image[..., vehicle % 3] = 200  # blue, green, red: OpenCV's order
            image[: 20 if vehicle < 6 else 35] += rng.integers(0, 40, dtype=np.uint8)
            cv2.imwrite(str(folder / "images" / names[-1]), image)
            if vehicle != 4:
                lines.append(f"images/{names[-1]},{('blue', 'green', 'red')[vehicle % 3]}")
    (folder / "train.txt").write_text("\n".join(names) + "\n")
    (folder / "colours.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def samples(two_view: Path) -> ReidSamples:
    return load_split("two-view", two_view, "train")


def train(method: str, data: Path, out: Path, *sets: str) -> int:
    return main(["--config", str(ROOT / "configs" / f"reid_{method}.yaml"), "--data", str(data), "--out", str(out),
                 *(f"--set={item}" for item in (*SMALL, *SIZES[method], *sets))])


@pytest.mark.parametrize("method", SIZES)
def test_every_configuration_trains_by_the_command(method: str, two_view: Path, tmp_path: Path, capsys) -> None:
    table = f"data.attributes={two_view / 'colours.csv'}"
    assert train(method, two_view, tmp_path, table) == 0, capsys.readouterr().err
    rows = read_log(tmp_path / "log.csv")
    assert len(rows) == 2
    for name in ("kind_loss",) if method == "cross_level" else ("attribute_loss", "type_accuracy", "colour_accuracy"):
        assert np.isfinite(float(rows[-1][name]))
    embedder = build_embedder(EmbedderConfig(weights=str(tmp_path / "best.safetensors"), batch_size=2, device="cpu"))
    assert np.linalg.norm(embedder.embed([np.zeros((9, 9, 3), np.uint8)])) == pytest.approx(1, abs=1e-4)
    _, info = load_weights(tmp_path / "best.safetensors")
    words = {"type": ("bus", "car"), "colour": ("blue", "green", "red")}
    assert info.model.attributes == (() if method == "cross_level" else tuple(words.items()))


def test_colours_are_learned_and_recognised_from_the_file(two_view: Path, tmp_path: Path) -> None:
    """Pure colours take a few steps: heads, masks, file and recogniser belong together."""
    sets = ["steps=25", "data.validation_share=0.0", "optimiser.learning_rate=0.005", "data.clean_share=1.0",
            "sampler.identities=6", f"data.attributes={two_view / 'colours.csv'}", "loss.metric_weight=0.1"]
    assert train("multi_task", two_view, tmp_path, *sets) == 0
    network = AttributeNetwork.load(tmp_path / "last.safetensors", batch_size=4)
    names = sorted((two_view / "images").glob("*_cam1.jpg"))
    found = network.recognise([cv2.imread(str(path))[..., ::-1] for path in names])
    answers = [found["colour"].words[i] for i in found["colour"].shares.argmax(axis=1)]
    truth = [("blue", "green", "red")[int(path.name[4:8]) % 3] for path in names]
    assert np.mean([a == t for a, t in zip(answers, truth, strict=True)]) > 0.7
    np.testing.assert_allclose(found["type"].shares.sum(axis=1), 1, atol=1e-6)
    assert ((found["type"].weights >= 0) & (found["type"].weights <= 1)).all()
    assert {name: own.shares.shape for name, own in network.recognise([]).items()} == {"type": (0, 2), "colour": (0, 3)}


@pytest.mark.slow
def test_repnets_second_stage_begins_with_the_first(two_view: Path, tmp_path: Path) -> None:
    """The attribute branch is trained alone, then all together (seeds_digest D4)."""
    assert train("repnet", two_view, tmp_path / "one", "loss.metric=none", "loss.anchor_attributes=false") == 0
    first = tmp_path / "one" / "last.safetensors"
    assert train("repnet", two_view, tmp_path / "two", f"start_weights={first}", "optimiser.learning_rate=0.0") == 0
    before, after = (load_weights(path)[0].state_dict() for path in (first, tmp_path / "two" / "last.safetensors"))
    name = "heads.repnet.attributes.shared.weight"
    torch.testing.assert_close(before[name], after[name])


def test_a_plain_network_knows_no_attributes(tmp_path: Path, two_view: Path) -> None:
    from reid_models.registry import SHIPPED_WEIGHTS

    with pytest.raises(WeightsError, match="attribute heads"):
        AttributeNetwork.load(SHIPPED_WEIGHTS)


def test_labels_are_placed_and_other_colours_are_unknown(two_view: Path, samples: ReidSamples) -> None:
    table = str(two_view / "colours.csv")
    vocabulary = vocabulary_of(samples, table)
    places = places_of(samples, vocabulary, table)
    for row, path in enumerate(samples.paths):
        vehicle = int(path.name[4:8])
        assert vocabulary[0][1][places[row, 0]] == path.name[:3]
        assert places[row, 1] == (MISSING if vehicle == 4 else vehicle % 3)
    assert places_of(samples, ()).shape == (len(samples), 0)
    config = build(TrainConfig, {"model": {"architecture": "multi-task", "attributes": vocabulary},
                                 "data": {"attributes": table}})
    marks = AttributeMarks(samples, config)
    row = next(i for i, p in enumerate(samples.paths) if "0005" in p.name)
    assert marks.of(row, 0) == (1, 2)
    assert marks.of(row, 3) == (1, MISSING)


def test_what_cannot_be_learned_is_refused(two_view: Path, samples: ReidSamples) -> None:
    none = ReidSamples(samples.paths, samples.identities, samples.cameras, samples.tracklets, ("",) * len(samples))
    config = build(TrainConfig, {"model": {"architecture": "multi-task"}})
    with pytest.raises(InputError, match="neither"):
        with_attributes(config, none)
    with pytest.raises(InputError, match="kinds"):
        with_attributes(build(TrainConfig, {"model": {"architecture": "cross-level"}}), none)
    with pytest.raises(ConfigError, match="attribute_shares"):
        with_attributes(build(TrainConfig, {"model": {"architecture": "multi-task"},
                                            "loss": {"attribute_shares": [0.6, 0.4]}}), samples)
    assert with_attributes(build(TrainConfig, {}), none).model.attributes == ()
    other = two_view / "other.csv"
    other.write_text("path,colour\nother.csv,red\n")
    with pytest.raises(InputError, match="none of its 1 pictures"):
        vocabulary_of(samples, str(other))

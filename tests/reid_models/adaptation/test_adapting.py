"""A run is learned from without its labels, judged on what was not learned from, and better weights stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mtmc.errors import ConfigError, InputError
from reid_models.adaptation import command
from reid_models.adaptation.adapting import AdaptConfig, join_linked, prepare_lesson
from reid_models.adaptation.holding_out import families_of, held_out
from reid_models.adaptation.judging import CERTAIN, Comparison, compare, judge_part
from reid_models.adaptation.mining import NOISE, MiningConfig
from reid_models.adaptation.run_passages import Passages, pooled, read_passages
from reid_models.data.transits import TransitConfig, sure_negatives
from reid_models.evaluation.bootstrap import Interval
from reid_models.model_config import ModelConfig
from reid_models.multilevel_resnet import MultilevelResNet
from reid_models.weights import WeightsInfo, load_weights, save_weights

SMALL = ModelConfig(backbone="resnet18", taps=(2,), embedding_dim=8, input_hw=(32, 32))
QUICK = ["--set", "training.steps=2", "--set", "training.threads=1", "--set", "training.device=cpu",
         "--set", "training.precision=float32", "--set", "mining.threshold=0.3"]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "start.safetensors"
    save_weights(path, MultilevelResNet(SMALL).eval(), WeightsInfo(SMALL, name="small"))
    return path


def colours_of(passages: Passages) -> np.ndarray:
    """An embedder that is nearly perfect here: the mean colour, without its brightness."""
    from reid_models.data.images import read_image_rgb

    means = np.stack([read_image_rgb(path).mean(axis=(0, 1)) for path in passages.samples.paths])
    means -= means.mean(axis=1, keepdims=True)
    return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def negatives_of(passages: Passages) -> np.ndarray:
    return sure_negatives(passages.cameras, passages.spans_s, TransitConfig(overlapping_views=True))


def test_a_run_is_read_as_passages(run: Path) -> None:
    passages = read_passages(run)
    assert len(passages) == 18
    assert [len(rows) for rows in passages.rows] == [3] * 18
    assert passages.spans_s[7].tolist() == [25.0, 46.0]
    assert (passages.samples.tracklets[passages.rows[7]] == 7).all()
    assert pooled(passages, colours_of(passages)).shape == (18, 3)
    negatives = negatives_of(passages)
    assert negatives.sum() == 2 * 3 * 5  # neighbours in each of three cameras
    assert not negatives[0, 6]  # one vehicle in two cameras at once


def test_the_lesson_holds_mined_vehicles_and_none_that_is_judged(run: Path) -> None:
    passages = read_passages(run)
    config = AdaptConfig(MiningConfig(threshold=0.3, doubt=1.0))
    lesson, part = prepare_lesson(passages, pooled(passages, colours_of(passages)), negatives_of(passages), config)
    assert part.sum() == 6  # the last two vehicles
    assert set(passages.identities[part]) == {5, 6}
    assert lesson.groups == 4
    learned = passages.samples.select(~part[passages.samples.tracklets])
    pairs = set(zip(lesson.samples.identities.tolist(), learned.identities.tolist(), strict=True))
    assert len(pairs) == 4  # pseudo-identity and truth, one to one
    assert set(lesson.samples.paths) == set(learned.paths)


def test_links_join_groups_unless_they_are_surely_wrong() -> None:
    groups, linked = np.array([0, 0, NOISE, NOISE, 1, 1]), np.array([7, 7, 7, 8, 9, 9])
    none = np.zeros((6, 6), bool)
    assert join_linked(groups, linked, none).tolist() == [2, 2, 2, NOISE, 3, 3]
    wrong = none.copy()
    wrong[0, 2] = wrong[2, 0] = True
    assert join_linked(groups, linked, wrong).tolist() == [0, 0, NOISE, NOISE, 2, 2]


def test_families_stay_on_one_side_and_the_latest_are_held_out() -> None:
    start = np.array([0.0, 50, 10, 60, 70, 20])
    groups, linked = np.array([0, 0, -1, 1, 1, -1]), np.array([1, 2, 3, 4, -1, 3])
    families = families_of((groups, linked), 6)
    assert families[0] == families[1]
    assert families[2] == families[5]
    assert families[3] == families[4]
    assert held_out(start, (groups, linked), 0.3).tolist() == [False, False, False, True, True, False]
    assert held_out(start, (), 0.17).tolist() == [False, False, False, False, True, False]
    with pytest.raises(InputError, match="hang together"):
        held_out(start, (np.zeros(6, np.int64),), 0.5)
    with pytest.raises(ConfigError):
        held_out(start, (), 1.0)


def test_judging_asks_other_cameras_and_sure_pairs(run: Path) -> None:
    passages = read_passages(run)
    part, negatives = np.ones(18, bool), negatives_of(passages)
    perfect = judge_part(passages, part, negatives, colours_of(passages))
    assert np.nanmin(perfect.other_cameras.ap_rectangle) == 1
    assert np.nanmin(perfect.sure_pairs.ap_rectangle) == 1
    noise = np.random.default_rng(0).normal(size=(54, 3)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    poor = judge_part(passages, part, negatives, noise)
    found = compare(passages, part, poor, perfect)
    assert found.helped
    assert found.new_map == 1 > found.old_map
    assert not compare(passages, part, perfect, poor).helped
    assert not compare(passages, part, perfect, perfect).helped
    one = np.zeros(18, bool)
    one[0] = True  # nothing to be confused with
    alone = compare(passages, one, *(judge_part(passages, one, negatives, colours_of(passages)) for _ in range(2)))
    assert alone.queries == alone.sure_queries == 0
    assert not alone.helped


@pytest.mark.parametrize(("sureness", "mean", "sure", "queries", "helped"), [
    (CERTAIN, 0.1, 0.0, 9, True), (CERTAIN - 0.01, 0.1, 0.0, 9, False), (1.0, 0.1, -0.02, 9, False),
    (1.0, 0.1, 0.0, 0, False), (1.0, 0.0, 0.0, 9, False),
])  # fmt: skip
def test_when_new_weights_count(sureness: float, mean: float, sure: float, queries: int, helped: bool) -> None:
    gain, sure_gain = Interval(mean, mean, mean), Interval(sure, sure, sure)
    assert Comparison(queries, 0, 0, 0, 0, gain, sureness, 5, 0, 0, sure_gain).helped is helped


def test_the_command_adapts_and_leaves_the_given_weights_alone(run: Path, weights: Path, tmp_path: Path,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    before = weights.read_bytes()
    out = tmp_path / "out"
    assert command.main([str(run), "--weights", str(weights), "--out", str(out), *QUICK]) == 0
    facts = json.loads((out / "adaptation.json").read_text())
    assert facts["lesson"]["crops"] > 0
    assert facts["held_out_tracklets"] >= 5
    assert (out / "adapted.safetensors").exists() is facts["comparison"]["helped"]
    assert "held out" in capsys.readouterr().out
    assert weights.read_bytes() == before
    trained, info = load_weights(out / "training" / "last.safetensors")
    assert info.name == "small-adapted"
    assert "54" not in info.training_data  # the held-out crops were not learned from
    old, _ = load_weights(weights)
    assert not torch.equal(old.stages.layer2[0].conv1.weight, trained.stages.layer2[0].conv1.weight)


@pytest.mark.parametrize("better", [True, False])
def test_weights_are_handed_out_only_if_they_are_better(run: Path, weights: Path, tmp_path: Path, better: bool,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "adapted.safetensors").write_bytes(b"of an earlier go")
    monkeypatch.setattr(Comparison, "helped", property(lambda _: better))
    assert command.main([str(run), "--weights", str(weights), "--out", str(out), *QUICK]) == 0
    assert (out / "adapted.safetensors").exists() is better
    if better:
        assert (out / "adapted.safetensors").read_bytes() == (out / "training" / "last.safetensors").read_bytes()


def test_what_cannot_be_learned_from_is_said(run: Path, weights: Path, tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--weights", str(weights), "--out", str(tmp_path / "out")]
    assert command.main([str(tmp_path / "nothing"), *arguments]) == 2
    assert command.main([str(run), *arguments, "--set", "mining.treshold=1"]) == 2
    assert "threshold" in capsys.readouterr().err
    assert command.main([str(run), *arguments, "--set", "training.model.taps=[4]"]) == 2
    assert "training.model" in capsys.readouterr().err
    assert command.main([str(run), "--weights", str(tmp_path / "none.safetensors"), "--out", str(tmp_path / "o")]) == 2

"""Training: exact resume, held-out images, schedules, stops, several processes, starting weights."""

from __future__ import annotations

import copy
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision

from mtmc.config import build, read_yaml
from mtmc.errors import ConfigError, InputError, WeightsError
from reid_models.data.samples import ReidSamples
from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
from reid_models.registry import EmbedderConfig, build_embedder
from reid_models.training import imagenet
from reid_models.training.averaging import AveragedModel
from reid_models.training.cli import describe_data, main
from reid_models.training.config import OptimiserConfig, TrainConfig
from reid_models.training.dataset import Classes, DrawBatches, TrainingImages, side_of
from reid_models.training.imagenet import imagenet_model
from reid_models.training.logs import read_log
from reid_models.training.loop import Trainer, TrainingStopped, build_optimiser, training_precision
from reid_models.training.schedule import learning_rate
from reid_models.training.splits import hold_out, scenes_of
from reid_models.weights import WeightsInfo, load_weights

ROOT = Path(__file__).resolve().parent.parent.parent
# One shallow tap of a ResNet18 at 32 px: a step costs milliseconds.
TINY = {
    "model": {"backbone": "resnet18", "taps": [1, 2], "embedding_dim": 8, "input_hw": [32, 32], "bn_neck": True},
    "data": {"validation_share": 0.25, "workers": 0, "augmentation": "cameras", "mirrored_identities": True},
    "sampler": {"identities": 3, "images_per_identity": 2},
    "optimiser": {"ema": 0.9},
    "steps": 6, "validate_every": 3, "precision": "float32",
}


def tiny(**changes) -> TrainConfig:
    return build(TrainConfig, {**TINY, **changes})


@pytest.fixture(scope="module")
def two_view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight vehicles of one colour each, one photograph in each of two cameras, in the two-view layout."""
    folder = tmp_path_factory.mktemp("two-view")
    (folder / "images").mkdir()
    rng, names = np.random.default_rng(0), []
    for vehicle in range(8):
        colour = rng.integers(0, 256, 3)
        for camera in (1, 2):
            noise = rng.integers(-20, 21, (40, 36, 3))
            names.append(f"car_{vehicle:04d}_cam{camera}.jpg")
            cv2.imwrite(str(folder / "images" / names[-1]), np.clip(colour + noise, 0, 255).astype(np.uint8))
    for split in ("train", "val"):
        (folder / f"{split}.txt").write_text("\n".join(names) + "\n")
    return folder


@pytest.fixture(scope="module")
def samples(two_view: Path) -> ReidSamples:
    from reid_models.data.registry import load_split

    return load_split("two-view", two_view, "train")


def trainer(samples: ReidSamples, out: Path, config: TrainConfig) -> Trainer:
    training, validation = hold_out(samples, config.data.validation_share, 0)
    return Trainer(config, training, validation, out, WeightsInfo(config.model, "tiny", "Apache-2.0", "made up"))


def losses(out: Path) -> list[str]:
    return [row["loss"] for row in read_log(out / "log.csv")]


@pytest.mark.parametrize("metric", ["rll", "ssl"])
def test_a_resumed_run_has_the_same_curve_and_weights(samples: ReidSamples, tmp_path: Path, metric: str) -> None:
    config = tiny(loss={"metric": metric})
    whole = trainer(samples, tmp_path / "whole", config).run()
    parts = tmp_path / "parts"
    with pytest.raises(TrainingStopped, match="after step 2"):
        trainer(samples, parts, config).run(stop=[False, True])
    with pytest.raises(TrainingStopped, match="after step 5"):
        trainer(samples, parts, config).run(stop=[False, False, True])
    resumed = trainer(samples, parts, config).run()
    assert losses(parts) == losses(tmp_path / "whole")
    assert len(losses(parts)) == 6
    assert (parts / "last.safetensors").read_bytes() == (tmp_path / "whole" / "last.safetensors").read_bytes()
    assert resumed.scores == whole.scores


def test_the_optimiser_takes_the_steps_of_the_plain_one() -> None:
    """Also on filters that lie channels last in memory."""
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3, bias=False), torch.nn.BatchNorm2d(16)).to(
        memory_format=torch.channels_last)  # type: ignore[call-overload]
    plain = copy.deepcopy(ours)
    config = OptimiserConfig(learning_rate=1e-2, weight_decay=0.1)
    both = build_optimiser(ours, config), torch.optim.AdamW(
        [{"params": [plain[0].weight], "weight_decay": 0.1},
         {"params": [plain[1].weight, plain[1].bias], "weight_decay": 0.0}], lr=1e-2)  # fmt: skip
    images, target = torch.randn(4, 8, 9, 9), torch.randn(4, 16, 7, 7)
    for _ in range(5):
        for network, optimiser in zip((ours, plain), both, strict=True):
            optimiser.zero_grad()
            (network(images) - target).square().mean().backward()
            optimiser.step()
    for found, wanted in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


def test_log_rows_lost_by_a_crash_are_written_again(samples: ReidSamples, tmp_path: Path) -> None:
    """Rows after the last checkpoint belong to steps that are done once more."""
    with pytest.raises(TrainingStopped):
        trainer(samples, tmp_path, tiny()).run(stop=[False, True])
    with (tmp_path / "log.csv").open("a") as file:
        file.write("3,9,9,9,9,9,9,9,,\n")
    trainer(samples, tmp_path, tiny()).run()
    assert [row["step"] for row in read_log(tmp_path / "log.csv")] == list("123456")
    assert "9" not in losses(tmp_path)


def test_other_settings_do_not_continue_a_training(samples: ReidSamples, tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped):
        trainer(samples, tmp_path, tiny()).run(stop=[True])
    with pytest.raises(ConfigError, match="seed: expected 0, as this training was begun, found 4"):
        trainer(samples, tmp_path, tiny(seed=4))
    (tmp_path / "checkpoint.safetensors").write_bytes(b"cut off")
    with pytest.raises(WeightsError, match="checkpoint"):
        trainer(samples, tmp_path, tiny())


def test_the_best_weights_are_kept_and_can_be_used(samples: ReidSamples, tmp_path: Path) -> None:
    result = trainer(samples, tmp_path, tiny()).run()
    _, info = load_weights(result.weights)
    validated = [float(r["validation_map"]) for r in read_log(tmp_path / "log.csv") if r["validation_map"]]
    assert len(validated) == 2
    assert info.scores["validation_map"] == max(validated)
    assert info.licence == "Apache-2.0"
    embedder = build_embedder(EmbedderConfig(weights=str(result.weights)))
    assert embedder.embed([np.zeros((9, 9, 3), np.uint8)]).shape == (1, 16)


def test_training_learns_to_tell_the_colours_apart(samples: ReidSamples, tmp_path: Path) -> None:
    config = tiny(steps=40, validate_every=1000, optimiser={"learning_rate": 0.02, "weight_decay": 0.0},
                  data={"validation_share": 0.0, "workers": 0, "clean_share": 0.9}, loss={"smoothing": 0.0})
    trainer(samples, tmp_path, config).run()
    rows = [float(loss) for loss in losses(tmp_path)]
    assert np.mean(rows[-8:]) < 0.85 * np.mean(rows[:8])


def test_a_loss_that_is_not_finite_stops_and_lists_the_batch(samples: ReidSamples, tmp_path: Path) -> None:
    run = trainer(samples, tmp_path, tiny())
    with torch.no_grad():
        run.model.stem.conv1.weight.fill_(float("nan"))
    with pytest.raises(InputError, match="loss of step 0: expected a finite number, found loss nan"):
        run.run()
    listed = (tmp_path / "bad_batch_0_rank0.txt").read_text().split()
    assert len(listed) == 6
    assert all(Path(name).is_file() for name in listed)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_images_are_the_same_whoever_reads_them(samples: ReidSamples) -> None:
    """Again and again, and for each of two processes its half."""
    config = tiny()
    sampler_of = trainer(samples, Path("unused"), config).sampler
    classes = Classes(sampler_of.identities, {}, True, False)
    seen = hold_out(samples, 0.25, 0)[0]
    alone = DrawBatches(sampler_of, classes, seen, config, 0, 4)
    halves = [DrawBatches(sampler_of, classes, seen, config, 0, 4, rank, 2) for rank in (0, 1)]
    images = TrainingImages(seen, config)
    for step in range(4):
        draws = alone.draws(step)
        assert sorted(map(repr, draws)) == sorted(repr(d) for half in halves for d in half.draws(step))
        first, again = images[draws[-1]], images[draws[-1]]
        assert torch.equal(first[0], again[0])
        assert first[0].shape == (3, 32, 32)


def test_classes_multiply_only_where_colour_allows() -> None:
    classes = Classes(np.array([4, 9]), {9: True}, mirrored=True, recoloured=True)
    assert len(classes) == 2 + 2 * 6
    seen = {classes.change(identity, np.random.default_rng(i)) for i in range(200) for identity in (4, 9)}
    assert {label for label, _, _ in seen} == set(range(14))
    assert all(order == 0 for label, _, order in seen if label < 2)
    assert len(Classes(np.array([4, 9]), {}, mirrored=False, recoloured=False)) == 2


@pytest.mark.parametrize(("share", "by_scene"), [(0.0, False), (0.05, False), (0.2, True), (0.4, True)])
def test_held_out_identities_are_disjoint_and_a_small_scene_goes_whole(share: float, by_scene: bool) -> None:
    """Ten identities drive in cameras 0 to 2, twenty in cameras 5 to 8."""
    rng = np.random.default_rng(1)
    identities = np.concatenate([np.arange(30), rng.integers(-1, 30, 300)])
    cameras = np.where(identities % 3 == 0, rng.integers(0, 3, 330), rng.integers(5, 9, 330))
    data = ReidSamples(tuple(Path(str(i)) for i in range(330)), identities, cameras, np.full(330, -1), ("",) * 330)
    training, validation = hold_out(data, share, 0)
    assert not set(training.identities) & set(validation.identities)
    assert len(training) + len(validation) == (identities >= 0).sum()
    assert (len(validation) > 0) == (share > 0)
    if share:
        assert bool(set(training.cameras) & set(validation.cameras)) != by_scene
    if share == 0.2:
        assert set(validation.cameras) <= {0, 1, 2}  # the scene of twenty is more than twice the share


def test_scenes_are_linked_through_shared_identities_only() -> None:
    data = ReidSamples((Path("a"),) * 7, np.array([0, 0, 1, 1, 2, -1, -1]), np.array([1, 2, 2, 3, 7, 7, 1]),
                       np.full(7, -1), ("",) * 7)
    assert scenes_of(data).tolist() == [1, 1, 1, 1, 7, 7, 1]


def test_folds_hold_every_identity_once(samples: ReidSamples) -> None:
    held = [i for fold in range(4) for i in np.unique(hold_out(samples, 0.25, fold)[1].identities)]
    assert sorted(held) == list(range(8))


def test_schedule_equals_the_digest() -> None:
    """AdaptiveL2's: 2e-6 at epoch 0, 2e-4 from 9, ÷10 at 40 and 70 (of 80)."""
    config = OptimiserConfig(learning_rate=2e-4, schedule="step", warmup_share=9 / 80, warmup_start=0.01,
                             milestones=(40 / 80, 70 / 80))
    rates = [learning_rate(config, epoch / 80) for epoch in (0, 9, 10, 40, 70)]
    np.testing.assert_allclose(rates, (2e-6, 2e-4, 2e-4, 2e-5, 2e-6), rtol=1e-9)


def test_cosine_falls_from_the_rate_to_its_floor() -> None:
    config = OptimiserConfig(learning_rate=1.0, warmup_share=0.1, final_factor=0.02)
    rates = [learning_rate(config, p) for p in (0, 0.05, 0.1, 0.55, 1.0)]
    np.testing.assert_allclose(rates, (0.01, 0.505, 1, 0.51, 0.02), rtol=1e-9)


def test_sides_grow_with_progress() -> None:
    config = tiny(resolutions=[[0.0, 16], [0.5, 24]])
    assert [side_of(config, p) for p in (0, 0.49, 0.5, 1)] == [16, 16, 24, 24]
    assert side_of(tiny(), 0.3) == 0


def test_averages_follow_their_definition() -> None:
    model = torch.nn.BatchNorm1d(2)
    average, by_hand = AveragedModel(model, 0.5), model.weight.detach().clone()
    for step in range(12):
        with torch.no_grad():
            model.weight.add_(1.0)
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        by_hand = decay * by_hand + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(average.model.weight, by_hand)


def test_time_can_be_the_budget(samples: ReidSamples, tmp_path: Path) -> None:
    result = trainer(samples, tmp_path, tiny(minutes=0.01)).run()
    assert 1 <= result.steps < 10_000
    assert float(read_log(tmp_path / "log.csv")[-1]["seconds"]) >= 0.6


def test_the_command_trains_stores_and_describes(two_view: Path, tmp_path: Path, capsys) -> None:
    settings = tmp_path / "c.yaml"
    settings.write_text("steps: 3\nmodel: {backbone: resnet18, taps: [1], embedding_dim: 8, input_hw: [32, 32]}\n"
                        "data: {validation_share: 0.25, workers: 0}\n"
                        "sampler: {identities: 2, images_per_identity: 2}\n")
    arguments = ["--config", str(settings), "--data", str(two_view), "--out", str(tmp_path / "out"), "--set", "steps=2"]
    assert main(arguments) == 0
    assert "trained 2 steps" in capsys.readouterr().out
    _, info = load_weights(tmp_path / "out" / "best.safetensors")
    assert "two-view train" in info.training_data
    assert "--set=steps=2" in info.command
    assert main([*arguments, "--set", "stepz=2"]) == 2
    assert "Did you mean steps?" in capsys.readouterr().err


def test_the_description_of_data_changes_with_the_list_only() -> None:
    paths = [Path("b.jpg"), Path("x/a.jpg")]
    digest = hashlib.sha256(b"a.jpg\nb.jpg\n").hexdigest()
    assert describe_data("two-view", "train", paths).endswith(digest)


def test_torchvision_weights_are_placed_and_their_hash_is_checked(tmp_path: Path) -> None:
    config = ModelConfig(backbone="resnet18", embedding_dim=4)
    url = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url
    path = tmp_path / url.rsplit("/", 1)[1]
    with pytest.raises(WeightsError, match="--download imagenet"):
        imagenet_model(config, tmp_path, download=False)
    backbone = torchvision.models.resnet18(weights=None)
    torch.save(backbone.state_dict(), path)
    with pytest.raises(WeightsError, match="a SHA-256 that begins with f37072fd"):
        imagenet_model(config, tmp_path, download=False)
    model = MultilevelResNet(config)
    imagenet.place_backbone(model, backbone.state_dict(), path)
    assert torch.equal(model.stem.conv1.weight, backbone.conv1.weight)
    assert torch.equal(model.stages.layer4[1].bn2.running_var, backbone.layer4[1].bn2.running_var)
    with pytest.raises(WeightsError, match="stages"):
        imagenet.place_backbone(model, torchvision.models.resnet50(weights=None).state_dict(), path)


def test_ibn_has_no_imagenet_weights() -> None:
    with pytest.raises(ConfigError, match="without ibn_a"):
        tiny(initial="imagenet", model={"ibn_a": True})


def test_precision_is_one_the_processor_has() -> None:
    assert training_precision("auto", torch.device("cpu")) in ("float32", "bfloat16")
    assert training_precision("float32", torch.device("cpu")) == "float32"


@pytest.mark.slow
def test_two_processes_train_together(two_view: Path, tmp_path: Path) -> None:
    settings = tmp_path / "c.yaml"
    settings.write_text("steps: 4\nmodel: {backbone: resnet18, taps: [1, 2], embedding_dim: 8, input_hw: [32, 32]}\n"
                        "data: {validation_share: 0.25, workers: 0}\n"
                        "sampler: {identities: 4, images_per_identity: 2}\n")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "tools/train_reid.py",
         "--config", str(settings), "--data", str(two_view), "--out", str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained 4 steps") == 1
    assert len(losses(tmp_path / "out")) == 4


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("reid_*.yaml")), ids=lambda p: p.stem)
def test_every_configuration_in_the_repository_can_be_built(path: Path) -> None:
    config = build(TrainConfig, read_yaml(path), str(path))
    assert config.model.dimension > 0
    assert config.sampler.identities * config.sampler.images_per_identity >= 32

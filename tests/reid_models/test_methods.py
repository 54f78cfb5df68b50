"""Training options end to end: every configuration through the real command at small size, and what each must keep."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from mtmc.config import build, read_yaml
from mtmc.errors import ConfigError, WeightsError
from reid_models.architectures import build_network
from reid_models.data.generate import TINY, write_dataset
from reid_models.data.marks import marks_of
from reid_models.data.registry import load_split
from reid_models.data.samples import ReidSamples
from reid_models.model_config import ModelConfig
from reid_models.pair_verifier import PairVerifier, load_verifier, probability_same, save_verifier
from reid_models.registry import EmbedderConfig, build_embedder
from reid_models.training.adaptive_l2 import AdaptiveL2, AdaptiveL2Config, group_rows, hard_sigmoid
from reid_models.training.cli import main
from reid_models.training.config import TrainConfig
from reid_models.training.logs import read_log
from reid_models.training.loop import Trainer, TrainingStopped
from reid_models.training.passes import flip, single
from reid_models.training.penalties import PENALTIES
from reid_models.training.step import TrainingStep
from reid_models.weights import WeightsInfo, load_weights

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = {"model": {"backbone": "resnet18", "taps": [1, 2], "embedding_dim": 8, "input_hw": [32, 32]},
         "data": {"validation_share": 0.0, "workers": 0}, "sampler": {"identities": 3, "images_per_identity": 2},
         "steps": 4, "precision": "float32"}


@pytest.fixture(scope="module")
def two_view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen vehicles of two kinds, one photograph in each of two cameras."""
    folder = tmp_path_factory.mktemp("two-view")
    (folder / "images").mkdir()
    rng, names = np.random.default_rng(0), []
    for vehicle in range(16):
        colour = rng.integers(0, 256, 3)
        for camera in (1, 2):
            names.append(f"{'car' if vehicle < 8 else 'bus'}_{vehicle:04d}_cam{camera}.jpg")
            noisy = np.clip(colour + rng.integers(-20, 21, (40, 36, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / "images" / names[-1]), noisy)
    (folder / "train.txt").write_text("\n".join(names) + "\n")
    return folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with times: each vehicle passes its cameras twenty seconds apart, vehicles come every five seconds."""
    folder = tmp_path_factory.mktemp("run") / "run"
    write_dataset("run", folder, TINY)
    lines = (folder / "tracklets.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    timed = [[*row, f"{5 * int(row[2]) + 20 * int(row[0][1:])}.0", f"{5 * int(row[2]) + 20 * int(row[0][1:]) + 4}.0"]
             for row in rows]
    table = [lines[0] + ",start_s,end_s", *(",".join(row) for row in timed)]
    (folder / "tracklets.csv").write_text("\n".join(table) + "\n")
    return folder


@pytest.fixture(scope="module")
def samples(two_view: Path) -> ReidSamples:
    return load_split("two-view", two_view, "train")


def train(samples: ReidSamples, out: Path, stop=(), **changes) -> Trainer:
    config = build(TrainConfig, {**SMALL, **changes})
    trainer = Trainer(config, samples, samples.select(np.zeros(len(samples), bool)), out, WeightsInfo(config.model))
    trainer.run(stop)
    return trainer


# What makes each configuration small; the rest of its file stays as it is.
TO_SIZE = {
    "global_regional": ["model.stripe_channels=8"], "adaptive_l2": ["model.stripe_channels=8"],
    "flip": ["model.stripe_channels=8"], "verification": ["model.taps=[1]", "sampler.identities=4"],
    "coupled_clusters": ["model.embedding_dim=8"], "contrastive": ["model.taps=[1]", "model.last_stride=2"],
    "lifted": ["model.taps=[1]", "model.last_stride=2"], "arcface": ["model.taps=[1, 2]"],
    "learned_fusion": ["model.embedding_dim=8", "model.fused_blocks=[1, 3, 8]"],
    "hard_negatives": ["model.taps=[1, 2]", "sampler.group=2"], "weak_triplet": ["model.taps=[1, 2]"],
}


@pytest.mark.parametrize("method", TO_SIZE)
def test_every_configuration_trains_by_the_command(method: str, two_view: Path, run_folder: Path, tmp_path: Path,
                                                   capsys: pytest.CaptureFixture) -> None:
    weak = method == "weak_triplet"
    sizes = ["data.workers=0", "data.validation_share=0.25", "model.backbone=resnet18", "model.input_hw=[32, 32]",
             "initial=random", "steps=2", "precision=float32", *TO_SIZE[method]]
    if not weak:
        sizes.append("data.dataset=two-view")
    if "sampler.identities=4" not in sizes:
        sizes += ["sampler.identities=4"] + ([] if weak else ["sampler.images_per_identity=2"])
    arguments = ["--config", str(ROOT / "configs" / f"reid_{method}.yaml"), "--out", str(tmp_path / "out"),
                 "--data", str(run_folder if weak else two_view), *(f"--set={item}" for item in sizes)]
    assert main(arguments) == 0, capsys.readouterr().err
    assert "trained 2 steps" in capsys.readouterr().out
    rows = read_log(tmp_path / "out" / "log.csv")
    assert len(rows) == 2
    assert all(np.isfinite(float(value)) for row in rows for value in row.values() if value)
    weights = str(tmp_path / "out" / "best.safetensors")
    embedder = build_embedder(EmbedderConfig(weights=weights, batch_size=2, backend="torch"))
    vectors = embedder.embed([np.full((9, 9, 3), 100, np.uint8)])
    assert vectors.shape == (1, embedder.dimension)
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-5)
    expected = {"adaptive_l2": "lambda_conv_kernel", "flip": "flip_loss", "verification": "verification_loss",
                "coupled_clusters": "kind_loss", "global_regional": "penalty"}
    assert expected.get(method, "loss") in rows[0]


def test_the_list_of_small_sizes_is_whole() -> None:
    ours = {path.stem.removeprefix("reid_") for path in (ROOT / "configs").glob("reid_*.yaml")
            if "of docs/methods.md" in path.read_text() and "reid_models/attributes" not in path.read_text()}
    assert set(TO_SIZE) <= ours


# --- Adaptive L2 ---------------------------------------------------------------------------------------------------

class One(nn.Module):
    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values, dtype=torch.float32))


@pytest.mark.parametrize(("theta", "factor", "penalty", "slope"), [
    (-1.0, 0.0015, 0.0075, 0.005), (0.0, 0.0025, 0.0125, 0.005), (1.0, 0.0035, 0.0175, 0.005),
    (-3.0, 0.0, 0.0, 0.0), (3.0, 0.005, 0.025, 0.0)])
def test_adaptive_l2_equals_the_digest(theta: float, factor: float, penalty: float, slope: float) -> None:
    model = One([1.0, 2.0])  # |w|² = 5
    regulariser = AdaptiveL2(model)
    regulariser.theta.data.fill_(theta)
    value = regulariser(model)
    value.backward()
    assert regulariser.factors.item() == pytest.approx(factor, abs=1e-8)
    assert value.item() == pytest.approx(penalty, abs=1e-7)
    assert regulariser.theta.grad.item() == pytest.approx(slope, abs=1e-8)
    np.testing.assert_allclose(model.w.grad, 2 * factor * model.w.detach(), atol=1e-8)


def test_hard_sigmoid_has_its_corners() -> None:
    at = torch.tensor([-9.0, -2.5, -1.0, 0.0, 2.5, 9.0])
    np.testing.assert_allclose(hard_sigmoid(at, 2.5), [0, 0, 0.3, 0.5, 1, 1], atol=1e-7)


def test_factors_only_fall_and_those_of_zeros_stay() -> None:
    """500 steps of Adam: a penalty that decays, no search for the best (seeds_digest B2)."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.zero_()
    regulariser = AdaptiveL2(model, AdaptiveL2Config(amplitude=0.05))
    optimiser = torch.optim.Adam([model[0].weight, model[0].bias, regulariser.theta], lr=2e-3)
    inputs, targets, before = torch.randn(64, 5), torch.randn(64, 4), regulariser.theta.detach().clone()
    for _ in range(500):
        optimiser.zero_grad()
        ((model[0](inputs) - targets).square().mean() + regulariser(model)).backward()
        optimiser.step()
        now = regulariser.theta.detach().clone()
        assert (now <= before + 1e-9).all()
        before = now
    factors = regulariser.factors.tolist()
    assert factors[2] == factors[3] == pytest.approx(0.025)
    assert max(factors[:2]) < 0.02


def test_theta_is_trained_without_weight_decay_and_outside_the_sum(samples: ReidSamples, tmp_path: Path) -> None:
    run = train(samples, tmp_path, optimiser={"penalty": "adaptive-l2", "weight_decay": 0.3, "learning_rate": 0.01})
    theta = run.step.penalty.theta
    assert len(theta) == len([p for p in run.model.parameters() if p.requires_grad])
    group, = [g for g in run.optimiser.param_groups if any(p is theta for p in g["params"])]
    assert group["weight_decay"] == 0
    assert (theta < 0).all()
    logged = [float(row["lambda_conv_kernel"]) for row in read_log(tmp_path / "log.csv")]
    assert logged == sorted(logged, reverse=True)
    assert logged[0] < 0.0025


def test_groups_name_every_trained_tensor_once() -> None:
    model = build_network(ModelConfig(backbone="resnet18", taps=(1,), embedding_dim=4, bn_neck=True), 3)
    rows = group_rows(model)
    assert sorted(row for group in rows.values() for row in group) == list(
        range(len([p for p in model.parameters() if p.requires_grad])))
    assert set(rows) == {"lambda_conv_kernel", "lambda_norm_gamma", "lambda_norm_beta", "lambda_dense_kernel",
                         "lambda_dense_bias"}


def test_constant_l2_is_the_sum_of_squares() -> None:
    config = build(TrainConfig, {"optimiser": {"penalty": "l2", "l2_factor": 0.1}}).optimiser
    assert PENALTIES["l2"](config, One([1.0, 2.0]))(One([1.0, 2.0])).item() == pytest.approx(0.5)


# --- FlipReID ------------------------------------------------------------------------------------------------------

def small_network(**settings) -> nn.Module:
    torch.manual_seed(0)
    config = ModelConfig(backbone="resnet18", taps=(1, 2), embedding_dim=8, input_hw=(32, 32), **settings)
    return build_network(config, 3)


def test_losses_act_on_the_mean_over_image_and_mirror_image() -> None:
    model, images = small_network(bn_neck=True).eval(), torch.randn(4, 3, 32, 32)
    seen = flip(model, images)
    plain, mirrored = model(images), model(images.flip(3))
    for found, one, two in zip(seen.levels.features, plain.features, mirrored.features, strict=True):
        torch.testing.assert_close(found, (one + two) / 2)
    expected = sum((one - two).square().mean() for one, two in zip(plain.features, mirrored.features, strict=True))
    torch.testing.assert_close(seen.extras["flip_loss"], expected)


def test_a_symmetric_image_has_no_flip_loss() -> None:
    images = torch.randn(2, 3, 32, 32)
    assert flip(small_network().eval(), (images + images.flip(3)) / 2).extras["flip_loss"].item() == 0


def test_the_flip_pass_runs_one_batch_of_twice_the_size_through_shared_weights() -> None:
    model, sizes = small_network(), []
    model.stem.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    flip(model, torch.randn(3, 3, 32, 32))
    single(model, torch.randn(3, 3, 32, 32))
    assert sizes == [6, 3]


@pytest.mark.parametrize(("double", "calls"), [(False, [2]), (True, [4])])
def test_use_takes_one_image_or_both_whatever_the_training_did(samples: ReidSamples, tmp_path: Path, double: bool,
                                                               calls: list[int]) -> None:
    train(samples, tmp_path, passes="flip", steps=1)
    weights = str(tmp_path / "last.safetensors")
    config, sizes = EmbedderConfig(weights=weights, batch_size=2, backend="torch", flip_at_test=double), []
    embedder = build_embedder(config)
    embedder.model.stem.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    embedder.embed([np.zeros((32, 32, 3), np.uint8)])
    assert sizes == calls


def test_the_flip_loss_is_weighed_and_optional() -> None:
    images, marks = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8), marks_of(torch.tensor([0, 0, 1, 1]))
    totals = []
    for weight in (0.0, 2.0):
        torch.manual_seed(0)
        config = build(TrainConfig, {**SMALL, "passes": "flip", "flip_weight": weight})
        parts = TrainingStep(config, 3, 0, torch.float32)(images, marks)
        totals.append((parts.total.item(), parts.extras["flip_loss"].item()))
    assert totals[1][0] - totals[0][0] == pytest.approx(2 * totals[0][1], rel=1e-4)


# --- Verification and identification --------------------------------------------------------------------------------

def test_the_verifier_is_kept_and_judges_stored_vectors(samples: ReidSamples, tmp_path: Path) -> None:
    train(samples, tmp_path, loss={"metric": "none", "verification_weight": 1.0},
          sampler={"kind": "pairs", "identities": 4, "images_per_identity": 2})
    verifier = load_verifier(tmp_path / "last_verifier.safetensors")
    embedder = build_embedder(EmbedderConfig(weights=str(tmp_path / "last.safetensors"), batch_size=2, backend="torch"))
    vectors = embedder.embed([np.full((32, 32, 3), value, np.uint8) for value in (10, 240)])
    chances = probability_same(verifier, vectors[[0, 0, 1]], vectors[[0, 1, 0]])
    assert chances[1] == pytest.approx(chances[2], abs=1e-6)
    assert chances[0] > chances[1] > 0
    assert probability_same(verifier, vectors[:0], vectors[:0]).shape == (0,)


def test_a_verifier_learns_to_tell_pairs() -> None:
    torch.manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(40, 16), dim=1)
    one, two = (torch.nn.functional.normalize(centres + 0.1 * torch.randn(40, 16), dim=1) for _ in range(2))
    verifier = PairVerifier(16)
    optimiser = torch.optim.Adam(verifier.parameters(), lr=0.02)
    pairs, answers = (torch.cat([one, one]), torch.cat([two, two.roll(1, 0)])), torch.arange(80) < 40
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(verifier(*pairs), answers.long()).backward()
        optimiser.step()
    chances = probability_same(verifier, pairs[0].numpy(), pairs[1].numpy())
    assert ((chances > 0.5) == answers.numpy()).mean() > 0.95


def test_a_file_that_is_no_verifier_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    save_verifier(path, PairVerifier(4, scale=3.0))
    assert load_verifier(path).scale == 3.0
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(WeightsError, match="a pair verifier"):
        load_verifier(path)


# --- Resume, and what must fit together -----------------------------------------------------------------------------

OPTIONS = {
    "verification": {"loss": {"metric": "none", "verification_weight": 1.0},
                     "sampler": {"kind": "pairs", "identities": 4, "images_per_identity": 2},
                     "model": {**SMALL["model"], "dropout": 0.5}},
    "adaptive": {"optimiser": {"penalty": "adaptive-l2"}, "passes": "flip"},
}


@pytest.mark.parametrize("option", OPTIONS)
def test_a_resumed_run_has_the_same_curve_and_weights(samples: ReidSamples, tmp_path: Path, option: str) -> None:
    """Dropout, the verifier's weights and the penalty's factors included."""
    changes = OPTIONS[option]
    train(samples, tmp_path / "whole", **changes)
    with pytest.raises(TrainingStopped):
        train(samples, tmp_path / "parts", stop=[False, True], **changes)
    train(samples, tmp_path / "parts", **changes)
    check_same(tmp_path / "whole", tmp_path / "parts")


def test_a_weakly_labelled_run_resumes_with_its_vectors(run_folder: Path, tmp_path: Path) -> None:
    """Vectors are renewed at step 0 and 3; the stop at 2 and 4 lies between."""
    data = load_split("run", run_folder, "all")
    sampler = {"kind": "transits", "identities": 3, "images_per_identity": 5, "transits": {"refresh_steps": 3}}
    changes = {"sampler": sampler, "loss": {"metric": "weak-triplet", "identity_weight": 0.0}, "steps": 6}
    train(data, tmp_path / "whole", **changes)
    for stop in ([False, True], [False, True]):
        with pytest.raises(TrainingStopped):
            train(data, tmp_path / "parts", stop=stop, **changes)
    train(data, tmp_path / "parts", **changes)
    check_same(tmp_path / "whole", tmp_path / "parts")


def check_same(whole: Path, parts: Path) -> None:
    assert [r["loss"] for r in read_log(whole / "log.csv")] == [r["loss"] for r in read_log(parts / "log.csv")]
    assert (whole / "last.safetensors").read_bytes() == (parts / "last.safetensors").read_bytes()


@pytest.mark.slow
def test_two_processes_keep_every_weight_alike(two_view: Path, tmp_path: Path) -> None:
    """The verifier's weights and the penalty's factors get the mean gradient too: each process writes its own."""
    settings = tmp_path / "c.yaml"
    settings.write_text("steps: 4\nmodel: {backbone: resnet18, taps: [1, 2], embedding_dim: 8, input_hw: [32, 32]}\n"
                        "loss: {metric: none, verification_weight: 1.0}\noptimiser: {penalty: adaptive-l2}\n"
                        "passes: flip\ndata: {dataset: two-view, validation_share: 0.0, workers: 0}\n"
                        "sampler: {kind: pairs, identities: 4, images_per_identity: 2}\n")
    script = tmp_path / "both.py"
    script.write_text(
        "import sys, torch\nfrom reid_models.training import loop\n"
        "run = loop.Trainer.run\n"
        "def kept(self, stop=()):\n"
        "    result = run(self, stop)\n"
        f"    torch.save(self.step.state_dict(), {str(tmp_path)!r} + f'/{{self.place.rank}}.pt')\n"
        "    return result\n"
        "loop.Trainer.run = kept\n"
        "from reid_models.training.cli import main\nsys.exit(main())\n")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script),
         "--config", str(settings), "--data", str(two_view), "--out", str(tmp_path / "out")], cwd=ROOT,
        capture_output=True, text=True, timeout=400, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one if "running" not in name)
    assert any("verifier" in name for name in one)
    assert any("theta" in name for name in one)


def test_made_up_identities_need_true_ones(run_folder: Path, tmp_path: Path) -> None:
    data = load_split("run", run_folder, "all")
    with pytest.raises(ConfigError, match="mirrored_identities"):
        train(data, tmp_path, data={**SMALL["data"], "mirrored_identities": True},
              sampler={"kind": "transits", "identities": 3, "images_per_identity": 5})


def test_arcface_wants_cosines() -> None:
    with pytest.raises(ConfigError, match="classifier"):
        build(TrainConfig, {"loss": {"identity": "arcface"}})


def test_verification_wants_pairs() -> None:
    with pytest.raises(ConfigError, match="pairs"):
        build(TrainConfig, {"loss": {"verification_weight": 1.0}})


def test_weights_of_other_networks_come_back_as_they_were(tmp_path: Path) -> None:
    from reid_models.weights import save_weights

    for name, settings in (("global-regional", {"embedding_dim": 0, "bn_neck": True, "stripe_channels": 8}),
                           ("learned-fusion", {"embedding_dim": 8}), ("mixed-difference", {"embedding_dim": 8})):
        config = ModelConfig(architecture=name, backbone="resnet18", input_hw=(32, 32), **settings)
        model = build_network(config, identities=3, kinds=2).eval()
        save_weights(tmp_path / "w.safetensors", model, WeightsInfo(config), "float32")
        again, info = load_weights(tmp_path / "w.safetensors")
        assert info.model == config
        images = torch.randn(2, 3, 32, 32)
        torch.testing.assert_close(again.embed(images), copy.deepcopy(model).embed(images))


def test_the_weak_triplet_configuration_looks_at_no_identity() -> None:
    config = build(TrainConfig, read_yaml(ROOT / "configs" / "reid_weak_triplet.yaml"))
    assert config.loss.identity_weight == 0
    assert config.sampler.kind == "transits"

"""The conditional GAN of seeds_digest C3: its published shape, its losses, whose turn it is, and what it draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch

from mtmc.errors import ConfigError, InputError
from mtmc.privacy.early_maps import early_maps
from mtmc.privacy.inversion_attack import Known, cosine_distance, invert
from mtmc.privacy.inversion_networks import Discriminator, Generator, InversionShape
from mtmc.privacy.inversion_training import (
    Inversion,
    InversionConfig,
    _Step,
    discriminator_loss,
    generator_loss,
    train_inversion,
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Maps of 8 × 8 are too small to share: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SMALL = InversionShape((1, 1), 3, 8, 16)  # pictures of 8 × 8


def small_pairs(n: int, dimension: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth 8 × 8 pictures behind a random linear code."""
    r = np.random.default_rng(seed)
    pictures = np.kron(r.random((n, 2, 2, 3)), np.ones((1, 4, 4, 1)))
    code = np.random.default_rng(7).normal(size=(192, dimension))
    return pictures.reshape(n, -1) @ code, (pictures * 255).round().astype(np.uint8)


def test_the_published_shape() -> None:
    """Smallest map 12 × 4 × 128, five blocks, pictures of 384 × 128, features beside the pooled maps."""
    shape = InversionShape((12, 4), 5, 128, 256)
    generator, judge = Generator(2048, shape).eval(), Discriminator(2048, shape)
    features = torch.zeros(1, 2048)
    assert generator.dense[0].weight.shape == (256, 2048)
    assert len(generator.blocks) == len(judge.blocks) == 5
    with torch.inference_mode():
        assert generator.smallest(features).shape == (1, 128, 12, 4)
        drawn = generator(features)
        assert drawn.shape == (1, 3, 384, 128)
        assert judge(drawn, features).shape == (1,)
        assert judge.blocks(drawn).shape == (1, 128, 12, 4)
    assert judge.dense[0].in_features == 128 + 2048
    assert shape.picture_hw == (384, 128)


def test_the_discriminator_judges_picture_and_vector_together() -> None:
    """What a vector changes depends on the picture, or wrong pictures of a vector could not be told."""
    torch.manual_seed(0)
    judge = Discriminator(6, SMALL)
    pictures, features = torch.rand(2, 3, 8, 8), torch.randn(2, 6)
    with torch.inference_mode():
        table = torch.stack([judge(pictures[i : i + 1], features[j : j + 1]) for i in (0, 1) for j in (0, 1)]).ravel()
    assert abs(float(table[0] - table[1] - table[2] + table[3])) > 1e-5


def test_the_losses_by_hand() -> None:
    true, drawn = torch.tensor([0.5, 1.0]), torch.tensor([0.0, 0.4])
    assert float(discriminator_loss(true, drawn)) == pytest.approx(0.125 + 0.08)
    images, wrong, judged = torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5), torch.tensor([0.0, 0.5])

    def maps(pictures: torch.Tensor) -> torch.Tensor:
        return 2 * pictures

    both = InversionConfig(SMALL, pixel=0, feature=1, adversarial=0.06)
    assert float(generator_loss(wrong, images, judged, both, maps)) == pytest.approx(1.0 + 0.06 * 0.625)
    pixels = InversionConfig(SMALL, pixel=1, feature=0, adversarial=0)
    assert float(generator_loss(wrong, images, judged, pixels, None)) == pytest.approx(0.25)


def test_each_network_learns_in_its_own_turn() -> None:
    features, pictures = small_pairs(16)
    config = InversionConfig(SMALL, pixel=1, feature=0, adversarial=0.1, batch=16)
    inversion = Inversion(features, config)
    step = _Step(inversion, config, None)
    vectors = inversion.standardised(features)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255

    def weights(network: torch.nn.Module) -> list[torch.Tensor]:
        return [p.detach().clone() for p in network.parameters()]

    def same(network: torch.nn.Module, before: list[torch.Tensor]) -> bool:
        return all(torch.equal(a, b) for a, b in zip(network.parameters(), before, strict=True))

    before = weights(inversion.generator), weights(inversion.discriminator)
    step.discriminator(vectors, images)
    assert same(inversion.generator, before[0])
    assert not same(inversion.discriminator, before[1])
    judge = weights(inversion.discriminator)
    step.generator(vectors, images)
    assert same(inversion.discriminator, judge)
    assert not same(inversion.generator, before[0])
    assert all(p.requires_grad for p in inversion.discriminator.parameters())


def test_the_digits_of_the_digest() -> None:
    """A generator cuts the error of the mean picture by half or more (a ridge does by 61 %)."""
    datasets = pytest.importorskip("sklearn.datasets")
    flat = datasets.load_digits().data / 16
    code = flat @ np.random.default_rng(0).normal(size=(64, 16))
    pictures = np.repeat((flat * 255).round().astype(np.uint8).reshape(-1, 8, 8, 1), 3, axis=3)
    config = InversionConfig(SMALL, pixel=1, feature=0, adversarial=0, steps=300, batch=32, learning_rate=5e-3)
    drawn = train_inversion(code[:1200], pictures[:1200], config).draw(code[1200:])
    error = ((drawn[..., 0].reshape(-1, 64) / 255 - flat[1200:]) ** 2).mean()
    assert error <= 0.5 * 0.0742


def test_the_same_seed_draws_the_same_pictures() -> None:
    features, pictures = small_pairs(20)
    config = InversionConfig(SMALL, pixel=1, feature=0, steps=3, batch=8)
    first, second = (train_inversion(features, pictures, config).draw(features) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.dtype == np.uint8
    assert train_inversion(features, pictures, config).draw(features[:0]).shape == (0, 8, 8, 3)


def test_early_maps_are_a_quarter_of_the_picture_and_pass_gradients() -> None:
    maps = early_maps()
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    found = maps(images)
    assert found.shape == (1, 256, 16, 16)
    found.sum().backward()
    assert images.grad is not None
    assert float(images.grad.abs().sum()) > 0


def mean_colour(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """A model to be asked: unit vectors of the mean colour of each quarter."""
    rows = [np.concatenate([part.reshape(-1, 3).mean(axis=0) for half in np.array_split(p, 2)
                            for part in np.array_split(half, 2, axis=1)]) - 128.0 for p in pictures]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


def test_the_attack_is_judged_by_the_model_that_was_asked() -> None:
    _, pictures = small_pairs(200)
    vectors = mean_colour(list(pictures))
    config = InversionConfig(SMALL, pixel=1, feature=0, adversarial=0.01, steps=150, learning_rate=5e-3)
    result, drawn = invert(Known(vectors[:160], list(pictures[:160])), Known(vectors[160:], list(pictures[160:])),
                           mean_colour, config, None)
    assert drawn.shape == (40, 8, 8, 3)
    assert result.true == pytest.approx(0, abs=1e-6)
    assert result.drawn < 0.5 * result.mean_picture
    assert result.other > 0.5
    assert 0.5 < result.recovered <= 1
    assert (result.rows, result.learned_from) == (40, 160)
    assert cosine_distance(np.eye(2), np.array([[0.0, 1.0], [0.0, 2.0]])) == 0.5


def test_what_cannot_be_attacked_gets_a_sentence() -> None:
    features, pictures = small_pairs(4)
    with pytest.raises(InputError, match="8 x 8"):
        train_inversion(features, pictures[:, :4], InversionConfig(SMALL, pixel=1, feature=0))
    with pytest.raises(InputError, match="maps"):
        train_inversion(features, pictures, InversionConfig(SMALL))
    with pytest.raises(ConfigError, match="pixel or feature"):
        InversionConfig(pixel=0, feature=0)
    with pytest.raises(InputError, match="two vectors"):
        invert(Known(features[:1], pictures[:1]), Known(features, pictures), mean_colour, InversionConfig(SMALL), None)

"""Golden values and checks of seeds_digest H1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from mtmc.errors import ConfigError, InputError
from reid_models.clustering.clusters import cluster, clustering_accuracy
from reid_models.clustering.l2_autoencoder import (
    Autoencoder,
    AutoencoderConfig,
    ConvAutoencoder,
    codes_of,
    fit_autoencoder,
    reconstruction_loss,
    train,
)

QUICK = AutoencoderConfig(widths=(32, 64), epochs=12)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def prototypes(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    classes = r.integers(0, 5, count)
    return (r.normal(size=(5, 24)) * 2)[classes] + 0.1 * r.normal(size=(count, 24)), classes


def test_golden_clustering_accuracy() -> None:
    assert clustering_accuracy(np.array([0, 0, 1, 1, 2, 2]), np.array([1, 1, 0, 2, 2, 2])) == pytest.approx(5 / 6)
    assert clustering_accuracy(np.array([0, 1]), np.array([1, 0])) == 1
    assert clustering_accuracy(np.zeros(0, np.int64), np.zeros(0, np.int64)) == 0


@pytest.mark.parametrize("count", [1, 2, 7])
def test_accuracy_against_all_assignments(count: int) -> None:
    from itertools import permutations

    r = np.random.default_rng(count)
    classes, groups = r.integers(0, 4, count), r.integers(0, 4, count)
    best = max(np.mean(np.array(p)[groups] == classes) for p in permutations(range(4)))
    assert clustering_accuracy(classes, groups) == pytest.approx(best)


def test_codes_have_length_one() -> None:
    rows, _ = prototypes(64)
    codes = codes_of(fit_autoencoder(rows, replace(QUICK, epochs=2)), rows)
    assert codes.shape == (64, 10)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, atol=1e-6)
    plain = codes_of(fit_autoencoder(rows, replace(QUICK, epochs=2, normalised=False)), rows)
    assert np.abs(np.linalg.norm(plain, axis=1) - 1).max() > 0.01


def test_separated_prototypes_are_told_apart() -> None:
    rows, classes = prototypes()
    codes = codes_of(fit_autoencoder(rows, QUICK), rows)
    _, groups = cluster(codes, 5, seed=0)
    assert clustering_accuracy(classes, groups) >= 0.98


def test_the_loss_is_the_closed_form_on_two_rows() -> None:
    network = Autoencoder(2, AutoencoderConfig(widths=(2,), code=1))
    network.encoder = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
    network.decoder = torch.nn.Sequential(torch.nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        network.encoder[0].weight.copy_(torch.tensor([[3.0, 0.0]]))
        network.decoder[0].weight.copy_(torch.tensor([[1.0], [2.0]]))
    rows = torch.tensor([[2.0, 1.0], [-1.0, 0.0]])
    # Codes 6 and -3 become 1 and -1; reconstructions (1, 2) and (-1, -2); squares 1 + 1 and 0 + 4, over four numbers.
    assert float(reconstruction_loss(network, rows).detach()) == pytest.approx(6 / 4)


def test_a_code_of_zeros_is_handled() -> None:
    network = Autoencoder(3, AutoencoderConfig(widths=(4,), code=2))
    with torch.no_grad():
        for parameter in network.encoder.parameters():
            parameter.zero_()
    rows = torch.ones(2, 3)
    assert network.encode(rows).abs().max() == 0
    loss = reconstruction_loss(network, rows)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_decoder_sees_the_normalised_code() -> None:
    torch.manual_seed(0)
    network = Autoencoder(4, AutoencoderConfig(widths=(6,), code=3))
    rows = torch.rand(5, 4)
    torch.testing.assert_close(network(rows), network.decoder(torch.nn.functional.normalize(network.encoder(rows))))


def test_the_published_widths() -> None:
    network = Autoencoder(784, AutoencoderConfig())
    sizes = [m.out_features for m in network.modules() if isinstance(m, torch.nn.Linear)]
    assert sizes == [500, 500, 2000, 10, 2000, 500, 500, 784]
    encoder = ConvAutoencoder(32, AutoencoderConfig()).encoder
    convolutions = [m for m in encoder if isinstance(m, torch.nn.Conv2d)]
    found = [(m.out_channels, m.kernel_size[0], m.stride[0]) for m in convolutions]
    assert found == [(32, 5, 2), (64, 5, 2), (128, 3, 2)]


def test_the_convolutional_form_trains_and_has_unit_codes() -> None:
    torch.manual_seed(0)
    config = AutoencoderConfig(epochs=4, batch=16)
    network = ConvAutoencoder(16, config, filters=(4, 6, 8))
    images = np.random.default_rng(0).random((40, 1, 16, 16)).astype(np.float32)
    before = float(reconstruction_loss(network, torch.from_numpy(images)).detach())
    train(network, images, config)
    assert float(reconstruction_loss(network, torch.from_numpy(images)).detach()) < before
    np.testing.assert_allclose(np.linalg.norm(codes_of(network, images), axis=1), 1, atol=1e-6)
    with pytest.raises(ConfigError):
        ConvAutoencoder(20, config)


def test_a_denoising_auto_encoder_is_held_to_the_clean_rows() -> None:
    """seeds_digest F10: noise goes in, and what comes out is compared with what was there before it."""
    rows, _ = prototypes(200)
    clean = torch.from_numpy(rows.astype(np.float32))
    noisy = clean + torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    network = fit_autoencoder(rows, replace(QUICK, noise=1.0, epochs=40, batch=32))
    with torch.inference_mode():
        rebuilt = network(noisy)
        loss = float(reconstruction_loss(network, clean, noisy))
        assert loss == pytest.approx(float(((rebuilt - clean) ** 2).mean()))
        assert abs(loss - float(((rebuilt - noisy) ** 2).mean())) > 0.1
        assert loss < 0.5 * float(((noisy - clean) ** 2).mean())  # it does take noise away
    with pytest.raises(ConfigError, match="noise"):
        AutoencoderConfig(noise=-1.0)


def test_fitting_is_repeatable_and_refuses_nothing() -> None:
    rows, _ = prototypes(50)
    config = replace(QUICK, epochs=2)
    np.testing.assert_array_equal(codes_of(fit_autoencoder(rows, config), rows),
                                  codes_of(fit_autoencoder(rows, config), rows))
    with pytest.raises(InputError, match="rows"):
        fit_autoencoder(rows[:0], config)
    with pytest.raises(ConfigError):
        AutoencoderConfig(code=0)


def test_more_starts_never_give_a_looser_grouping() -> None:
    rows = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)

    def spread(restarts: int) -> float:
        centres, nearest = cluster(rows, 6, 0, restarts)
        return float(((rows - centres[nearest]) ** 2).sum())

    assert spread(10) <= spread(1)
    with pytest.raises(InputError):
        cluster(rows, 6, 0, 0)

"""NetVLAD in NumPy, and learned from times (seeds_digest F3, E4)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtmc.errors import InputError
from reid_models.encodings.netvlad import NetVlad
from reid_models.encodings.netvlad_learning import learn_layer
from reid_models.encodings.soft_vlad import SoftVlad


@pytest.mark.parametrize("frames", [1, 7])
def test_it_is_the_torch_layer(frames: int) -> None:
    rng = np.random.default_rng(frames)
    rows, centres = rng.normal(size=(frames, 5)).astype(np.float32), rng.normal(size=(3, 5)).astype(np.float32)
    ours, theirs = SoftVlad.from_centres(centres, 0.7), NetVlad.from_centres(torch.from_numpy(centres), 0.7)
    batch = torch.from_numpy(rows)[None]
    np.testing.assert_allclose(ours.residuals(rows), theirs.residuals(batch)[0].detach(), atol=1e-5)
    np.testing.assert_allclose(ours.encode(rows), theirs(batch)[0].detach(), atol=1e-5)


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, (3, -1)), (0.01, (4.771517, -6.314954))])
def test_residuals_of_the_digest(alpha: float, expected: tuple[float, float]) -> None:
    layer = SoftVlad.from_centres(np.array([[0.0], [10.0]]), alpha)
    np.testing.assert_allclose(layer.residuals(np.array([[1.0], [2.0], [9.0]])).ravel(), expected, atol=1e-5)
    assert not layer.residuals(np.zeros((0, 1))).any()
    assert not layer.encode(np.zeros((0, 1))).any()


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(InputError):
        SoftVlad(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(2))


def test_learning_lowers_the_loss_that_it_is_given() -> None:
    """Twelve passages a camera; in time, a passage may be any of three others', and cannot be the rest."""
    rng = np.random.default_rng(0)
    looks = np.tile(rng.normal(size=(12, 6)), (2, 1))
    crops = looks[:, None] + rng.normal(size=(24, 5, 6))
    frames = list((crops / np.linalg.norm(crops, axis=2, keepdims=True)).astype(np.float32))
    number, camera = np.tile(np.arange(12), 2), np.repeat([0, 1], 12)
    near = np.abs(number[:, None] - number[None]) <= 1
    possible, sure = near & (camera[:, None] != camera[None]), ~near
    start = SoftVlad.fitted(np.concatenate(frames), 3, 5.0)

    def loss(layer: SoftVlad) -> float:
        rows = np.stack([layer.encode(f) for f in frames])
        squared = np.square(rows[:, None] - rows[None]).sum(axis=2)
        return float(np.mean([np.maximum(squared[q][possible[q]].min() + 0.1 - squared[q][sure[q]], 0).sum()
                              for q in range(24)]))

    learned = learn_layer(start, frames, possible, sure, 40, seed=1)
    assert loss(learned) < 0.97 * loss(start)
    again = learn_layer(start, frames, possible, sure, 40, seed=1)
    assert np.array_equal(learned.weight, again.weight)
    with pytest.raises(InputError, match="none"):
        learn_layer(start, frames, np.zeros_like(possible), sure, 1)

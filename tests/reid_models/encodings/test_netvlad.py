"""The NetVLAD layer (seeds_digest F3)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reid_models.encodings.netvlad import NetVlad
from reid_models.encodings.vlad import vlad

CENTRES = torch.tensor([[0.0], [10.0]])
FRAMES = torch.tensor([[[1.0], [2.0], [9.0]]])


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, (3, -1)), (0.01, (4.771517, -6.314954))])
def test_residuals_of_the_digest(alpha: float, expected: tuple[float, float]) -> None:
    layer = NetVlad.from_centres(CENTRES, alpha)
    np.testing.assert_allclose(layer.residuals(FRAMES).detach().ravel(), expected, atol=1e-5)
    assert float(layer(FRAMES).detach().norm()) == pytest.approx(1, abs=1e-6)


def test_a_sharp_layer_is_vlad() -> None:
    rng = np.random.default_rng(0)
    rows, centres = rng.normal(size=(20, 4)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    layer = NetVlad.from_centres(torch.from_numpy(centres), 2000.0)
    found = layer.residuals(torch.from_numpy(rows)[None])[0].detach()
    np.testing.assert_allclose(found, vlad(rows, centres), atol=1e-4)


def test_masked_frames_do_not_count_and_order_does_not_matter() -> None:
    torch.manual_seed(0)
    frames, layer = torch.randn(2, 5, 4), NetVlad.from_centres(torch.randn(3, 4), 1.0)
    mask = torch.tensor([[True] * 3 + [False] * 2, [False] * 5])
    found = layer(frames, mask)
    torch.testing.assert_close(found[:1], layer(frames[:1, :3]))
    torch.testing.assert_close(found[:1], layer(frames[:1, [2, 0, 1]]))
    assert not found[1].any()
    found.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


def test_all_three_kinds_of_parameters_learn() -> None:
    torch.manual_seed(1)
    layer = NetVlad.from_centres(torch.randn(3, 4), 1.0)
    layer(torch.randn(2, 5, 4))[:, 0].sum().backward()
    assert {name for name, p in layer.named_parameters() if p.grad.abs().sum() > 0} == {"centres", "weight", "bias"}

"""The multi-level network: shapes, levels, gradients, options."""

from __future__ import annotations

import pytest
import torch

from mtmc.errors import ConfigError
from reid_models.multilevel_resnet import GlobalPool, InstanceBatchNorm, ModelConfig, MultilevelResNet, join_levels

SMALL = {"backbone": "resnet18", "embedding_dim": 8, "input_hw": (32, 32)}


def network(identities: int = 0, **settings) -> MultilevelResNet:
    torch.manual_seed(0)
    return MultilevelResNet(ModelConfig(**(SMALL | settings)), identities)


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("count", [1, 3])
def test_three_unit_levels_are_joined_to_a_unit_vector(count: int) -> None:
    model = network(identities=5).eval()
    levels = model(images(count))
    assert [tuple(f.shape) for f in levels.features] == [(count, 8)] * 3
    assert [tuple(z.shape) for z in levels.logits] == [(count, 5)] * 3
    joined = model.embed(images(count))
    torch.testing.assert_close(joined.norm(dim=1), torch.ones(count))
    parts = joined.split(8, dim=1)
    torch.testing.assert_close(torch.stack([p.norm(dim=1) for p in parts]), torch.full((3, count), 3**-0.5))


def test_joined_distance_is_the_root_mean_square_of_level_distances() -> None:
    levels = [torch.randn(4, 6), torch.randn(4, 6) * 7]
    joined = torch.cdist(join_levels(levels), join_levels(levels))
    each = torch.stack([torch.cdist(u, u) for u in (torch.nn.functional.normalize(v, dim=1) for v in levels)])
    torch.testing.assert_close(joined, each.square().mean(dim=0).sqrt(), atol=1e-4, rtol=1e-4)


def test_a_loss_on_a_tap_reaches_no_deeper_stage() -> None:
    model = network()
    model(images()).features[0].sum().backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(name.startswith("stages.layer2") for name in touched)
    deeper = ("stages.layer3", "stages.layer4", "heads.layer3", "heads.layer4")
    assert not any(name.startswith(deeper) for name in touched)
    model.zero_grad()
    model(images()).features[2].sum().backward()
    assert model.stem.conv1.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("tap", [2, 3, 4])
def test_single_level_models_stop_at_their_stage(tap: int) -> None:
    model = network(taps=(tap,))
    assert model.embed(images()).shape == (2, 8)
    assert list(model.stages) == [f"layer{i}" for i in range(1, tap + 1)]


def test_without_a_fully_connected_layer_the_pooled_maps_are_the_vector() -> None:
    model = network(taps=(2, 4), embedding_dim=0, bn_neck=True)
    assert model.embed(images()).shape == (2, model.config.dimension) == (2, 128 + 512)


def test_last_stride_1_doubles_the_last_map_and_keeps_the_weights() -> None:
    two, one = network(last_stride=2), network(last_stride=1)
    one.load_state_dict(two.state_dict(), strict=True)

    def last_map(model: MultilevelResNet) -> torch.Tensor:
        maps = model.stem(torch.randn(1, 3, 64, 64))
        for stage in model.stages.values():
            maps = stage(maps)
        return maps

    assert (last_map(two).shape[2:], last_map(one).shape[2:]) == ((2, 2), (4, 4))


@pytest.mark.parametrize("settings", [{"backbone": "resnet50"}, {"ibn_a": True}, {"bn_neck": True}, {"pooling": "gem"},
                                      {"pooling": "avg"}, {"input_hw": (48, 32)}])
def test_options_give_unit_vectors_that_can_be_trained(settings: dict) -> None:
    model = network(identities=3, **settings)
    levels = model(images(4))
    sum(z.square().mean() for z in levels.logits).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    torch.testing.assert_close(model.eval().embed(images(4)).norm(dim=1), torch.ones(4))


def test_gem_equals_the_closed_form() -> None:
    maps = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 2, 2)
    pool = GlobalPool("gem")
    assert pool(maps).item() == pytest.approx(2.924018, abs=1e-5)
    pool.power.data.fill_(1.0)
    assert pool(maps).item() == pytest.approx(2.5, abs=1e-6)
    assert GlobalPool("max")(maps).item() == 4
    assert GlobalPool("avg")(maps).item() == 2.5


def test_ibn_takes_a_gain_and_offset_out_of_its_first_half_only() -> None:
    layer = InstanceBatchNorm(6).eval()
    maps = torch.randn(2, 6, 5, 5)
    plain, cast = layer(maps), layer(maps * 1.7 + 0.4)
    torch.testing.assert_close(plain[:, :3], cast[:, :3], atol=1e-4, rtol=1e-4)
    assert (plain[:, 3:] - cast[:, 3:]).abs().max() > 0.1


@pytest.mark.parametrize("settings", [{"taps": ()}, {"taps": (3, 2)}, {"taps": (5,)}, {"last_stride": 3},
                                      {"embedding_dim": -1}, {"input_hw": (16, 32)}, {"std": (1.0, 0.0, 1.0)}])
def test_impossible_shapes_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError):
        ModelConfig(**settings)

"""The networks of other published methods: shapes, branches, and what each must keep."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
import torch
import torchvision

from mtmc.errors import ConfigError
from reid_models.architectures import ARCHITECTURES, build_network
from reid_models.classifiers import CLASSIFIERS, CosineClassifier
from reid_models.embedding_network import EmbeddingNetwork
from reid_models.global_regional_resnet import stripes_of
from reid_models.learned_fusion_resnet import Mix
from reid_models.model_config import ModelConfig
from reid_models.training.imagenet import place_backbone

COMMON = {"backbone": "resnet18", "input_hw": (32, 32)}
SETTINGS = {
    "multilevel": {"embedding_dim": 8},
    "global-regional": {"embedding_dim": 0, "bn_neck": True, "last_stride": 1, "pooling": "gem", "gem_power": 1.0,
                        "stripe_channels": 8},
    "learned-fusion": {"embedding_dim": 8, "fused_blocks": tuple(range(1, 9))},
    "mixed-difference": {"embedding_dim": 8},
}
DIMENSIONS = {"multilevel": 24, "global-regional": 512 + 2 * 8, "learned-fusion": 8, "mixed-difference": 8}


def network(name: str, identities: int = 0, kinds: int = 0, **changes) -> EmbeddingNetwork:
    torch.manual_seed(0)
    return build_network(ModelConfig(architecture=name, **{**COMMON, **SETTINGS[name], **changes}), identities, kinds)


def images(count: int = 2, side: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def test_configurations_may_name_exactly_what_the_registries_have() -> None:
    hints = get_type_hints(ModelConfig)
    assert set(get_args(hints["architecture"])) == set(ARCHITECTURES)
    assert set(get_args(hints["classifier"])) == set(CLASSIFIERS)


@pytest.mark.parametrize("name", SETTINGS)
def test_vectors_have_unit_length_and_the_configured_dimension(name: str) -> None:
    model = network(name).eval()
    vectors = model.embed(images(3))
    assert vectors.shape == (3, model.config.dimension) == (3, DIMENSIONS[name])
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    assert model(images()).logits == ()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_trained_weight_is_reached(name: str) -> None:
    model = network(name, identities=3, kinds=2)
    levels = model(images(4))
    losses = [z.square().mean() for z in (*levels.logits, *levels.kinds, *levels.features)]
    sum(losses).backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert torch.isfinite(parameter.grad).all(), parameter_name


@pytest.mark.parametrize("name", SETTINGS)
def test_double_vectors_of_an_image_and_of_its_mirror_image_are_one(name: str) -> None:
    model = network(name).eval()
    plain, mirrored = model.embed_double(images()), model.embed_double(images().flip(3))
    torch.testing.assert_close(plain, mirrored, rtol=0, atol=1e-5)
    symmetric = (images() + images().flip(3)) / 2
    torch.testing.assert_close(model.embed_double(symmetric), model.embed(symmetric), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
def test_backbone_weights_fill_stem_and_stages_and_their_copies(name: str, tmp_path) -> None:
    model = network(name)
    backbone = torchvision.models.resnet18(weights=None)
    place_backbone(model, backbone.state_dict(), tmp_path)
    assert torch.equal(model.stem.conv1.weight, backbone.conv1.weight)
    assert torch.equal(model.stages.layer4[1].conv2.weight, backbone.layer4[1].conv2.weight)
    if "regional" in model.heads:
        assert torch.equal(model.heads["regional"][1].conv2.weight, backbone.layer4[1].conv2.weight)


def test_the_regional_branch_shares_no_weight_with_the_global_one() -> None:
    model = network("global-regional", identities=3)
    shared = {p.data_ptr() for p in model.stages["layer4"].parameters()}
    assert not shared & {p.data_ptr() for p in model.heads["regional"].parameters()}
    model(images(4)).features[1].sum().backward()  # the upper stripe
    assert all(p.grad is None for p in model.stages["layer4"].parameters())
    assert model.stages["layer3"][0].conv1.weight.grad is not None


def test_branches_are_clipped_before_batch_norm_and_triplet() -> None:
    model = network("global-regional", identities=3)
    levels = model(100 * images(6))
    for feature in levels.features:
        assert 0 <= feature.min() <= feature.max() <= 1
    assert levels.necks[0].min() < 0  # behind the batch norm
    assert len(levels.logits) == 3
    joined = torch.cat(levels.features, dim=1)
    torch.testing.assert_close(model.join(levels), joined / joined.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("height", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_stripes_cover_the_whole_height(height: int, count: int) -> None:
    maps = torch.arange(height, dtype=torch.float32).reshape(1, 1, height, 1)
    stripes = stripes_of(maps, count)
    assert len(stripes) == count
    assert all(stripe.shape[2] >= 1 for stripe in stripes)
    rows = torch.cat(stripes, dim=2).flatten().tolist()
    assert set(rows) == set(range(height))
    if height >= count:
        assert rows == list(range(height))
        assert {s.shape[2] for s in stripes[:-1]} <= {height // count}


def test_gem_begins_at_the_configured_power() -> None:
    assert network("global-regional").heads["global"].pool.power.item() == 1.0
    assert network("multilevel", pooling="gem").heads["layer3"].pool.power.item() == 3.0


def test_eight_taps_are_pooled_to_one_size() -> None:
    model = network("learned-fusion").eval()
    maps = model.level_maps(images(2, side=64))
    assert [tuple(m.shape) for m in maps] == [(2, 8, 2, 2)] * 8


@pytest.mark.parametrize("level", [0, 3, 7])
def test_with_one_fusion_weight_the_descriptor_is_that_levels_alone(level: int) -> None:
    model = network("learned-fusion").eval()
    with torch.no_grad():
        model.heads["mix"].weight.zero_()
        model.heads["mix"].weight[level] = 1.0
        alone = model.level_maps(images())[level].sum(dim=(2, 3))
        torch.testing.assert_close(model.features(images())[0], alone)


def test_the_mix_is_a_plain_weighted_sum() -> None:
    mix, maps = Mix(3), [torch.randn(2, 4, 3, 3) for _ in range(3)]
    torch.testing.assert_close(mix(maps), sum(maps) / 3)
    mix.weight.data = torch.tensor([0.5, -2.0, 0.0])
    torch.testing.assert_close(mix(maps), 0.5 * maps[0] - 2 * maps[1])


def test_fusion_takes_the_ends_of_taps_where_no_blocks_are_named() -> None:
    assert network("learned-fusion", fused_blocks=(), taps=(2, 4)).blocks == (4, 8)
    with pytest.raises(ConfigError, match="blocks from 1 to 8"):
        network("learned-fusion", fused_blocks=(3, 9))


def test_mixed_difference_learns_kinds_on_one_branch_and_joins_the_fused_vector() -> None:
    model = network("mixed-difference", identities=3, kinds=5)
    levels = model(images(4))
    assert [k.shape for k in levels.kinds] == [(4, 5)]
    assert len(levels.features) == 2  # difference branch, fused vector: one coupled clusters loss each
    torch.testing.assert_close(model.join(levels), levels.necks[1] / levels.necks[1].norm(dim=1, keepdim=True))
    levels.kinds[0].sum().backward()
    assert model.heads["difference"][0].weight.grad is None
    assert model.heads["kind"].embed[0].weight.grad.abs().sum() > 0


def test_cosine_scores_are_cosines() -> None:
    classifier, vectors = CosineClassifier(4, 3), torch.randn(5, 4)
    expected = torch.cosine_similarity(vectors[:, None], classifier.weight[None], dim=2)
    torch.testing.assert_close(classifier(vectors), expected)


def test_dropout_acts_before_the_classifier_in_training_only() -> None:
    model = network("multilevel", identities=3, dropout=0.5)
    feature = torch.randn(4, 8)
    head = model.heads["layer4"]
    assert not torch.equal(head.judge(feature)[1], head.judge(feature)[1])
    assert torch.equal(head.judge(feature)[0], feature)
    model.eval()
    assert torch.equal(head.judge(feature)[1], head.classifier(feature))


@pytest.mark.parametrize("settings", [{"gem_power": 0.0}, {"dropout": 1.0}, {"stripes": 0}, {"fused_blocks": (3, 2)}])
def test_impossible_shapes_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError):
        ModelConfig(**settings)


@pytest.mark.parametrize(("name", "settings"), [
    ("global-regional", {"embedding_dim": 8}), ("global-regional", {"bn_neck": False}),
    ("learned-fusion", {"embedding_dim": 0}), ("mixed-difference", {"embedding_dim": 0})])
def test_settings_of_another_architecture_are_refused(name: str, settings: dict) -> None:
    with pytest.raises(ConfigError):
        network(name, **settings)

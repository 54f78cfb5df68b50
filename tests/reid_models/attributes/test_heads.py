"""Heads: multi-task (seeds_digest D3), cross-level (D2), RepNet (D4)."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mtmc.errors import ConfigError
from reid_models.architectures import build_network, dimension_of
from reid_models.attributes.multi_task import (
    MISSING,
    AttributeHeads,
    anchors_only,
    attribute_hits,
    attribute_loss,
)
from reid_models.attributes.repnet import REPRESSIONS, RepNetHead, Repression
from reid_models.losses.lifted_structured import LiftedStructuredConfig, LiftedStructuredLoss
from reid_models.model_config import ModelConfig
from reid_models.weights import WeightsInfo, load_weights, save_weights, stored_tensors

WORDS = (("model", ("a", "b", "c")), ("colour", ("blue", "red")))
SMALL = {"backbone": "resnet18", "embedding_dim": 16, "input_hw": (32, 32)}


def network(**settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    identities, kinds = settings.pop("identities", 0), settings.pop("kinds", 0)
    return build_network(ModelConfig(**{**SMALL, **settings}), identities, kinds).eval()


def test_lifted_structured_loss_of_the_digest() -> None:
    """seeds_digest D1: what the published recogniser was trained with."""
    features = torch.tensor([[0.0], [1.0], [3.0], [5.0]])
    loss = LiftedStructuredLoss(LiftedStructuredConfig(margin=1.0, normalise=False))
    assert float(loss(features, torch.tensor([0, 0, 1, 1]))) == pytest.approx(0.566978, abs=1e-5)


def test_the_total_is_six_to_four() -> None:
    torch.manual_seed(0)
    model, colour = torch.randn(7, 3, dtype=torch.float64), torch.randn(7, 2, dtype=torch.float64)
    places = torch.stack([torch.randint(0, 3, (7,)), torch.randint(0, 2, (7,))], dim=1)
    by_hand = 0.6 * functional.cross_entropy(model, places[:, 0]) + 0.4 * functional.cross_entropy(colour, places[:, 1])
    assert float(attribute_loss((model, colour), places, (0.6, 0.4))) == pytest.approx(float(by_hand), abs=1e-7)


@pytest.mark.parametrize("n", [0, 1, 6])
def test_missing_labels_give_no_gradient(n: int) -> None:
    torch.manual_seed(n)
    model, colour = torch.randn(n, 3, requires_grad=True), torch.randn(n, 2, requires_grad=True)
    places = torch.full((n, 2), MISSING)
    places[: n // 2, 0] = 1
    loss = attribute_loss((model, colour), places)
    loss.backward()
    assert torch.isfinite(loss)
    assert not colour.grad.any()
    assert not model.grad[n // 2 :].any()
    assert model.grad[: n // 2].any() == bool(n // 2)
    assert attribute_hits((model, colour), places)[1] == (0, 0)


def test_each_task_is_scored_by_itself() -> None:
    scores = (torch.tensor([[2.0, 1.0], [0.0, 1.0], [5.0, 0.0]]), torch.tensor([[0.0, 1.0]] * 3))
    places = torch.tensor([[0, 1], [0, MISSING], [MISSING, 0]])
    assert attribute_hits(scores, places) == [(1, 2), (1, 2)]


def test_both_heads_share_one_linear_layer() -> None:
    heads = AttributeHeads(5, (3, 2))
    shared, scores = heads(torch.zeros(4, 5))
    torch.testing.assert_close(shared, heads.shared.bias.expand(4, 1024))  # no activation
    assert [tuple(s.shape) for s in scores] == [(4, 3), (4, 2)]


def test_only_anchors_are_asked_for_attributes() -> None:
    """seeds_digest D4: the attribute loss gives positives and negatives no gradient."""
    identities = torch.tensor([4, 4, 9, 4, 9])
    places = torch.zeros(5, 2, dtype=torch.int64)
    masked = anchors_only(places, identities)
    assert masked[:, 0].tolist() == [0, MISSING, 0, MISSING, MISSING]
    scores = torch.randn(5, 3, requires_grad=True)
    attribute_loss((scores,), masked[:, :1]).backward()
    assert scores.grad.abs().sum(dim=1).bool().tolist() == [True, False, True, False, False]
    assert anchors_only(places[:0], identities[:0]).shape == (0, 2)


def test_concatenated_repression_contains_the_subtractive_one() -> None:
    """seeds_digest D4: CRL with weight [W; −W] equals SRL."""
    torch.manual_seed(0)
    similar, attributes = torch.randn(6, 8), torch.randn(6, 8)
    joined, subtractive = Repression("concatenated", 8), Repression("subtractive", 8)
    with torch.no_grad():
        joined.linear.weight.copy_(torch.cat([subtractive.linear.weight, -subtractive.linear.weight], dim=1))
    torch.testing.assert_close(joined(similar, attributes), subtractive(similar, attributes), atol=1e-6, rtol=1e-5)


def test_product_repression_by_ones_is_a_plain_layer() -> None:
    layer, similar = Repression("product", 8), torch.randn(6, 8)
    torch.testing.assert_close(layer(similar, torch.ones(6, 8)), layer.linear(similar))


@pytest.mark.parametrize("kind", REPRESSIONS)
def test_repnet_has_its_only_activation_at_sls2(kind: str) -> None:
    torch.manual_seed(0)
    head = RepNetHead(6, (3, 2), 4, kind, width=8)
    pooled = torch.randn(5, 6)
    vector, scores = head(pooled)
    shared, _ = head.attributes(pooled)
    sls1 = pooled @ head.sls1.weight.T + head.sls1.bias
    join = {"product": sls1 * shared, "subtractive": sls1 - shared, "concatenated": torch.cat([sls1, shared], 1)}[kind]
    sls2 = (join @ head.repression.linear.weight.T).clamp(min=0)
    torch.testing.assert_close(vector, sls2 @ head.sls3.weight.T + head.sls3.bias)
    assert [tuple(s.shape) for s in scores] == [(5, 3), (5, 2)]


@pytest.mark.parametrize("kind", REPRESSIONS)
def test_repnet_as_a_network(kind: str) -> None:
    model = network(architecture="repnet", attributes=WORDS, repression=kind, identities=5)
    levels = model(torch.randn(2, 3, 32, 32))
    assert levels.features[0].shape == (2, 16)
    assert levels.logits[0].shape == (2, 5)
    assert [tuple(s.shape) for s in levels.attributes] == [(2, 3), (2, 2)]
    torch.testing.assert_close(model.embed(torch.randn(2, 3, 32, 32)).norm(dim=1), torch.ones(2))
    with pytest.raises(ConfigError, match="attributes"):
        network(architecture="repnet")


def test_multi_task_leaves_the_vectors_as_they_are(tmp_path) -> None:
    images = torch.randn(2, 3, 32, 32)
    plain, model = network(), network(architecture="multi-task", attributes=WORDS, identities=5)
    state = {n: t for n, t in plain.state_dict().items()}
    model.load_state_dict(state, strict=False)
    torch.testing.assert_close(model.embed(images), plain.embed(images))
    levels = model(images)
    assert [tuple(s.shape) for s in levels.attributes] == [(2, 3), (2, 2)]
    assert len(levels.features) == len(levels.logits) == 3
    path = tmp_path / "w.safetensors"
    save_weights(path, model, WeightsInfo(model.config), "float32")
    again, info = load_weights(path)
    assert info.model.attributes == WORDS
    for a, b in zip(again(images).attributes, levels.attributes, strict=True):
        torch.testing.assert_close(a, b)


def test_cross_level_stores_the_layer_and_drops_the_classifier(tmp_path) -> None:
    """seeds_digest D2: 1024 dimensions, no classifier in the file, the same features from a copy to 1e-6."""
    model = network(architecture="cross-level", embedding_dim=1024, kinds=7)
    images = torch.randn(3, 3, 32, 32)
    levels = model(images)
    assert levels.kinds[0].shape == (3, 7)
    assert levels.logits == ()
    assert levels.features[0].shape == (3, 1024)
    assert (levels.features[0] < 0).any()  # no activation
    assert dimension_of(model.config) == 1024
    assert not [n for n in stored_tensors(model) if "classifier" in n]
    path = tmp_path / "w.safetensors"
    save_weights(path, model, WeightsInfo(model.config), "float32")
    again, _ = load_weights(path)
    torch.testing.assert_close(again(images).features[0], levels.features[0], atol=1e-6, rtol=0)
    assert again(images).kinds == ()

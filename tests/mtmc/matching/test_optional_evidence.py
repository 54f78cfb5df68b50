"""What is off by default: attributes as evidence, query-adaptive image distances, NetVLAD in place of the mean."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from mtmc.aggregation import AggregationConfig, aggregated
from mtmc.camera_rules import CameraRules
from mtmc.embedding import Gallery
from mtmc.errors import ConfigError, InputError
from mtmc.matching.adaptive_images import adaptive_image
from mtmc.matching.attribute_term import DOUBT, FEWEST, agreement
from mtmc.matching.looks import LooksConfig, corrected
from mtmc.matching.matcher import MatchingConfig, match
from mtmc.matching.pairs import nearest_image
from mtmc.matching.verifier_term import VerifierConfig, verified
from mtmc.tracklets import TrackletTable
from reid_models.pair_verifier import PairVerifier, probability_same


def gallery_of(vehicles: int, seed: int = 0, images: int = 4, noise: float = 0.8, apart_s: float = 40.0,
               spread_s: float = 2.0) -> tuple[Gallery, np.ndarray]:
    """Each vehicle passes camera a, then b about a minute later; and its number, row by row."""
    rng = np.random.default_rng(seed)
    looks = rng.normal(size=(vehicles, 16))
    starts = np.sort(rng.uniform(0, apart_s * vehicles, vehicles))
    start = np.concatenate([starts, starts + rng.normal(60, spread_s, vehicles)])
    order = np.argsort(start[vehicles:], kind="stable")
    number = np.concatenate([np.arange(vehicles), order])
    start[vehicles:] = start[vehicles:][order]
    m = 2 * vehicles
    crops = looks[number][:, None] + noise * rng.normal(size=(m, images, 16))
    crops /= np.linalg.norm(crops, axis=2, keepdims=True)
    pooled = crops.mean(axis=1)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    boxes, ground = np.zeros((m, 4), np.float32), np.full((m, 2), np.nan)
    table = TrackletTable(("a", "b"), np.repeat([0, 1], vehicles), np.tile(np.arange(vehicles), 2), start, start + 3.0,
                          np.zeros(m, np.int64), boxes, boxes, np.zeros((m, 2), np.int64), ground, ground)
    return Gallery(table, pooled.astype(np.float32), crops.reshape(-1, 16).astype(np.float32),
                   np.arange(m + 1) * images), number


def right_links(gallery: Gallery, number: np.ndarray, **given: object) -> tuple[int, int]:
    """Links that are right, and all."""
    found = match(gallery, CameraRules(), **given)
    pairs = found.candidates.pairs[found.links]
    return int((number[pairs[:, 0]] == number[pairs[:, 1]]).sum()), len(pairs)


def test_a_constant_leaves_every_ranking_unchanged_and_nothing_changes_nothing() -> None:
    """seeds_digest D6."""
    gallery, _ = gallery_of(12)
    plain = match(gallery, CameraRules())
    none = match(gallery, CameraRules(), evidence=lambda a, b: np.zeros(len(a)))
    same = match(gallery, CameraRules(), evidence=lambda a, b: np.full(len(a), 0.3))
    assert np.array_equal(plain.candidates.probabilities, none.candidates.probabilities)
    assert np.array_equal(plain.global_ids, none.global_ids)
    assert np.array_equal(plain.candidates.ranks_ab, same.candidates.ranks_ab)


def test_evidence_reaches_the_links() -> None:
    """Colours that are certain make vehicles of unclear looks findable."""
    gallery, number = gallery_of(24, seed=3, noise=3.0, apart_s=8.0, spread_s=15.0)
    colours = {"colour": np.eye(6)[number % 6]}
    told = right_links(gallery, number, evidence=lambda a, b: agreement(colours, a, b))
    assert told[0] > right_links(gallery, number)[0]


@pytest.mark.parametrize("m", [0, 1, 9])
def test_agreement_against_a_loop(m: int) -> None:
    rng = np.random.default_rng(m)
    shares = {"type": rng.dirichlet(np.ones(3), m).reshape(m, 3), "colour": rng.dirichlet(np.ones(5), m).reshape(m, 5)}
    if m > 2:
        shares["colour"][2] = 0  # no crop: says nothing
    a, b = (np.array(list(np.ndindex(m, m)), np.int64).reshape(-1, 2)).T
    found = agreement(shares, a, b)
    for place, (i, j) in enumerate(zip(a, b, strict=True)):
        total = 0.0
        for own in shares.values():
            known = [row for row in own if row.sum()]
            usual = (np.sum(known, axis=0) + FEWEST) / (np.sum(known) + FEWEST * own.shape[1])
            if own[i].sum() and own[j].sum():
                p, q = ((1 - DOUBT) * own[row] + DOUBT * usual for row in (i, j))
                total += np.log(sum(p[c] * q[c] / usual[c] for c in range(own.shape[1])))
        assert found[place] == pytest.approx(total, abs=1e-9)


def test_rare_words_say_more_than_common_ones() -> None:
    shares = {"type": np.eye(2)[[0] * 18 + [1] * 2]}
    common, rare, differ = agreement(shares, np.array([0, 18, 0]), np.array([1, 19, 18]))
    assert rare > common > 0 > differ


def verifier_of(dimension: int, slope: float) -> PairVerifier:
    """Same where the first numbers of two vectors agree, whatever the others do."""
    verifier = PairVerifier(dimension, scale=1.0)
    with torch.no_grad():
        verifier.theta.weight.zero_()
        verifier.theta.weight[0, 0] = slope
        verifier.theta.bias.copy_(torch.tensor([-1.0, 1.0]))
    return verifier.eval()


def test_a_verifier_speaks_in_logarithms_with_a_limit() -> None:
    verifier, vectors = verifier_of(2, 8.0), np.array([[0.0, 1.0], [0.6, 0.8], [1.0, 0.0]], np.float32)
    a, b = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0])
    found = verified(verifier, vectors, VerifierConfig("v", weight=0.5, limit=3.0), a, b)
    np.testing.assert_allclose(found, 0.5 * np.clip([2.0, 2 - 8 * 0.36, 2 - 8.0, 2 - 8 * 0.36], -3, 3), atol=1e-6)
    chances = probability_same(verifier, vectors[a], vectors[b])
    np.testing.assert_allclose(np.log(chances / (1 - chances)), [2.0, 2 - 8 * 0.36, -6.0, 2 - 8 * 0.36], atol=1e-5)
    assert verified(verifier, vectors, VerifierConfig("v"), a[:0], b[:0]).shape == (0,)
    with pytest.raises(InputError, match="pairs"):
        verified(verifier, vectors[:, :1], VerifierConfig("v"), a, b)
    with pytest.raises(ConfigError, match=r"verifier\.weight"):
        VerifierConfig(weight=0.0)


def test_a_verifier_that_knows_reaches_the_links() -> None:
    """Vectors of unclear looks, in one number of which vehicles can be told: the matcher's distance drowns it."""
    gallery, number = gallery_of(24, seed=3, noise=3.0, apart_s=8.0, spread_s=15.0)
    told = np.concatenate([np.linspace(-1, 1, 24)[number][:, None], gallery.embeddings], axis=1).astype(np.float32)
    config = VerifierConfig("v", weight=1.0, limit=6.0)
    right, _ = right_links(gallery, number, evidence=partial(verified, verifier_of(17, 4000.0), told, config))
    assert right > right_links(gallery, number)[0] + 5


def test_adaptive_distances_are_never_above_the_nearest_images() -> None:
    gallery, number = gallery_of(10)
    looks = corrected(gallery, LooksConfig())
    adaptive, nearest = adaptive_image(looks), nearest_image(looks)
    assert (adaptive <= nearest + 1e-5).all()
    np.testing.assert_allclose(adaptive, adaptive.T)
    right, _ = right_links(gallery, number, config=MatchingConfig(adaptive_images=True))
    assert right >= 8
    with pytest.raises(ConfigError, match="at most 5 tracklets"):
        match(gallery, CameraRules(), MatchingConfig(adaptive_images=True, exhaustive=5))


@pytest.mark.parametrize("learn_steps", [0, 15])
def test_netvlad_takes_the_place_of_the_mean(learn_steps: int) -> None:
    gallery, number = gallery_of(15)
    config = AggregationConfig(kind="netvlad", clusters=4, dimension=20, learn_steps=learn_steps)
    found = aggregated(gallery, config)
    assert found.embeddings.shape == (30, 20)
    assert found.image_embeddings.shape == (120, 20)
    again = aggregated(gallery, config)
    assert np.array_equal(found.embeddings, again.embeddings)
    right, links = right_links(found, number)
    assert right >= 12
    assert links <= 16


def test_one_image_is_a_tracklet_of_one_frame() -> None:
    gallery, _ = gallery_of(6, images=1)
    found = aggregated(gallery, AggregationConfig(kind="netvlad", clusters=3, dimension=0))
    assert found.embeddings.shape == (12, 48)
    np.testing.assert_allclose(found.embeddings, found.image_embeddings, atol=1e-6)


def test_the_mean_is_left_alone_and_too_few_crops_are_refused() -> None:
    gallery, _ = gallery_of(3)
    assert aggregated(gallery, AggregationConfig()) is gallery
    with pytest.raises(InputError, match="30 words"):
        aggregated(gallery, AggregationConfig(kind="netvlad", clusters=30))
    with pytest.raises(ConfigError):
        AggregationConfig(window_s=(5.0, 1.0))

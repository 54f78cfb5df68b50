"""The four protocols against plain loops, and the intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import ConfigError, InputError
from reid_models.data.relevance import Relevance, judge, row_lists
from reid_models.data.samples import ReidSamples, ReidTask
from reid_models.evaluation.bootstrap import bootstrap_mean, paired_bootstrap
from reid_models.evaluation.evaluate import evaluate_protocol, score_retrieval
from reid_models.evaluation.features import ImageVectors
from reid_models.evaluation.metrics import summarise
from reid_models.evaluation.protocols import (
    IMAGE_TO_IMAGE,
    IMAGE_TO_TRACKLET,
    IMAGE_TO_TRACKLET_PROPAGATED,
    PROTOCOLS,
    TRACKLET_TO_TRACKLET,
    apply_protocol,
    pool_rows,
    protocols_for,
    query_tracks,
    track_entries,
)
from reid_models.reranking import RerankConfig, rerank_features
from reid_models.temporal import pool


def samples(prefix: str, identities: list[int], cameras: list[int], tracklets: list[int]) -> ReidSamples:
    paths = tuple(Path(f"{prefix}{i}.jpg") for i in range(len(identities)))
    return ReidSamples(paths, np.array(identities), np.array(cameras), np.array(tracklets), ("",) * len(paths))


def make_task(query: ReidSamples, gallery: ReidSamples, labelled: bool = True) -> ReidTask:
    relevance = judge(query.identities, gallery.identities, query.cameras, gallery.cameras)
    return ReidTask("made/task", query, gallery, relevance, ("",) * len(query), "rule", labelled)


def unit_rows(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, 12)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def task() -> ReidTask:
    """Three vehicles; vehicle 1 has two tracks in camera 1, so a query of it there stands for the first of them."""
    gallery = samples("g", [1, 1, 1, 2, 2, 3, 1, 3], [1, 1, 1, 2, 2, 3, 2, 1], [4, 4, 6, 0, 0, 2, 9, -1])
    return make_task(samples("q", [1, 2, 3, 2], [1, 2, 3, 1], [-1, -1, -1, -1]), gallery)


@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_pooled_rows_equal_the_pooling_of_each_track(seed: int, renormalise: bool) -> None:
    random = np.random.default_rng(seed)
    features = unit_rows(40, seed)
    groups = random.permutation(np.concatenate([np.arange(6), random.integers(6, size=34)]))
    pooled = pool_rows(features, groups, 6, renormalise)
    for group in range(6):
        assert np.allclose(pooled[group], pool(features[groups == group], renormalise), atol=1e-6)
    assert pool_rows(features[:0], groups[:0], 0).shape == (0, 12)


def test_tracks_in_the_order_of_their_numbers_then_single_images(task: ReidTask) -> None:
    entries, first = track_entries(task.gallery)
    assert entries.tolist() == [2, 2, 3, 0, 0, 1, 4, 5]
    assert first.tolist() == [3, 5, 0, 2, 6, 7]


def test_a_query_stands_for_the_first_track_of_its_vehicle_and_camera(task: ReidTask) -> None:
    entries, _ = track_entries(task.gallery)
    assert query_tracks(task, entries).tolist() == [2, 0, 1, -1]
    g, q = unit_rows(8, 0), unit_rows(4, 1)
    retrieval = apply_protocol(TRACKLET_TO_TRACKLET, task, q, g)
    assert retrieval.lone_queries == 1
    assert np.allclose(retrieval.query_vectors[0], pool(g[[0, 1]]), atol=1e-6)
    assert np.allclose(retrieval.query_vectors[3], q[3])
    assert len(retrieval.query_vectors) == len(task.query), "one query for each query image"


def test_a_known_query_track_stands_for_itself() -> None:
    gallery = samples("g", [1, 1, 2], [1, 1, 2], [5, 7, 1])
    task = make_task(samples("q", [1, 1, 1], [1, 1, 3], [7, 30, 30]), gallery)
    g, q = unit_rows(3, 0), unit_rows(3, 1)
    retrieval = apply_protocol(TRACKLET_TO_TRACKLET, task, q, g)
    assert np.allclose(retrieval.query_vectors[0], g[1], atol=1e-6)
    assert np.allclose(retrieval.query_vectors[1], pool(q[1:]), atol=1e-6)
    assert retrieval.lone_queries == 0


def test_tracks_are_judged_as_their_images(task: ReidTask) -> None:
    relevance = apply_protocol(IMAGE_TO_TRACKLET, task, unit_rows(4, 0), unit_rows(8, 1)).relevance
    assert [relevance.good.of(q).tolist() for q in range(4)] == [[4], [], [5], [0]]
    assert [relevance.junk.of(q).tolist() for q in range(4)] == [[2, 3], [0], [1], []]


@pytest.mark.parametrize("seed", range(5))
def test_propagated_and_track_galleries_have_the_same_first_place(seed: int) -> None:
    random = np.random.default_rng(seed)
    ids, cams = random.integers(6, size=60), random.integers(3, size=60)
    gallery = samples("g", ids.tolist(), cams.tolist(), (ids * 3 + cams).tolist())
    task = make_task(samples("q", ids[:20].tolist(), cams[:20].tolist(), [-1] * 20), gallery)
    features = unit_rows(80, seed)
    by_track, by_image = (score_retrieval(apply_protocol(p, task, features[:20], features[20:])) for p in (
        IMAGE_TO_TRACKLET, IMAGE_TO_TRACKLET_PROPAGATED))
    assert np.array_equal(by_track.first_ranks == 1, by_image.first_ranks == 1)
    assert not np.array_equal(by_track.ap_rectangle, by_image.ap_rectangle)


def test_propagated_images_rank_as_whole_tracks(task: ReidTask) -> None:
    """Every image carries its track's vector: by hand, over the 8 images, ties to the lower row."""
    q, g = unit_rows(4, 3), unit_rows(8, 4)
    entries, first = track_entries(task.gallery)
    tracks = np.array([pool(g[entries == e]) for e in range(len(first))])
    distances = ((q[:, None] - tracks[None]) ** 2).sum(axis=2)[:, entries]
    scores = score_retrieval(apply_protocol(IMAGE_TO_TRACKLET_PROPAGATED, task, q, g))
    for query in range(4):
        junk = set(task.relevance.junk.of(query).tolist())
        order = [row for row in sorted(range(8), key=lambda row: (distances[query, row], row)) if row not in junk]
        good = [rank for rank, row in enumerate(order, 1) if row in set(task.relevance.good.of(query).tolist())]
        assert scores.first_ranks[query] == (good[0] if good else 0)
        if good:
            assert scores.ap_rectangle[query] == pytest.approx(np.mean([n / r for n, r in enumerate(good, 1)]))


def test_reranked_scores_rank_by_the_reranked_distances(task: ReidTask) -> None:
    q, g, config = unit_rows(4, 5), unit_rows(8, 6), RerankConfig(3, 2, 0.3)
    retrieval = apply_protocol(IMAGE_TO_TRACKLET_PROPAGATED, task, q, g)
    distances = rerank_features(retrieval.query_vectors, retrieval.entry_vectors, config)[:, retrieval.columns]
    junk, good = set(task.relevance.junk.of(0).tolist()), set(task.relevance.good.of(0).tolist())
    order = [row for row in np.argsort(distances[0], kind="stable").tolist() if row not in junk]
    assert score_retrieval(retrieval, config).first_ranks[0] == next(r for r, row in enumerate(order, 1) if row in good)


def test_what_the_data_allow(task: ReidTask) -> None:
    assert protocols_for(task) == PROTOCOLS
    unlabelled = make_task(task.query, task.gallery, labelled=False)
    assert TRACKLET_TO_TRACKLET not in protocols_for(unlabelled)
    bare = make_task(task.query, samples("g", [1], [2], [-1]))
    assert protocols_for(bare) == (IMAGE_TO_IMAGE,)
    with pytest.raises(InputError, match="image-to-image"):
        apply_protocol(IMAGE_TO_TRACKLET, bare, unit_rows(4, 0), unit_rows(1, 1))
    with pytest.raises(ConfigError, match="image-to-tracklet"):
        apply_protocol("image-to-track", task, unit_rows(4, 0), unit_rows(8, 1))
    with pytest.raises(InputError, match="4 and 8 rows"):
        apply_protocol(IMAGE_TO_IMAGE, task, unit_rows(3, 0), unit_rows(8, 1))


def test_groups_and_several_tasks_are_scored_together() -> None:
    gallery = samples("g", [1, 2], [2, 2], [-1, -1])
    query = samples("q", [1, 2, 1], [1, 1, 3], [-1] * 3)
    relevance = judge(query.identities, gallery.identities, query.cameras, gallery.cameras)
    task = ReidTask("made/groups", query, gallery, relevance, ("a", "a", "b"), "rule")
    vectors = np.array([[1, 0], [0, 1], [1, 0], [1, 0], [0, 1]], dtype=np.float32)  # q0, q1, q2, g0, g1
    vectors[2] = [0, 1]  # the query of group b looks like the wrong vehicle
    images = ImageVectors(vectors, {path: i for i, path in enumerate((*query.paths, *gallery.paths))})
    result = evaluate_protocol(IMAGE_TO_IMAGE, [task, task], images)
    assert [group.group for group in result.groups] == ["a", "b", "all"]
    assert [group.summary.r1 for group in result.groups] == pytest.approx([1.0, 0.0, 2 / 3])
    assert [group.summary.queries for group in result.groups] == [4, 2, 6]
    assert result.groups[2].map_interval.mean == summarise(result.scores).map_rectangle


# --- intervals


def test_interval_of_independent_queries_has_the_textbook_width() -> None:
    values = np.random.default_rng(0).random(400)
    interval = bootstrap_mean(values, np.arange(400))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)


def test_queries_of_one_vehicle_are_drawn_together() -> None:
    values = np.repeat(np.random.default_rng(1).random(40), 10)
    apart, together = bootstrap_mean(values, np.arange(400)), bootstrap_mean(values, np.repeat(np.arange(40), 10))
    assert (together.high - together.low) > 2.5 * (apart.high - apart.low)


def test_intervals_leave_out_nan_and_survive_nothing() -> None:
    values = np.array([1.0, np.nan, 0.0])
    assert bootstrap_mean(values, np.arange(3)).mean == 0.5
    assert np.isnan(bootstrap_mean(values[1:2], np.arange(1)).low)
    assert np.isnan(paired_bootstrap(values[1:2], values[1:2], np.arange(1))[1])
    assert bootstrap_mean(values, np.arange(3)) == bootstrap_mean(values, np.arange(3))


def test_a_paired_difference_is_surer_than_two_means() -> None:
    random = np.random.default_rng(2)
    theirs = random.random(300)
    ours = theirs + 0.02 + 0.05 * random.standard_normal(300)
    interval, above = paired_bootstrap(ours, theirs, np.arange(300))
    assert interval.low > 0
    assert above > 0.99
    assert paired_bootstrap(theirs, theirs, np.arange(300))[1] == 0.5
    with pytest.raises(InputError):
        paired_bootstrap(ours, theirs[1:], np.arange(300))
    with pytest.raises(InputError):
        bootstrap_mean(ours, np.arange(299))


def test_a_task_that_does_not_fit_together_is_refused(task: ReidTask) -> None:
    nothing = row_lists([[]])
    with pytest.raises(InputError, match="judgements"):
        ReidTask("x", task.query, task.gallery, Relevance(nothing, nothing, 8), ("",) * 4, "rule")
    with pytest.raises(InputError, match="gallery"):
        ReidTask("x", task.query.select(np.arange(1)), task.gallery, Relevance(nothing, nothing, 7), ("",), "rule")

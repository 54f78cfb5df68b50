"""Scores against a slow, plain reference, closed values, and the traps that other evaluators fell into."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from mtmc.errors import ConfigError, InputError
from reid_models.data.relevance import JUNK_NONE, JUNK_RULES, JUNK_SAME_CAMERA, Relevance, judge, row_lists
from reid_models.evaluation.metrics import (
    BLOCK_QUERIES,
    concatenate_scores,
    score,
    score_distances,
    score_features,
    squared_distances,
    summarise,
)
from reid_models.evaluation.ranking import nearest_columns, smallest_columns


def plain_query(distances: list[float], verdicts: list[str]) -> tuple[int, float, float, float]:
    """One query by the book: verdicts are "good", "junk" or "bad". First rank, three APs; rank 0 without an answer."""
    ranking = [verdicts[i] for _, i in sorted((d, i) for i, d in enumerate(distances))]
    ranking = [verdict for verdict in ranking if verdict != "junk"]
    total = ranking.count("good")
    if not total:
        return 0, math.nan, math.nan, math.nan
    found, rectangle, trapezoid, top, first = 0, 0.0, 0.0, 0.0, 0
    for rank, verdict in enumerate(ranking, start=1):
        if verdict != "good":
            continue
        before = found / (rank - 1) if rank > 1 else 1.0
        found += 1
        first = first or rank
        rectangle += found / rank / total
        trapezoid += (found / rank + before) / 2 / total
        top += found / rank / total if rank <= 100 else 0.0
    return first, rectangle, trapezoid, top


def plain_verdicts(identity: int, camera: int, ids: np.ndarray, cams: np.ndarray, rule: str) -> list[str]:
    verdicts = []
    for other, seen in zip(ids.tolist(), cams.tolist(), strict=True):
        same, here = other == identity and identity != -1, seen == camera and camera != -1
        if other == -1 or (rule == JUNK_SAME_CAMERA and here) or (rule not in (JUNK_NONE,) and same and here):
            verdicts.append("junk")
        else:
            verdicts.append("good" if same else "bad")
    return verdicts


@pytest.mark.parametrize("rule", JUNK_RULES)
@pytest.mark.parametrize("seed", range(12))
def test_scores_equal_the_plain_reference(seed: int, rule: str) -> None:
    random = np.random.default_rng(seed)
    queries, gallery = int(random.integers(0, 9)), int(random.choice([0, 1, 2, 17, 150]))
    # Small whole numbers: distances are exact, and most of them tie.
    features = [random.integers(-1, 2, size=(n, 3)).astype(np.float32) for n in (queries, gallery)]
    ids = [random.integers(-1, 5, size=n) for n in (queries, gallery)]
    cams = [random.integers(-1, 3, size=n) for n in (queries, gallery)]
    scores = score(*features, *ids, *cams, junk_rule=rule)
    distances = squared_distances(*features)
    by_distance = score_distances(distances, judge(*ids, *cams, rule))
    for q in range(queries):
        expected = plain_query(distances[q].tolist(), plain_verdicts(ids[0][q], cams[0][q], ids[1], cams[1], rule))
        for found in (scores, by_distance):
            got = found.first_ranks[q], found.ap_rectangle[q], found.ap_trapezoid[q], found.ap_top100[q]
            assert got == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_real_numbers_over_several_blocks(dtype: type) -> None:
    random = np.random.default_rng(5)
    q, g = (random.standard_normal((n, 8)).astype(dtype) for n in (1100, 90))
    ids, cams = [random.integers(9, size=n) for n in (1100, 90)], [random.integers(3, size=n) for n in (1100, 90)]
    scores, distances = score(q, g, *ids, *cams), squared_distances(q, g)
    for row in (0, 511, 512, 1023, 1024, 1099):
        verdicts = plain_verdicts(ids[0][row], cams[0][row], ids[1], cams[1], "same-identity-and-camera")
        assert scores.ap_rectangle[row] == pytest.approx(plain_query(distances[row].tolist(), verdicts)[1], abs=1e-9)
    assert scores.answered.all()
    assert (scores.ap_trapezoid <= scores.ap_rectangle + 1e-12).all()


def lists(*relevant: str) -> Relevance:
    """One query a word of g (good), j (junk) and other letters, in the order of the gallery rows."""
    return Relevance(row_lists([[i for i, c in enumerate(w) if c == "g"] for w in relevant]),
                     row_lists([[i for i, c in enumerate(w) if c == "j"] for w in relevant]), len(relevant[0]))


@pytest.mark.parametrize(("relevant", "rectangle"), [
    ("gbgbb", 0.833333), ("bggbg", 0.588889), ("jgbgbb", 0.833333), ("jbggbg", 0.588889), ("bgjgbjg", 0.588889)])
def test_closed_values_with_and_without_junk(relevant: str, rectangle: float) -> None:
    scores = score_distances(np.arange(len(relevant), dtype=np.float64)[None], lists(relevant))
    assert scores.ap_rectangle[0] == pytest.approx(rectangle, abs=1e-6)


def test_trapezoid_of_a_worked_case() -> None:
    # Right at ranks 1 and 3: [(1 + 1) / 2 + (2/3 + 1/2) / 2] / 2.
    scores = score_distances(np.arange(3.0)[None], lists("gbg"))
    assert scores.ap_trapezoid[0] == pytest.approx((1 + (2 / 3 + 1 / 2) / 2) / 2)


def test_trap_one_a_gallery_shorter_than_the_curve() -> None:
    """torchreid and fast-reid copy a stale buffer for ranks beyond a short ranking, so R-10 falls below R-5 there."""
    relevance = lists("bbbg", "jjgb", "jjjg")
    summary = summarise(score_distances(np.tile(np.arange(4.0), (3, 1)), relevance))
    assert (summary.r1, summary.r5, summary.r10) == pytest.approx((2 / 3, 1.0, 1.0))


def test_trap_two_ties_follow_the_gallery_and_not_the_sort() -> None:
    """An unstable sort may put any of equal distances first (it does beyond 16 entries)."""
    first, last = lists("g" + "b" * 40), lists("b" * 40 + "g")
    same = np.full((1, 41), 0.25)
    assert score_distances(same, first).first_ranks[0] == 1
    assert score_distances(same, last).first_ranks[0] == 41
    junk_before = lists("j" * 20 + "b" * 20 + "g")
    assert score_distances(same, junk_before).first_ranks[0] == 21


def test_an_answer_that_points_away_still_counts() -> None:
    """torchmetrics 1.7.4 and later drop right answers with a score of 0 or less."""
    one = np.array([[1.0, 0.0]], dtype=np.float32)
    summary = summarise(score(one, -one, np.array([3]), np.array([3]), np.array([0]), np.array([1])))
    assert (summary.map_rectangle, summary.r1) == (1.0, 1.0)


def test_queries_without_an_answer_are_counted_and_enter_no_mean() -> None:
    scores = score_distances(np.tile(np.arange(3.0), (3, 1)), lists("gbb", "bbb", "jbb"))
    summary = summarise(scores)
    assert (summary.queries, summary.unanswered, summary.map_rectangle, summary.r1) == (3, 2, 1.0, 1.0)
    assert scores.first_ranks.tolist() == [1, 0, 0]
    nothing = summarise(scores.select(np.array([1, 2])))
    assert nothing.unanswered == 2
    assert math.isnan(nothing.map_rectangle)


def test_top_100_divides_by_all_answers() -> None:
    relevance = lists("g" + "b" * 99 + "g" + "b")
    scores = score_distances(np.arange(102.0)[None], relevance)
    assert scores.ap_top100[0] == pytest.approx(1 / 2)
    assert scores.ap_rectangle[0] == pytest.approx((1 + 2 / 101) / 2)


def test_rows_that_share_a_vector_tie_exactly() -> None:
    random = np.random.default_rng(0)
    q, entries = (random.standard_normal((n, 33)).astype(np.float32) for n in (5, 7))
    columns = random.integers(7, size=50)
    ids, cams = random.integers(4, size=50), random.integers(3, size=50)
    relevance = judge(np.arange(5) % 4, ids, np.zeros(5, dtype=np.int64), cams)
    scores = score_features(q, entries, relevance, columns)
    expected = score_distances(squared_distances(q, entries)[:, columns], relevance)
    assert np.array_equal(scores.first_ranks, expected.first_ranks)
    assert np.allclose(scores.ap_rectangle, expected.ap_rectangle, equal_nan=True)


def test_lengths_of_gallery_vectors_count() -> None:
    """Means over tracks that are left at their own length are ranked by Euclidean distance, not by angle."""
    query = np.array([[1.0, 0.0]], dtype=np.float32)
    gallery = np.array([[3.0, 0.0], [0.8, 0.3]], dtype=np.float32)
    scores = score(query, gallery, np.array([1]), np.array([2, 1]), np.array([0]), np.array([1, 1]))
    assert scores.first_ranks[0] == 1


@pytest.mark.parametrize("call", [
    lambda f: score_features(f, np.full_like(f, np.nan), lists("gb", "gb")),
    lambda f: score_features(f * np.nan, f, lists("gb", "gb")),
    lambda f: score_features(f, f[:, :1], lists("gb", "gb")),
    lambda f: score_features(f, f, lists("gbb", "gbb")),
    lambda f: score_features(f[:1], f, lists("gb", "gb")),
    lambda f: score_distances(f, lists("gb")),
    lambda f: score_features(f.astype(np.int64), f, lists("gb", "gb")),
])
def test_input_that_does_not_fit_is_refused(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError):
        call(np.eye(2, dtype=np.float32))


def test_unknown_junk_rule_and_unequal_lengths_are_refused() -> None:
    one = np.array([1])
    with pytest.raises(ConfigError, match="same-camera"):
        judge(one, one, one, one, "same-cam")
    with pytest.raises(InputError):
        judge(one, one, np.array([1, 2]), one)


def test_grouped_and_left_out_relevance() -> None:
    relevance = lists("gjbgb", "bbbbb")
    tracks = relevance.grouped(np.array([0, 0, 1, 2, -1]), 3)
    assert [tracks.good.of(0).tolist(), tracks.junk.of(0).tolist()] == [[0, 2], []]
    assert len(tracks.good.of(1)) == 0
    left = relevance.leaving_out(row_lists([[0, 2], [4]]))
    assert [left.good.of(0).tolist(), left.junk.of(0).tolist(), left.junk.of(1).tolist()] == [[3], [0, 1, 2], [4]]


def test_concatenated_scores_are_the_scores_of_all() -> None:
    parts = [score_distances(np.arange(3.0)[None], lists(word)) for word in ("gbb", "bgb")]
    assert concatenate_scores(parts).first_ranks.tolist() == [1, 2]


@pytest.mark.parametrize(("rows", "columns", "width"), [(0, 3, 2), (2, 0, 3), (1, 1, 1), (7, 40, 6), (5, 4, 9)])
def test_smallest_columns_follow_the_stable_order(rows: int, columns: int, width: int) -> None:
    block = np.random.default_rng(columns).integers(0, 5, size=(rows, columns)).astype(np.float64)
    expected = np.argsort(block, axis=1, kind="stable")[:, :width]
    assert np.array_equal(smallest_columns(block, width), expected)


def test_nearest_columns_of_shared_entries() -> None:
    query, entries = np.array([[1.0, 0.0]], dtype=np.float32), np.eye(2, dtype=np.float32)
    assert nearest_columns(query, entries, np.array([1, 0, 1, 0]), 3).tolist() == [[1, 3, 0]]


def test_memory_does_not_grow_with_the_number_of_queries() -> None:
    """12,000 queries before 82,000 rows would be 7 GiB of whole numbers alone (matrix F9)."""
    random = np.random.default_rng(0)
    gallery = random.random((600, 8), np.float32)
    peaks = []
    for queries in (BLOCK_QUERIES, 8 * BLOCK_QUERIES):
        features = random.random((queries, 8), np.float32)
        ids, places = np.arange(queries) % 600, np.zeros(queries, np.int64)
        tracemalloc.start()
        score(features, gallery, ids, np.arange(600), places, np.ones(600, np.int64))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > BLOCK_QUERIES * 600 * 4  # a block of distances
    assert peaks[1] < 1.3 * peaks[0] + 200 * 8 * BLOCK_QUERIES  # and some numbers a query

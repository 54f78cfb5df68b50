"""Attributes by retrieval (seeds_digest D1), labels and votes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import InputError
from reid_models.attributes.exemplars import (
    Exemplars,
    class_accuracy,
    recognise,
    sample_exemplars,
    sample_per_class,
)
from reid_models.attributes.labels import MISSING, AttributeLabels, read_attribute_table
from reid_models.attributes.voting import (
    exemplar_reliability,
    model_vote,
    precision_recall_weights,
    vote,
    weighted_shares,
)


def units(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def blobs(classes: range, each: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Unit vectors around one direction a class."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([np.eye(8)[c] * 3 + rng.normal(size=(each, 8)) * 0.5 for c in classes])
    return units(rows), [f"class{c}" for c in classes for _ in range(each)]


def test_a_new_class_is_recognised_without_touching_any_weight() -> None:
    """seeds_digest D1: a fourth class is added as pictures only; accuracy at least 0.9."""
    vectors, words = blobs(range(3), 30, 0)
    exemplars = Exemplars(vectors, AttributeLabels.of({"type": words}))
    queries, truth = blobs(range(3, 4), 50, 1)
    before = recognise(queries, exemplars, "type")
    assert "class3" not in before.words
    new, names = blobs(range(3, 4), 30, 2)
    more = exemplars.added(Exemplars(new, AttributeLabels.of({"type": names})))
    found = recognise(queries, more, "type")
    answers = [found.words[i] for i in found.shares.argmax(axis=1)]
    assert class_accuracy(truth, answers)["class3"][1] >= 0.9
    old = more.without("type", "class3")
    assert np.array_equal(recognise(queries, old, "type").shares, before.shares)
    assert np.array_equal(old.vectors, vectors)


@pytest.mark.parametrize("per_class", [1, 5, 100])
def test_the_sample_is_seeded_and_takes_all_of_a_small_class(per_class: int) -> None:
    places = np.array([0] * 40 + [1] * 3 + [MISSING] * 5 + [2] * 9)
    rows = sample_per_class(places, per_class, 7)
    assert np.array_equal(rows, sample_per_class(places, per_class, 7))
    assert Counter(places[rows].tolist()) == {c: min(per_class, n) for c, n in ((0, 40), (1, 3), (2, 9))}
    if per_class == 5:
        assert not np.array_equal(rows, sample_per_class(places, per_class, 8))
        without = sample_per_class(np.where(places == 2, MISSING, places), per_class, 7)
        assert set(without) == {r for r in rows if places[r] != 2}  # other classes do not shift the choice
    assert len(sample_per_class(places[:0], per_class)) == 0


def test_a_sample_serves_every_attribute() -> None:
    labels = AttributeLabels.of({"type": ["car"] * 50 + ["bus"] * 2, "colour": [""] * 30 + ["red"] * 22})
    rows = sample_exemplars(labels, 3)
    chosen = labels.select(rows)
    assert (chosen.places["type"] == labels.words["type"].index("bus")).sum() == 2
    assert (chosen.places["colour"] == 0).sum() >= 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("k", "n"), [(0, 1), (5, 1), (5, 3), (4, 50)])
def test_neighbours_against_a_loop(seed: int, k: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, queries = units(rng.normal(size=(20, 4))), units(rng.normal(size=(k, 4)) if k else np.ones((1, 4)))[:k]
    words = [["", "a", "b", "c"][i] for i in rng.integers(0, 4, 20)]
    found = recognise(queries, Exemplars(vectors, AttributeLabels.of({"make": words})), "make", n)
    known = [i for i in range(20) if words[i]]
    for row in range(k):
        near = sorted(known, key=lambda i: (np.linalg.norm(queries[row] - vectors[i]), i))
        counts = Counter(words[i] for i in near[:n])
        plain = [counts[w] / min(n, len(near)) for w in found.words]
        np.testing.assert_allclose(found.shares[row], plain, atol=1e-9)
        winner = found.words[int(found.shares[row].argmax())]
        own = min(np.linalg.norm(queries[row] - vectors[i]) for i in near if words[i] == winner)
        other = min(np.linalg.norm(queries[row] - vectors[i]) for i in near if words[i] != winner)
        assert found.weights[row] == pytest.approx(1 - min(own, other) / other, abs=1e-5)


def test_one_class_is_always_sure_and_no_class_is_refused() -> None:
    vectors, words = blobs(range(1), 4, 0)
    exemplars = Exemplars(vectors, AttributeLabels.of({"type": words}))
    assert recognise(vectors, exemplars, "type").weights.tolist() == [1] * 4
    with pytest.raises(InputError, match="colour"):
        recognise(vectors, exemplars, "colour")


def test_the_vote_of_the_digests_table() -> None:
    """seeds_digest D5: three models, three classes; the two that agree on class 1 weigh less than the one for 2."""
    weights = np.array([[0.9, 0.3, 0.5], [0.5, 0.4, 0.8], [0.2, 0.2, 0.95]])
    assert model_vote(np.array([1, 1, 2]), weights) == 2  # 0.3 + 0.4 < 0.95
    assert model_vote(np.array([1, 0, 0]), weights) == 0  # 0.5 + 0.2 > 0.3
    confusion = np.array([[8, 2, 0], [0, 5, 5], [0, 0, 0]])
    np.testing.assert_allclose(precision_recall_weights(confusion), [(1 + 0.8) / 2, (5 / 7 + 0.5) / 2, (0 + 0.5) / 2])


@pytest.mark.parametrize("k", [0, 1, 6])
def test_votes_are_weighted_means(k: int) -> None:
    rng = np.random.default_rng(k)
    shares, weights = rng.dirichlet(np.ones(3), k).reshape(k, 3), rng.uniform(0.1, 1, k)
    found = weighted_shares(shares, weights)
    plain = sum((w * s for w, s in zip(weights, shares, strict=True)), np.zeros(3))
    np.testing.assert_allclose(found, plain / plain.sum() if k else plain, atol=1e-12)
    leaning = weighted_shares(shares, weights, np.array([1.0, 0.0, 0.0]))
    assert leaning.tolist() == ([1, 0, 0] if k else [0, 0, 0])


def test_clear_crops_outvote_many_unclear_ones() -> None:
    vectors, words = blobs(range(2), 20, 0)
    exemplars = Exemplars(vectors, AttributeLabels.of({"type": words}))
    between = units(np.eye(8)[:1] * 0.98 + np.eye(8)[1:2])
    crops = np.concatenate([between, between, units(np.eye(8)[:1])])
    found = recognise(crops, exemplars, "type")
    answer, shares = vote(found, np.arange(3))
    assert answer.word == "class0"
    assert answer.confidence == pytest.approx(shares.max())
    assert vote(found, np.zeros(0, np.int64))[0].word == ""


def test_a_class_mixed_up_with_another_is_less_reliable() -> None:
    rng = np.random.default_rng(0)
    apart = np.concatenate([np.eye(8)[0] * 9 + rng.normal(size=(20, 8)), np.eye(8)[1] * 9 + rng.normal(size=(20, 8)),
                            rng.normal(size=(40, 8))])
    words = ["a"] * 20 + ["b"] * 20 + ["c", "d"] * 20
    exemplars = Exemplars(units(apart), AttributeLabels.of({"type": words}))
    a, b, c, d = exemplar_reliability(exemplars, "type")
    assert min(a, b) > 0.85 > 0.75 > max(c, d)
    one = Exemplars(units(apart[:2]), AttributeLabels.of({"type": ["x", "x"]}))
    assert exemplar_reliability(one, "type").tolist() == [1]


def test_labels_come_back_and_missing_ones_stay_missing() -> None:
    labels = AttributeLabels.of({"colour": ["red", "", "blue"], "make": ["", "", ""], "type": ["car", "bus", ""]})
    assert labels.names == ("type", "colour")
    assert labels.places["colour"].tolist() == [1, MISSING, 0]
    assert labels.told() == {"colour": ["red", "", "blue"], "type": ["car", "bus", ""]}
    assert labels.select(np.array([2])).told() == {"colour": ["blue"], "type": [""]}
    assert len(AttributeLabels.of({})) == 0
    with pytest.raises(InputError):
        AttributeLabels.of({"type": ["car"], "make": []})


def test_tables_are_read_and_mistakes_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    table = tmp_path / "t.csv"
    table.write_text("path,colour, type\na.jpg,red,\na.jpg,,car\n")
    pictures, labels = read_attribute_table(table)
    assert pictures == (tmp_path / "a.jpg",) * 2
    assert labels.told() == {"colour": ["red", ""], "type": ["", "car"]}
    for text, words in [("path,color\n", "Did you mean colour"), ("type\ncar\n", "the column path"),
                        ("path,type\nb.jpg,car\n", "b.jpg"), ("path,type\na.jpg,\n", "at least one label"),
                        ("path,type\na.jpg\n", "2 cells")]:
        table.write_text(text)
        with pytest.raises(InputError, match=words):
            read_attribute_table(table)

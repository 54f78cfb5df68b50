"""The matcher on galleries small enough to know the answer, and on made-up worlds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.association_worlds import idf1, make_world
from mtmc.camera_rules import CameraRules, TransitRule
from mtmc.embedding import Gallery
from mtmc.errors import ConfigError
from mtmc.matching.matcher import MatchingConfig, match
from mtmc.matching.matches import GATE_NO_PASSAGE, GATE_TIME, Matches
from mtmc.tracklets import TrackletTable

NO_RULES = CameraRules()


def make_gallery(cameras: list[str], starts: list[float], vectors: np.ndarray) -> Gallery:
    """One tracklet of 4 s a row, two images each, equal to its pooled vector; no boxes."""
    names = tuple(sorted(set(cameras)))
    m, start = len(cameras), np.array(starts, float)
    boxes, size, ground = np.zeros((m, 4), np.float32), np.zeros((m, 2), np.int64), np.full((m, 2), np.nan)
    table = TrackletTable(names, np.array([names.index(c) for c in cameras], np.int64), np.arange(1, m + 1), start,
                          start + 4, np.full(m, 2), boxes, boxes, size, ground, ground)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Gallery(table, unit, np.repeat(unit, 2, axis=0), np.arange(m + 1) * 2)


def twins(count: int, seed: int = 0) -> Gallery:
    """`count` vehicles that pass camera a and, 15 s after they came, b; nearly the same vector in both."""
    rng = np.random.default_rng(seed)
    looks = rng.normal(size=(count, 32))
    starts = [10.0 * i + float(rng.uniform(0, 4)) for i in range(count)]
    return make_gallery(["a"] * count + ["b"] * count, starts + [s + 15 for s in starts],
                        np.concatenate([looks, looks + 0.1 * rng.normal(size=looks.shape)]))


def renamed(gallery: Gallery, names: dict[str, str]) -> tuple[Gallery, np.ndarray]:
    """The same gallery with other names of the cameras, and where each new row came from."""
    table = gallery.tracklets
    new = tuple(sorted(names.values()))
    rows = np.array([new.index(names[table.camera_id(r)]) for r in range(len(table))], np.int64)
    order = np.lexsort((table.track_ids, table.start_s, rows))
    fields = {f: getattr(table, f)[order] for f in TrackletTable.__dataclass_fields__ if f != "camera_ids"}
    fields["camera_rows"] = rows[order]
    images = np.concatenate([gallery.image_embeddings[gallery.image_offsets[r]:gallery.image_offsets[r + 1]]
                             for r in order])
    offsets = np.concatenate([[0], np.cumsum(np.diff(gallery.image_offsets)[order])])
    return Gallery(TrackletTable(new, **fields), gallery.embeddings[order], images, offsets), order


def no_vehicle_is_in_one_camera_twice_at_once(gallery: Gallery, matches: Matches) -> bool:
    table = gallery.tracklets
    for i in range(len(table)):
        for j in range(i):
            if (matches.global_ids[i] == matches.global_ids[j] and table.camera_rows[i] == table.camera_rows[j]
                    and table.start_s[i] <= table.end_s[j] and table.start_s[j] <= table.end_s[i]):
                return False
    return True


def test_links_the_same_vehicles_across_two_cameras() -> None:
    matches = match(twins(8), NO_RULES)
    assert sorted(map(tuple, matches.candidates.pairs[matches.links].tolist())) == [(i, i + 8) for i in range(8)]
    assert matches.global_ids.tolist() == [1, 2, 3, 4, 5, 6, 7, 8] * 2


@pytest.mark.parametrize("m", [0, 1, 2, 3])
def test_hardly_any_tracklets(m: int) -> None:
    rng = np.random.default_rng(m)
    matches = match(make_gallery(["a", "b", "a"][:m], [0.0, 9.0, 3.0][:m], rng.normal(size=(m, 8))), NO_RULES)
    assert sorted(set(matches.global_ids.tolist())) == list(range(1, len(set(matches.global_ids.tolist())) + 1))


def test_one_camera_links_nothing() -> None:
    world = make_world("one-camera", 0)
    matches = match(world.gallery, NO_RULES)
    assert len(matches.links) == 0
    assert len(matches.candidates) == 0


@pytest.mark.parametrize(("kind", "least"), [("demo", 0.88), ("crossing", 0.88), ("two-way", 0.9), ("loop", 0.82)])
def test_finds_the_vehicles_of_made_up_worlds(kind: str, least: float) -> None:
    scores = []
    for seed in (0, 1):
        world = make_world(kind, seed)
        matches = match(world.gallery, NO_RULES)
        scores.append(idf1(world, matches.global_ids) / idf1(world, world.vehicle_ids))
        assert no_vehicle_is_in_one_camera_twice_at_once(world.gallery, matches)
        candidates = matches.candidates
        assert (candidates.probabilities[candidates.accepted] >= 0.5).all()
        assert (np.diff(candidates.pairs[:, 0]) >= 0).all()
    assert np.mean(scores) >= least


def test_strangers_stay_strangers() -> None:
    false = tracklets = 0
    for seed in range(3):
        world = make_world("strangers", seed)
        false += len(match(world.gallery, NO_RULES).links)
        tracklets += len(world.gallery)
    assert false <= tracklets / 100


def test_probabilities_mean_what_they_say() -> None:
    gaps, count = np.zeros(10), 0
    for seed in (0, 1):
        world = make_world("chain", seed)
        candidates = match(world.gallery, NO_RULES).candidates
        true = world.vehicle_ids[candidates.pairs[:, 0]] == world.vehicle_ids[candidates.pairs[:, 1]]
        place = np.minimum((candidates.probabilities * 10).astype(int), 9)
        gaps += np.bincount(place, candidates.probabilities - true, minlength=10)
        count += len(candidates)
    assert np.abs(gaps).sum() / count <= 0.05


def test_same_result_whatever_the_names_of_the_cameras() -> None:
    world = make_world("demo", 2)
    first = match(world.gallery, NO_RULES)
    other, order = renamed(world.gallery, {"c001": "z", "c002": "b", "c003": "q", "c004": "a"})
    second = match(other, NO_RULES)
    links = {frozenset(pair) for pair in first.candidates.pairs[first.links].tolist()}
    again = {frozenset(order[pair].tolist()) for pair in second.candidates.pairs[second.links]}
    assert links == again
    ids = first.global_ids[order]
    assert len({(int(a), int(b)) for a, b in zip(ids, second.global_ids, strict=True)}) == len(set(ids.tolist()))


def test_same_input_same_bytes() -> None:
    world = make_world("small", 4)
    a, b = match(world.gallery, NO_RULES), match(world.gallery, NO_RULES)
    for name in ("pairs", "probabilities", "gates", "term_log_odds"):
        assert getattr(a.candidates, name).tobytes() == getattr(b.candidates, name).tobytes()


def test_the_users_word_wins() -> None:
    gallery = twins(8)
    forbidden = CameraRules((TransitRule("a", "b", False, -np.inf, np.inf),))
    matches = match(gallery, forbidden)
    assert len(matches.links) == 0
    assert set(matches.candidates.gates.tolist()) <= {GATE_NO_PASSAGE, GATE_TIME, "rank", "distance", "probability"}
    assert (matches.candidates.gates == GATE_NO_PASSAGE).any()
    too_late = CameraRules((TransitRule("a", "b", True, 60.0, 90.0),))
    matches = match(gallery, too_late)
    assert (matches.candidates.travel_s[matches.links] >= 60).all()
    assert (matches.candidates.gates == GATE_TIME).any()
    assert len(match(gallery, CameraRules((), True)).links) == 0
    right = CameraRules((TransitRule("a", "b", True, 5.0, 20.0),), only_listed=True)
    matches = match(gallery, right)
    assert len(matches.links) == 8
    assert set(matches.camera_graph.state.tolist()) == {"given"}


@pytest.mark.slow
def test_more_is_asked_more_is_refused() -> None:
    world = make_world("rush-hour", 0, vehicles=60)
    numbers = [len(match(world.gallery, NO_RULES, MatchingConfig(min_probability=p)).links) for p in (0.2, 0.5, 0.95)]
    assert numbers[0] >= numbers[1] > numbers[2] > 0


@pytest.mark.parametrize("off", ["use_images", "use_positions", "use_neighbours", "join_pieces", "use_appearance",
                                 "use_travel_times"])
def test_every_kind_of_evidence_can_be_switched_off(off: str) -> None:
    world = make_world("small", 2)
    matches = match(world.gallery, NO_RULES, replace(MatchingConfig(), **{off: False}))
    assert np.isfinite(matches.candidates.probabilities).all()
    assert no_vehicle_is_in_one_camera_twice_at_once(world.gallery, matches)


def test_settings_out_of_range() -> None:
    for settings in ({"min_probability": 0.0}, {"min_probability": 1.5}, {"neighbours": 0},
                     {"use_appearance": False, "use_travel_times": False}):
        with pytest.raises(ConfigError):
            MatchingConfig(**settings)


def test_learned_travel_times_are_those_of_the_vehicles() -> None:
    world = make_world("chain", 0)
    graph, table = match(world.gallery, NO_RULES).camera_graph, world.gallery.tracklets
    checked = 0
    for row, (a, b) in enumerate(graph.edges.tolist()):
        times = []
        for vehicle in np.unique(world.vehicle_ids):
            mine = np.flatnonzero(world.vehicle_ids == vehicle)
            from_a, to_b = mine[table.camera_rows[mine] == a], mine[table.camera_rows[mine] == b]
            if len(from_a) and len(to_b) and table.start_s[to_b].min() > table.start_s[from_a].max():
                times.append(table.start_s[to_b].min() - table.end_s[from_a].max())
        if len(times) >= 15:
            assert abs(graph.travel_median_s[row] - np.median(times)) <= 0.1 * abs(np.median(times))
            assert graph.state[row] == "passage"
            checked += 1
    assert checked >= 4

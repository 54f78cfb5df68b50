"""The gate before pooling and the odd flags: off they change nothing, on they show and do what they say."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mtmc import oddness
from mtmc.embedding import Gallery
from mtmc.enrichment import enrichment_key
from mtmc.errors import ConfigError
from mtmc.oddness import COLUMNS, OddConfig, Oddness, find_odd, gated, odd_rows
from mtmc.results.csv_tables import read_table
from mtmc.run_config import RunConfig
from mtmc.tracklets import TrackletTable
from reid_models.temporal import pool
from tests.running import files_below, run_command


def table_of(count: int) -> TrackletTable:
    zeros = np.zeros(count)
    return TrackletTable(
        ("a",), np.zeros(count, np.int64), np.arange(count), zeros, zeros + 1, np.zeros(count, np.int64),
        np.zeros((count, 4), np.float32), np.zeros((count, 4), np.float32), np.ones((count, 2), np.int64),
        np.full((count, 2), np.nan), np.full((count, 2), np.nan))


def gallery_of(counts: list[int], seed: int = 0) -> Gallery:
    r = np.random.default_rng(seed)
    images = r.normal(size=(sum(counts), 8)).astype(np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    pooled = [pool(images[a:b]) if b > a else np.eye(8, dtype=np.float32)[0]
              for a, b in pairwise(offsets.tolist())]
    return Gallery(table_of(len(counts)), np.array(pooled, np.float32).reshape(-1, 8), images, offsets)


def oddness_of(gallery: Gallery, crops: np.ndarray, least: float) -> Oddness:
    parts = np.split(crops, gallery.image_offsets[1:-1])
    return Oddness(crops, np.array([p.mean() if len(p) else np.nan for p in parts]),
                   np.array([bool(len(p)) and p.mean() < least for p in parts]),
                   np.array([(p < least).sum() for p in parts]))


def test_the_gate_pools_what_is_normal_and_leaves_the_rest_to_the_bit() -> None:
    gallery = gallery_of([3, 2, 2, 0])
    found = oddness_of(gallery, np.array([0.9, 0.1, 0.8, 0.9, 0.9, 0.1, 0.2]), 0.5)
    after = gated(gallery, found, 0.5)
    np.testing.assert_array_equal(after.embeddings[0], pool(gallery.image_embeddings[[0, 2]]))
    np.testing.assert_array_equal(after.embeddings[[1, 3]], gallery.embeddings[[1, 3]])
    # All are odd: the most normal stays.
    np.testing.assert_array_equal(after.embeddings[2], pool(gallery.image_embeddings[6:7]))
    assert after.image_embeddings is gallery.image_embeddings
    np.testing.assert_array_equal(gated(gallery, oddness_of(gallery, found.crops, -1.0), -1.0).embeddings,
                                  gallery.embeddings)


@pytest.mark.parametrize("counts", [[], [1], [0, 0], [4, 0, 5]])
def test_any_gallery_is_judged(counts: list[int]) -> None:
    gallery = gallery_of(counts)
    found = find_odd(gallery, OddConfig(flag=True, epochs=2))
    assert found.crops.shape == (sum(counts),)
    assert found.tracklets.shape == found.odd.shape == found.odd_crops.shape == (len(counts),)
    assert not found.odd[np.array(counts, np.int64) == 0].any()
    assert not find_odd(gallery, OddConfig(flag=True, epochs=2, least=-1.0)).odd.any()


def test_the_oddest_come_first() -> None:
    gallery = gallery_of([1, 1, 1, 1])
    assert list(odd_rows(oddness_of(gallery, np.array([0.2, 0.9, -0.4, 0.1]), 0.3))) == [2, 3, 0]


def test_settings_and_keys() -> None:
    assert enrichment_key(RunConfig()) == ()
    assert enrichment_key(replace(RunConfig(), odd=OddConfig(gate=True)))
    for wrong in ({"least": 2.0}, {"clusters": 0}, {"epochs": 0}):
        with pytest.raises(ConfigError):
            OddConfig(**wrong)


def test_a_run_marks_its_odd_tracklets(small_world: Path, small_run: Path, tmp_path: Path) -> None:
    """Everything tracked counts as odd here, so that the flags are seen; other tables stay as without."""
    out = tmp_path / "run"
    done = run_command("--videos", small_world / "cams", "--detections", small_world / "det", "--out", out,
                       "--truth", small_world / "ground_truth.txt", "--embedder", "colour-texture",
                       "--set", "odd.flag=true", "--set", "odd.least=1.0", "--set", "odd.epochs=2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = read_table(out / "odd.csv", COLUMNS)
    with (out / "tracklets.csv").open() as file:
        assert len(rows["odd"]) == len(list(csv.DictReader(file)))
    assert rows["odd"].any()
    assert "Odd ones" in (out / "report.html").read_text()
    assert "Odd ones" not in (small_run / "report.html").read_text()
    before, after = files_below(small_run), files_below(out)
    assert set(after) - set(before) == {oddness.NAME}
    assert {name for name in before if before[name] != after[name]} == set()

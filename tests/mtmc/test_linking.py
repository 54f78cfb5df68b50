"""Linking anybody's tracklets: what is read, what is refused and how, what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.association_worlds import make_world
from mtmc.linking_cli import main
from mtmc.results.matches_csv import read_matches_csv
from mtmc.results.read_boxes import read_boxes
from mtmc.results.tracklets_csv import read_tracklets_csv


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A small world as files, its rows shuffled."""
    world = make_world("small", 1)
    table, gallery = world.gallery.tracklets, world.gallery
    rows = np.random.default_rng(3).permutation(len(table))
    lines = ["camera_id,track_id,start_s,end_s"]
    lines += [f"{table.camera_id(r)},{table.track_ids[r]},{table.start_s[r]:.3f},{table.end_s[r]:.3f}" for r in rows]
    (tmp_path / "tracklets.csv").write_text("\n".join(lines) + "\n")
    np.save(tmp_path / "features.npy", 3.0 * gallery.embeddings[rows])
    images = gallery.image_embeddings.reshape(len(table), -1, gallery.embeddings.shape[1])
    np.save(tmp_path / "images.npy", images[rows].astype(np.float16))
    boxes = []
    for r in rows:
        for frame, box in ((1, table.start_boxes_xyxy[r]), (9, table.end_boxes_xyxy[r])):
            x, y, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
            frame += int(10 * table.start_s[r]) + 1000
            camera = int(table.camera_id(r)[1:])
            boxes.append(f"{camera} {table.track_ids[r]} {frame} {int(x)} {int(y)} {int(w)} {int(h)} -1 -1")
    (tmp_path / "boxes.txt").write_text("\n".join(boxes) + "\n")
    return tmp_path


def run(folder: Path, *more: str) -> int:
    return main(["--tracklets", str(folder / "tracklets.csv"), "--features", str(folder / "features.npy"),
                 "--out", str(folder / "out"), *more])


def test_links_and_writes_the_tables_of_a_run(given: Path) -> None:
    assert run(given, "--image-features", str(given / "images.npy"), "--boxes", str(given / "boxes.txt")) == 0
    links = read_matches_csv(given / "out" / "matches.csv")
    assert len(links["global_id"]) > 3
    assert (links["probability"] >= 0.5).all()
    ids = read_tracklets_csv(given / "out" / "tracklets.csv").global_ids
    assert (ids >= 1).all()
    assert set(read_boxes(given / "out" / "cityflow.txt").boxes.ids.tolist()) == set(ids.tolist())
    assert (given / "out" / "mot" / "c001.txt").is_file()


def test_order_of_the_rows_does_not_matter(given: Path) -> None:
    assert run(given) == 0
    first = (given / "out" / "matches.csv").read_bytes()
    lines = (given / "tracklets.csv").read_text().splitlines()
    (given / "tracklets.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    np.save(given / "features.npy", np.load(given / "features.npy")[::-1])
    assert run(given) == 0
    assert (given / "out" / "matches.csv").read_bytes() == first


def test_cameras_yaml_forbids(given: Path) -> None:
    (given / "cameras.yaml").write_text("only_listed_transitions: true\n")
    assert run(given, "--cameras", str(given / "cameras.yaml")) == 0
    assert len(read_matches_csv(given / "out" / "matches.csv")["global_id"]) == 0


@pytest.mark.parametrize(("change", "words"), [
    (lambda f: f[:-1], ("rows", "one for each row")),
    (lambda f: np.where(np.arange(len(f))[:, None] == 2, np.nan, f), ("row 2", "finite")),
    (lambda f: np.where(np.arange(len(f))[:, None] == 4, 0.0, f), ("row 4", "zeros")),
    (lambda f: f[:, None, None], ("axes", "shape")),
    (lambda f: (f * 100).astype(np.int64), ("floating-point", "int64")),
])
def test_features_that_cannot_be_used_are_refused_in_a_sentence(
        given: Path, capsys: pytest.CaptureFixture[str], change: object, words: tuple[str, ...]) -> None:
    np.save(given / "features.npy", change(np.load(given / "features.npy")))  # type: ignore[operator]
    assert run(given) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(word in said for word in (*words, "features.npy"))


@pytest.mark.parametrize(("text", "words"), [
    ("camera_id,track_id,start_s\nc1,1,0.0\n", ("end_s",)),
    ("camera_id,track_id,start_s,end_s\nc1,1,0.0,1.0\nc1,1,2.0,3.0\n", ("c1", "1")),
    ("camera_id,track_id,start_s,end_s\nc1,1,5.0,1.0\n", ("end",)),
    ("camera_id,track_id,start_s,end_s\nc1,1,,1.0\n", ("start_s",)),
])
def test_tables_that_cannot_be_used_are_refused(
        given: Path, capsys: pytest.CaptureFixture[str], text: str, words: tuple[str, ...]) -> None:
    (given / "tracklets.csv").write_text(text)
    assert run(given) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words)


def test_missing_files_and_wrong_sizes_of_images(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(given, "--image-features", str(given / "none.npy")) == 2
    assert "none.npy" in capsys.readouterr().err
    np.save(given / "images.npy", np.load(given / "images.npy").reshape(-1, 64)[:-1])
    assert run(given, "--image-features", str(given / "images.npy")) == 2
    assert "crops" in capsys.readouterr().err
    assert run(given, "--boxes", str(given / "tracklets.csv")) == 2


def test_no_tracklets_at_all(tmp_path: Path) -> None:
    (tmp_path / "tracklets.csv").write_text("camera_id,track_id,start_s,end_s\n")
    np.save(tmp_path / "features.npy", np.zeros((0, 8), np.float32))
    assert run(tmp_path) == 0
    assert (tmp_path / "out" / "matches.csv").read_text().count("\n") == 1

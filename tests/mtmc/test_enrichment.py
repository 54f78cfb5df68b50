"""Encodings and attributes through the real command, on the small world."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtmc.aggregation import AggregationConfig
from mtmc.cli import main
from mtmc.embedding import Gallery
from mtmc.enrichment import check_sources, enriched, enrichment_key
from mtmc.errors import ConfigError, InputError, WeightsError
from mtmc.gallery import RunTracklets
from mtmc.matching.verifier_term import VerifierConfig
from mtmc.privacy.vault import PLAIN
from mtmc.results.tracklets_csv import TRACKLET_COLUMNS, TrackletFacts, write_tracklets_csv
from mtmc.run_config import RunConfig, load_run_config
from mtmc.tracklet_attributes import AttributesConfig, attributes_of
from mtmc.tracklets import TrackletTable
from reid_models.architectures import build_network
from reid_models.colour_texture import ColourTextureEmbedder
from reid_models.model_config import ModelConfig
from reid_models.pair_verifier import PairVerifier, save_verifier
from reid_models.registry import EmbedderConfig
from reid_models.weights import WeightsInfo, save_weights
from tests.running import files_below, run_command


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "tracklets.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def labelled(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table over the run's own crops: the halves of its vehicles are two makes, every third tracklet is left out."""
    folder = tmp_path_factory.mktemp("labelled")
    lines = ["path,make,colour"]
    for place, row in enumerate(rows_of(small_run)):
        if place % 3:
            name = f"{row['camera_id']}_{int(row['track_id']):06d}.jpg"
            crop = small_run / "cameras" / row["camera_id"] / "crops" / f"{int(row['track_id']):06d}_0.jpg"
            shutil.copy(crop, folder / name)
            lines.append(f"{name},make{int(row['global_id']) % 2},{'red' if place == 1 else ''}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "labels.csv"


@pytest.mark.slow
def test_attributes_reach_the_table_and_nothing_else(small_run: Path, small_world: Path, labelled: Path,
                                                     tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(small_run, out)
    command = ["--videos", small_world / "cams", "--detections", small_world / "det", "--out", out,
               "--embedder", "colour-texture", "--quiet"]
    done = run_command(*command, "--attributes", labelled)
    assert done.returncode == 0, done.stderr
    rows, before = rows_of(out), rows_of(small_run)
    assert list(rows[0]) == [*TRACKLET_COLUMNS, "make", "make_confidence", "colour", "colour_confidence"]
    right = [row["make"] == f"make{int(row['global_id']) % 2}" for row in rows]
    assert sum(right) / len(right) > 0.8
    assert all(0 < float(row["make_confidence"]) <= 1 for row in rows)
    assert [{k: row[k] for k in TRACKLET_COLUMNS} for row in rows] == before
    changed = {k for k, v in files_below(out).items() if files_below(small_run).get(k) != v}
    assert changed == {"tracklets.csv"}
    assert run_command(*command).returncode == 0  # off again: the same table as ever
    assert (out / "tracklets.csv").read_bytes() == (small_run / "tracklets.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("settings", [["aggregation.kind=netvlad", "aggregation.clusters=4"],
                                      ["aggregation.kind=netvlad", "aggregation.learn_steps=5"],
                                      ["matching.adaptive_images=true"], ["attributes.matching_weight=0.5"]])
def test_each_option_runs_by_a_setting(settings: list[str], small_run: Path, small_world: Path, labelled: Path,
                                       tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(small_run, out)
    attributes = ["--attributes", labelled] if "attributes" in settings[0] else []
    done = run_command("--videos", small_world / "cams", "--detections", small_world / "det", "--out", out,
                       "--truth", small_world / "ground_truth.txt", "--embedder", "colour-texture", "--quiet",
                       *attributes, *(f"--set={item}" for item in settings))
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "run.json").read_text())["score"]["idf1"] > 0.4


@pytest.mark.slow
def test_an_encoding_is_fitted_on_the_runs_own_crops(small_world: Path, tmp_path: Path) -> None:
    """One flag; the same command again does nothing and another folder gets the same file."""
    cams = tmp_path / "cams"
    cams.mkdir()
    for name in ("c001", "c002"):
        shutil.copy(small_world / "cams" / f"{name}.mp4", cams)
    command = ["--videos", cams, "--detections", small_world / "det", "--embedder", "bag-of-words", "--quiet"]
    said = [run_command(*command, "--out", tmp_path / out) for out in ("one", "one", "two")]
    assert [done.returncode for done in said] == [0, 0, 0], said[0].stderr
    assert "bag-of-words: fitted on" in said[0].stdout
    assert "bag-of-words: fitted before" in said[1].stdout
    one, two = (tmp_path / out / "encoding" / "bag-of-words.safetensors" for out in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert (tmp_path / "one" / "matches.csv").read_bytes() == (tmp_path / "two" / "matches.csv").read_bytes()


def test_an_encoding_says_first_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cams").mkdir()
    (tmp_path / "cams" / "c1.mp4").write_bytes(b"no video, and never opened")
    command = ["--videos", str(tmp_path / "cams"), "--out", str(tmp_path / "run"), "--detector", "motion",
               "--embedder", "vlad"]
    for option in ("--no-crops", "--encrypt"):
        assert main([*command, option]) == 2
        assert "tools/fit_encoding.py --encoding vlad" in capsys.readouterr().err
    assert main([*command, "--dry-run"]) == 0
    assert "to be fitted on this run's own crops" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
    assert main([*command, "--weights", str(tmp_path / "none.safetensors"), "--dry-run"]) == 2
    assert "none.safetensors" in capsys.readouterr().err


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    """Red and blue vehicles, three pictures each, in a table."""
    lines = ["path,colour"]
    for i in range(6):
        image = np.full((40, 50, 3), 120, np.uint8)
        image[10:30, 10:40] = (200, 30, 20) if i % 2 else (20, 30, 200)
        image[15 + i, :] = 0
        cv2.imwrite(str(tmp_path / f"{i}.png"), image[..., ::-1])
        lines.append(f"{i}.png,{'red' if i % 2 else 'blue'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "labels.csv"


def test_crops_vote_and_a_tracklet_without_crops_has_no_answer(painted: Path) -> None:
    """Tracklets of a red vehicle, of nothing, and of two blue crops and a red one."""
    embedder = ColourTextureEmbedder()
    pictures = [cv2.imread(str(painted.parent / f"{i}.png"))[..., ::-1] for i in (1, 0, 2, 5)]
    images = embedder.embed(pictures)
    nan, m = np.full((3, 2), np.nan), 3
    table = TrackletTable(("c1",), np.zeros(m, np.int64), np.arange(m), np.arange(3.0), np.arange(3.0) + 1,
                          np.zeros(m, np.int64), np.zeros((m, 4), np.float32), np.zeros((m, 4), np.float32),
                          np.zeros((m, 2), np.int64), nan, nan)
    gallery = Gallery(table, images[[0, 1, 1]], images, np.array([0, 1, 1, 4]))
    run = RunTracklets(gallery, (), np.array([1, 0, 3]))
    found = attributes_of(run, {}, AttributesConfig(source=str(painted)), EmbedderConfig(name="colour-texture"), PLAIN)
    assert found.answers == {"colour": ["red", "", "blue"]}
    assert found.confidences["colour"][0] == 1
    assert np.isnan(found.confidences["colour"][1])
    assert 0.5 < found.confidences["colour"][2] < 1
    np.testing.assert_allclose(found.shares["colour"].sum(axis=1), [1, 0, 1])
    path = painted.parent / "tracklets.csv"
    told = {"colour": (found.answers["colour"], found.confidences["colour"])}
    write_tracklets_csv(path, table, np.arange(m), TrackletFacts.unknown(m), told)
    header, *rows = path.read_text().splitlines()
    assert header == ",".join([*TRACKLET_COLUMNS, "colour", "colour_confidence"])
    assert [row.rsplit(",", 2)[1] for row in rows] == ["red", "", "blue"]
    assert rows[1].endswith(",,")
    write_tracklets_csv(path, table, np.arange(m), TrackletFacts.unknown(m))
    assert path.read_text().splitlines()[0] == ",".join(TRACKLET_COLUMNS)


@pytest.fixture
def trained(tmp_path: Path) -> tuple[str, str]:
    """The two files that a training with a verifier leaves."""
    model = ModelConfig(backbone="resnet18", taps=(1, 2), embedding_dim=4, input_hw=(32, 32))
    save_weights(tmp_path / "last.safetensors", build_network(model), WeightsInfo(model))
    save_verifier(tmp_path / "last_verifier.safetensors", PairVerifier(8))
    return str(tmp_path / "last.safetensors"), str(tmp_path / "last_verifier.safetensors")


def test_a_verifier_and_attributes_are_summed_as_evidence(trained: tuple[str, str], painted: Path) -> None:
    nan, m = np.full((2, 2), np.nan), 2
    table = TrackletTable(("c1", "c2"), np.arange(m), np.arange(m), np.arange(2.0), np.arange(2.0) + 1,
                          np.zeros(m, np.int64), np.zeros((m, 4), np.float32), np.zeros((m, 4), np.float32),
                          np.zeros((m, 2), np.int64), nan, nan)
    images = ColourTextureEmbedder().embed([cv2.imread(str(painted.parent / f"{i}.png"))[..., ::-1] for i in (1, 0)])
    run = RunTracklets(Gallery(table, images, images, np.arange(3)), (), np.array([1, 1]))
    beside = str(painted.parent / "v.safetensors")
    save_verifier(Path(beside), PairVerifier(images.shape[1]))
    verifier, words = VerifierConfig(beside), AttributesConfig(source=str(painted), matching_weight=0.5)
    embedder = EmbedderConfig(name="colour-texture")
    found = [enriched(run, {}, RunConfig(embedder=embedder, **given), PLAIN).evidence
             for given in ({"verifier": verifier}, {"attributes": words},
                           {"verifier": verifier, "attributes": words})]
    values = [0.0 if f is None else float(f(np.array([0]), np.array([1]))[0]) for f in found]
    assert values[2] == pytest.approx(values[0] + values[1])
    assert values[0] != 0
    assert values[1] < 0
    assert enriched(run, {}, RunConfig(embedder=embedder), PLAIN).evidence is None


def test_a_verifier_goes_with_the_weights_of_its_training(trained: tuple[str, str], tmp_path: Path) -> None:
    weights, verifier = trained
    config = RunConfig(verifier=VerifierConfig(verifier), embedder=EmbedderConfig(weights=weights))
    check_sources(config, keep_crops=True)
    key = enrichment_key(config)
    assert key == enrichment_key(load_run_config(None, [f"verifier.file={verifier}"]))
    with pytest.raises(ConfigError, match="--weights of the same training"):
        check_sources(RunConfig(verifier=VerifierConfig(verifier)), keep_crops=True)
    save_verifier(Path(verifier), PairVerifier(6))
    assert enrichment_key(config) != key
    with pytest.raises(ConfigError, match="a verifier of 8 numbers"):
        check_sources(config, keep_crops=True)
    with pytest.raises(WeightsError, match="a pair verifier"):
        check_sources(RunConfig(verifier=VerifierConfig(weights), embedder=config.embedder), keep_crops=True)


def test_off_is_off_and_mistakes_are_found_before_the_run(painted: Path) -> None:
    assert enrichment_key(RunConfig()) == ()
    one = RunConfig(attributes=AttributesConfig(source=str(painted)))
    key = enrichment_key(one)
    assert key != enrichment_key(RunConfig(aggregation=AggregationConfig(kind="netvlad")))
    check_sources(one, keep_crops=False)
    shutil.copy(painted.parent / "1.png", painted.parent / "0.png")
    assert enrichment_key(one) != key  # a picture changed under the same name
    with pytest.raises(InputError, match="nowhere"):
        check_sources(RunConfig(attributes=AttributesConfig(source="nowhere.csv")), keep_crops=True)
    with pytest.raises(ConfigError, match="matching_weight"):
        check_sources(load_run_config(None, ["attributes.matching_weight=0.5"]), keep_crops=True)
    with pytest.raises(ConfigError, match="neighbours"):
        load_run_config(None, ["attributes.neighbours=0"])

"""`tools/evaluate_reid.py` from end to end on tiny sets, with the embedder that needs no weights."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtmc.errors import InputError
from reid_models.data.generate import GenerateConfig, write_dataset
from reid_models.data.registry import load_tasks
from reid_models.evaluation import command, picture, report
from reid_models.evaluation.command import main
from reid_models.evaluation.evaluate import evaluate_protocol
from reid_models.evaluation.features import embed_tasks
from reid_models.evaluation.metrics import score, squared_distances

ROOT = Path(__file__).resolve().parents[2]
SMALL = GenerateConfig(vehicles=10, cameras=3, held_out_cameras=3, cameras_per_vehicle=(2, 3), frames=(2, 3),
                       side_px=32, test_vehicles=4)


class SmallPictures:
    """An `Embedder` that is quick and not perfect: the pixels of a tiny copy."""

    name, fingerprint, dimension, input_hw, batch_size = "small pictures", "small-pictures", 48, (4, 4), 8

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        rows = np.array([cv2.resize(crop, (4, 4), interpolation=cv2.INTER_AREA).ravel() for crop in crops_rgb])
        rows = rows.reshape(-1, 48).astype(np.float32) - 110
        return rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))


@pytest.fixture(autouse=True)
def _quick_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    real = command.build_embedder
    monkeypatch.setattr(command, "build_embedder", lambda config: real(config) if config.weights else SmallPictures())


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    for name in ("two-view", "veri-776", "cityflow-reid", "vehicleid"):
        write_dataset(name, folder / name, SMALL)
    return folder


def run(sets: Path, name: str, split: str, *more: object) -> int:
    return main(["--dataset", name, "--data", str(sets / name), "--split", split, *map(str, more)])


def test_two_view_reports_both_directions_and_their_union(sets: Path, tmp_path: Path,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    scores, queries = tmp_path / "scores.json", tmp_path / "queries.csv"
    assert run(sets, "two-view", "train", "--json", scores, "--queries", queries) == 0
    groups = json.loads(scores.read_text())["protocols"]["image-to-image"]["groups"]
    assert list(groups) == ["all", "cam1->cam2", "cam2->cam1"]
    # By hand from the vectors, one direction.
    task = load_tasks("two-view", sets / "two-view", "train")[0]
    vectors = embed_tasks(SmallPictures(), [task]).of(task.query)
    one, two = (vectors[task.query.cameras == camera] for camera in (1, 2))
    ids = [task.query.identities[task.query.cameras == camera] for camera in (1, 2)]
    order, answers = squared_distances(one, two).argsort(axis=1, kind="stable"), np.searchsorted(ids[1], ids[0])
    ranks = (order == answers[:, None]).argmax(axis=1)
    assert groups["cam1->cam2"]["r1"] == pytest.approx(np.mean(ranks == 0))
    assert groups["cam1->cam2"]["map_rectangle"] == pytest.approx(np.mean(1 / (ranks + 1)), abs=1e-9)
    low, high = groups["all"]["r1_interval"]
    assert low <= groups["all"]["r1"] <= high
    with queries.open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == report.QUERY_COLUMNS
    assert len(rows) == len(task.query)
    mean = np.mean([float(row["ap_rectangle"]) for row in rows])
    assert mean == pytest.approx(groups["all"]["map_rectangle"], abs=1e-6)
    shown = capsys.readouterr().out
    assert f"{100 * groups['all']['map_rectangle']:.2f}" in shown
    assert "ties: equal distances go to the lower gallery row" in shown


def test_all_protocols_of_veri_in_the_table(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(sets, "veri-776", "test", "--protocol", "all", "--json", tmp_path / "scores.json") == 0
    shown = capsys.readouterr().out
    protocols = json.loads((tmp_path / "scores.json").read_text())["protocols"]
    assert sorted(protocols) == ["image-to-image", "image-to-tracklet", "image-to-tracklet-propagated",
                                 "tracklet-to-tracklet"]
    assert protocols["image-to-tracklet"]["gallery_entries"] < protocols["image-to-image"]["gallery_entries"]
    assert "published" not in shown, "these are not the 1,678 queries that the published rows were made on"


def test_published_rows_stand_only_beside_the_published_test(sets: Path, monkeypatch: pytest.MonkeyPatch,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    task = load_tasks("veri-776", sets / "veri-776", "test")[0]
    monkeypatch.setattr(report, "_VERI_QUERIES", len(task.query))
    monkeypatch.setattr(report, "_VERI_GALLERY", len(task.gallery))
    assert run(sets, "veri-776", "test", "--protocol", "tracklet-to-tracklet", "image-to-tracklet") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("published: multi-level RLL"))
    assert line.split()[3:] == ["73.34", "91.06", "91.41", "-", "-", "-"]


def test_cityflow_local_split_is_scored_and_named(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(sets, "cityflow-reid", "local-scene", "--rerank", "--rerank-values", 4, 2, 0.3) == 0
    shown = capsys.readouterr().out
    assert "not the published test" in shown
    assert "published:" not in shown
    assert "+ re-ranking" in shown


@pytest.mark.parametrize("protocol", ["image-to-image", "image-to-tracklet", "image-to-tracklet-propagated"])
def test_the_official_test_gives_answers_and_no_score(sets: Path, tmp_path: Path, protocol: str,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "track2.txt"
    assert run(sets, "cityflow-reid", "test", "--submission", target, "--protocol", protocol) == 0
    shown = capsys.readouterr().out
    assert "no score" in shown
    assert not any(word in shown for word in ("mAP", "R-1"))
    task = load_tasks("cityflow-reid", sets / "cityflow-reid", "test")[0]
    lines = [list(map(int, line.split())) for line in target.read_text().splitlines()]
    assert len(lines) == len(task.query)
    for line in lines:
        assert sorted(line) == list(range(1, len(task.gallery) + 1)), "fewer than 100 images: all of them"
    vectors = embed_tasks(SmallPictures(), [task])
    if protocol == "image-to-image":
        nearest = squared_distances(vectors.of(task.query), vectors.of(task.gallery)).argmin(axis=1)
        assert [line[0] for line in lines] == (nearest + 1).tolist()
    else:
        tracks = task.gallery.tracklets[np.array(lines[0]) - 1]
        assert (np.diff(tracks) != 0).sum() == len(np.unique(tracks)) - 1, "images of one track stay together"


def test_at_most_100_answers_a_query(tmp_path: Path) -> None:
    many = GenerateConfig(vehicles=4, cameras=2, held_out_cameras=1, frames=(5, 5), side_px=16, test_vehicles=16)
    write_dataset("cityflow-reid", tmp_path / "cityflow-reid", many)
    assert run(tmp_path, "cityflow-reid", "test", "--submission", tmp_path / "track2.txt") == 0
    task = load_tasks("cityflow-reid", tmp_path / "cityflow-reid", "test")[0]
    assert len(task.gallery) > 100, "else this test shows nothing"
    assert {len(line.split()) for line in (tmp_path / "track2.txt").read_text().splitlines()} == {100}


@pytest.mark.parametrize("option", ["--json", "--queries", "--picture"])
def test_no_file_of_scores_for_the_official_test(sets: Path, tmp_path: Path, option: str,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "file.png"
    assert run(sets, "cityflow-reid", "test", "--submission", tmp_path / "t.txt", option, target) == 2
    assert "not public" in capsys.readouterr().err
    assert not target.exists()


def test_tracklet_queries_need_known_tracks(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(sets, "cityflow-reid", "test", "--protocol", "tracklet-to-tracklet", "--submission", tmp_path / "t") == 2
    assert run(sets, "vehicleid", "test-800", "--protocol", "image-to-tracklet") == 2
    assert "This data set is scored by image-to-image" in capsys.readouterr().err


def test_vehicleid_averages_its_draws(sets: Path, tmp_path: Path) -> None:
    assert run(sets, "vehicleid", "test-800", "--json", tmp_path / "s.json") == 0
    found = json.loads((tmp_path / "s.json").read_text())
    tasks = load_tasks("vehicleid", sets / "vehicleid", "test-800")
    vectors = embed_tasks(SmallPictures(), tasks)
    means = []
    for task in tasks:
        own = score(vectors.of(task.query), vectors.of(task.gallery), task.query.identities, task.gallery.identities,
                    task.query.cameras, task.gallery.cameras, "none")
        means.append(own.ap_rectangle.mean())
    assert found["tasks"] == 10
    assert found["protocols"]["image-to-image"]["groups"]["all"]["map_rectangle"] == pytest.approx(np.mean(means))


def test_the_junk_rule_can_be_changed(sets: Path, tmp_path: Path) -> None:
    scores = {}
    for rule in ("same-identity-and-camera", "same-camera", "none"):
        assert run(sets, "veri-776", "test", "--junk-rule", rule, "--json", tmp_path / "s.json") == 0
        found = json.loads((tmp_path / "s.json").read_text())
        assert found["junk_rule"] == rule
        scores[rule] = found["protocols"]["image-to-image"]["groups"]["all"]["map_rectangle"]
    assert scores["same-camera"] >= scores["same-identity-and-camera"]
    assert len(set(scores.values())) > 1


@pytest.mark.parametrize(("arguments", "named"), [
    (["--data", "/nowhere/at/all", "--split", "val"], "nowhere"), (["--split", "valid"], "val"),
    (["--split", "val", "--rerank-values", "1", "2", "0.5"], "--rerank"),
    (["--split", "val", "--rerank", "--rerank-values", "1.5", "2", "0.5"], "whole numbers"),
    (["--split", "val", "--weights", "/nowhere/w.safetensors", "--embedder", "multilevel"], "w.safetensors"),
])
def test_faults_are_one_line_on_stderr(sets: Path, arguments: list[str], named: str,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    data = [] if "--data" in arguments else ["--data", str(sets / "two-view")]
    assert main(["--dataset", "two-view", *data, *arguments]) != 0
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert named in error


def test_a_spoilt_image_is_named(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset("csv", tmp_path / "csv", SMALL)
    victim = next((tmp_path / "csv" / "crops").glob("*.jpg"))
    victim.write_bytes(b"not a picture")
    codes = [run(tmp_path, "csv", split) for split in ("train", "test")]
    assert sorted(codes) == [0, 2]
    assert victim.name in capsys.readouterr().err


# --- the picture


def test_the_picture_frames_right_and_wrong(sets: Path, tmp_path: Path) -> None:
    target = tmp_path / "ranked.png"
    assert run(sets, "cityflow-reid", "local-scene", "--picture", target) == 0
    task = load_tasks("cityflow-reid", sets / "cityflow-reid", "local-scene")[0]
    vectors = embed_tasks(SmallPictures(), [task])
    scores = evaluate_protocol("image-to-image", [task], vectors).scores
    page = cv2.cvtColor(cv2.imread(str(target)), cv2.COLOR_BGR2RGB)
    query = int(picture.choose_queries(scores)[0])
    keys = squared_distances(vectors.of(task.query), vectors.of(task.gallery))[query]
    ranked = picture.ranked_columns(keys, task.relevance.junk.of(query))
    top = picture._LABEL_PX + 2 * picture._GAP_PX + picture._LABEL_PX
    for place in range(min(picture.ANSWERS, len(ranked))):
        corner = page[top + 2, (place + 1) * (picture.TILE_PX + picture._GAP_PX) + 2]
        right = ranked[place] in task.relevance.good.of(query)
        assert tuple(corner) == (picture._RIGHT_RGB if right else picture._WRONG_RGB), place
    assert tuple(page[top + 2, 2]) == picture._QUERY_RGB


def test_the_queries_shown_are_the_worst_and_a_spread() -> None:
    from reid_models.evaluation.metrics import QueryScores

    ap = np.linspace(1, 0, 30)
    ap[3] = np.nan
    first = np.where(np.isnan(ap), 0, 1)
    shown = picture.choose_queries(QueryScores(first, ap, ap, ap))
    assert shown[:5].tolist() == [29, 28, 27, 26, 25]
    assert shown[-1] == 0
    assert (len(shown), 3 in shown) == (10, False)
    assert len(picture.choose_queries(QueryScores(first[:1], ap[:1], ap[:1], ap[:1]))) == 1


def test_a_picture_needs_an_answered_query(sets: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="answer"):
        from reid_models.evaluation.metrics import QueryScores
        nothing = np.full(2, np.nan)
        task = load_tasks("veri-776", sets / "veri-776", "test")[0]
        picture.write_picture(tmp_path / "p.png", "t", task, None,  # type: ignore[arg-type]
                              QueryScores(np.zeros(2, dtype=np.int64), nothing, nothing, nothing))


# --- the tool itself


def test_the_tool_scores_without_importing_torch(sets: Path) -> None:
    code = ("import sys; sys.argv = ['evaluate_reid.py', *sys.argv[1:]]\n"
            "from reid_models.evaluation.command import main\n"
            "code = main(sys.argv[1:])\nassert 'torch' not in sys.modules\nsys.exit(code)")
    arguments = ["--dataset", "two-view", "--data", str(sets / "two-view"), "--split", "val", "--embedder",
                 "colour-texture"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "image-to-image" in done.stdout


def test_the_tool_shows_its_help() -> None:
    tool = [sys.executable, "tools/evaluate_reid.py", "--help"]
    done = subprocess.run(tool, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    unwrapped = "".join(done.stdout.split())
    assert "image-to-tracklet-propagated" in unwrapped
    assert "local-scene" in unwrapped

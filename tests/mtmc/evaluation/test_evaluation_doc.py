"""What docs/evaluation.md says: its options exist, its Python runs on a run folder."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mtmc.evaluation.cli import build_parser, main
from mtmc.results.aicity import read_aicity
from mtmc.results.mot import write_mot_folder

DOC = Path(__file__).resolve().parents[3] / "docs" / "evaluation.md"


@pytest.fixture
def run_folder(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The development world's truth as a run: tracks are its passages, under other numbers."""
    truth = shared_data / "worlds" / "two-view-dev" / "ground_truth.txt"
    (tmp_path / "ground_truth.txt").write_bytes(truth.read_bytes())
    boxes = read_aicity(truth).with_camera_names({str(n): f"c{n:03d}" for n in range(1, 5)})
    (tmp_path / "runs" / "cams").mkdir(parents=True)
    write_mot_folder(tmp_path / "runs" / "cams" / "mot", boxes.with_ids(boxes.ids + 500))
    passages = np.unique(np.stack([boxes.camera_rows, boxes.ids], axis=1), axis=0)
    rows = [f"{boxes.camera_ids[c]},{i + 500},{c}.0,{c + 9}.0,{i}" for c, i in passages]
    table = tmp_path / "runs" / "cams" / "tracklets.csv"
    table.write_text("camera_id,track_id,start_s,end_s,global_id\n" + "\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "cams"


def test_the_first_command_scores_a_run(run_folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["--truth", "ground_truth.txt", "--prediction", "runs/cams"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "cross-camera IDF1 1.00"


def test_the_python_runs(run_folder: Path) -> None:
    code = re.search(r"```python\n(.*?)```", DOC.read_text(), re.S)
    assert code
    found: dict = {"other_global_ids": np.arange(10**4)}
    source = code[1].replace(", result.errors[0]", "").replace("score_answers(truth", "answers = score_answers(truth")
    exec(source, found)
    assert found["result"].idf1 == found["answers"]["ours"].identity.idf1 == 1.0
    assert found["answers"]["other"].identity.idtp == 0


def test_every_option_that_is_named_exists_and_the_other_way_round() -> None:
    named = set(re.findall(r"--[a-z][a-z-]+", DOC.read_text()))
    known = {option for action in build_parser()._actions for option in action.option_strings if len(option) > 2}
    assert named - known == set()
    assert known - named == {"--help", "--worst"}

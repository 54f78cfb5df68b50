"""The command `attributes`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_models.attributes.command import main
from reid_models.attributes.labels import read_attribute_table


def write_pictures(folder: Path, split: str, shift: int) -> None:
    """Six vehicles of two kinds that a colour tells apart, in the two-view layout."""
    (folder / "images").mkdir(exist_ok=True)
    names = []
    for vehicle in range(6):
        kind = "car" if vehicle < 3 else "bus"
        names.append(f"{kind}_{vehicle + shift:04d}_cam1.jpg")
        image = np.full((40, 40, 3), (200, 40, 40) if kind == "car" else (40, 40, 200), np.uint8)
        image[vehicle * 4 : vehicle * 4 + 6] = 90
        cv2.imwrite(str(folder / "images" / names[-1]), image)
    (folder / f"{split}.txt").write_text("\n".join(names) + "\n")


def test_a_table_is_written_and_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path, "train", 0)
    write_pictures(tmp_path, "val", 50)
    for split in ("train", "val"):
        assert main(["table", "--dataset", "two-view", "--data", str(tmp_path), "--split", split,
                     "--out", str(tmp_path / f"{split}.csv")]) == 0
    assert "6 pictures of 2 types" in capsys.readouterr().out
    pictures, labels = read_attribute_table(tmp_path / "train.csv")
    assert all(picture.is_file() for picture in pictures)
    assert sorted(labels.told()["type"]) == ["bus"] * 3 + ["car"] * 3
    assert main(["score", "--exemplars", str(tmp_path / "train.csv"), "--pictures", str(tmp_path / "val.csv"),
                 "--embedder", "colour-texture", "--per-class", "2"]) == 0
    said = capsys.readouterr().out
    assert "4 exemplars, 6 pictures" in said
    assert "type bus: 100.0 % of 3" in said
    assert "type: 100.0 % of all, 100.0 % mean over classes" in said


def test_mistakes_get_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "--dataset", "two-view", "--data", str(tmp_path / "none"), "--out", "x.csv"]) == 2
    assert main(["score", "--exemplars", str(tmp_path / "a.csv"), "--pictures", str(tmp_path / "b.csv"),
                 "--embedder", "colour-texture"]) == 2
    assert "a.csv" in capsys.readouterr().err

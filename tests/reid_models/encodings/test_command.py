"""The command `fit_encoding`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_models.encodings.command import encoding_config, main
from reid_models.encodings.storage import load_encoding


@pytest.fixture
def data(tmp_path: Path, pictures: list[np.ndarray]) -> Path:
    """The pictures as a plain table."""
    rows = ["path,identity,camera"]
    for i, image in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{i}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows.append(f"{i}.png,{i % 12},{i // 12}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_it_fits_and_writes(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = data / "vlad.safetensors"
    arguments = ["--encoding", "vlad", "--dataset", "csv", "--data", str(data), "--out", str(out)]
    sets = ["features=dense-sift", "words=4", "dimension=7", "step_px=32"]
    assert main([*arguments, *(f"--set={item}" for item in sets)]) == 0
    assert "24 of 24 pictures of csv train, labels unused: 7 dimensions" in capsys.readouterr().out
    info, _ = load_encoding(out)
    assert (info.config.words, info.config.features, info.dimension) == (4, "dense-sift", 7)
    assert main([*arguments, "--set", "wrods=4"]) == 2
    assert "Did you mean words?" in capsys.readouterr().err
    assert main(["--encoding", "vlad", "--data", str(data / "none"), "--out", str(out)]) == 2


def test_settings_lie_over_the_encodings_own() -> None:
    assert encoding_config("bag-of-words", ["words=9"]).local_dimension == 0
    assert encoding_config("spoc").power == 1.0

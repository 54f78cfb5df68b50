"""Trainings that are killed while they save, whose disk is full, whose pictures are broken (matrix F1, F2, F5)."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.faults.background import ahead_on_path
from tests.faults.test_disks import small_disk
from tests.faults.test_resume import DYING
from tests.running import ROOT

pytest.importorskip("torch")

SETTINGS = """steps: 4
validate_every: 2
checkpoint_minutes: 0
precision: float32
model: {backbone: resnet18, taps: [1], embedding_dim: 8, input_hw: [32, 32]}
data: {validation_share: 0.25, workers: 0}
sampler: {identities: 3, images_per_identity: 2}
"""
BROKEN = "car_0003_cam1.jpg"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight vehicles of one colour each, seen once by each of two cameras, in the two-view layout; and settings."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rng, names = np.random.default_rng(0), []
    for vehicle in range(8):
        colour = rng.integers(0, 256, 3)
        for camera in (1, 2):
            names.append(f"car_{vehicle:04d}_cam{camera}.jpg")
            picture = np.clip(colour + rng.integers(-20, 21, (40, 36, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / "images" / names[-1]), picture)
    for split in ("train", "val"):
        (folder / f"{split}.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    return folder


def train(data: Path, out: Path, *more: str) -> int:
    """The command, in this process."""
    from reid_models.training.cli import main

    return main(["--config", str(data.parent / "settings.yaml"), "--data", str(data), "--out", str(out), *more])


def files_of(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in ("last.safetensors", "best.safetensors", "config.yaml")}


def curve(out: Path) -> list[str]:
    from reid_models.training.logs import read_log

    return [row["loss"] for row in read_log(out / "log.csv")]


@pytest.mark.slow
def test_killed_while_it_saves_a_training_goes_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    """Before the second checkpoint takes the first one's place; the row of the log that follows is half written."""
    out = tmp_path / "out"
    command = [sys.executable, str(ROOT / "tools" / "train_reid.py"), "--config", str(tmp_path / "settings.yaml"),
               "--data", str(data), "--out", str(out)]  # fmt: skip
    environment = {**os.environ, **ahead_on_path(DYING), "MTMC_TEST_DIE_AT": "13", "MTMC_TEST_DIE_AS": "parent",
                   "MTMC_TEST_DIE_BELOW": str(out)}  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.suffix for path in out.glob(".partial-*")] == [".safetensors"]
    assert curve(out) == curve(out)[:2] != []
    with (out / "log.csv").open("a") as file:
        file.write("1")  # of step 12
    # All in processes of their own: the number of torch's threads, which a test before may have set, moves last bits.
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    assert list(out.glob(".partial-*")) == []
    subprocess.run([*command[:-1], str(tmp_path / "whole")], check=True, capture_output=True, timeout=300)
    assert files_of(out) == files_of(tmp_path / "whole")
    assert curve(out) == curve(tmp_path / "whole")
    assert len(curve(out)) == 4


def test_a_full_disk_keeps_the_last_checkpoint(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is room for one checkpoint and the weights, and none for a second one beside it."""
    assert train(data, tmp_path / "whole") == 0
    size = {path.name: path.stat().st_size // 1024 + 8 for path in (tmp_path / "whole").glob("*.safetensors")}
    room = size["checkpoint.safetensors"] + 2 * size["last.safetensors"] + 64
    with small_disk(tmp_path / "disk", f"size={room}k"):
        out = tmp_path / "disk" / "out"
        capsys.readouterr()
        assert train(data, out) == 4
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train_reid: ")]
        assert len(said) == 1
        assert "No space left" in said[0]
        assert list(out.glob(".partial-*")) == []
        assert (out / "checkpoint.safetensors").stat().st_size > 10_000
        subprocess.run(["mount", "-o", "remount,size=64m", str(tmp_path / "disk")], check=True)
        assert train(data, out) == 0
        assert files_of(out) == files_of(tmp_path / "whole")


def test_a_full_disk_under_the_log_is_a_sentence(tmp_path: Path) -> None:
    from mtmc.errors import OutputError
    from reid_models.training.logs import TrainingLog

    log = TrainingLog(tmp_path, 0)
    log._file.close()
    log._file = open("/dev/full", "w")  # noqa: SIM115
    with pytest.raises(OutputError, match="No space left"):
        log.write({"step": 1, "loss": 0.5})
    log.close()


def bomb(path: Path) -> None:
    """A picture of 40,000 by 40,000 pixels in a hundred bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b""))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:400])


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(("damage", "words"), [
    (cut, "expected a readable image, found 400 bytes that are none"),
    (lambda path: path.write_bytes(b""), "found 0 bytes that are none"),
    (bomb, "CV_IO_MAX_IMAGE_PIXELS"),
    (pipe, "found not a regular file"),
], ids=["cut", "empty", "bomb", "pipe"])  # fmt: skip
def test_a_broken_picture_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], words: str
) -> None:
    """By the training, and by the evaluation, which needs no network."""
    from reid_models.evaluation.command import main as evaluate

    damage(data / "images" / BROKEN)
    scored = ["--dataset", "two-view", "--data", str(data), "--split", "val", "--embedder", "colour-texture"]
    for command in (
        lambda: train(data, tmp_path / "out", "--set", "steps=30", "--set", "data.validation_share=0"),
        lambda: evaluate(scored),
    ):
        assert command() == 2
        said = [line for line in capsys.readouterr().err.splitlines() if "error: " in line or "train_reid: " in line]
        assert len(said) == 1
        assert BROKEN in said[0]
        assert words in said[0]
        assert "Traceback" not in said[0]


def test_a_broken_picture_is_named_by_a_process_that_reads_ahead(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(data / "images" / BROKEN)
    assert train(data, tmp_path / "out", "--set", "steps=30", "--set", "data.workers=1",
                 "--set", "data.validation_share=0") == 2  # fmt: skip
    (said,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("train_reid: "))
    assert said == f"train_reid: {data}/images/{BROKEN}: expected a readable image, found 400 bytes that are none. " \
        "Unpack the data set again."  # fmt: skip

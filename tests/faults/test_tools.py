"""The other commands, given what is no input of theirs: one sentence, an exit code of the house, no hang (matrix A16,
A17, G5). `run_cameras` has tests of its own in the files beside this one."""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.faults.fuzz_sources import write_sources

# {bad}: the hostile path. {good}: a folder of good files. {out}: a place to write to.
COMMANDS = {
    "link_tracklets": ("mtmc.linking_cli", "--tracklets {bad} --features {good}/f.npy --out {out}"),
    "link_features": ("mtmc.linking_cli", "--tracklets {good}/tracklets.csv --features {bad} --out {out}"),
    "link_boxes": ("mtmc.linking_cli", "--tracklets {good}/tracklets.csv --features {good}/f.npy --boxes {bad} "
                                       "--out {out}"),
    "link_cameras": ("mtmc.linking_cli", "--tracklets {good}/tracklets.csv --features {good}/f.npy --cameras {bad} "
                                         "--out {out}"),
    "evaluate_mtmc": ("mtmc.evaluation.cli", "--truth {bad} --prediction {good}/truth.txt"),
    "evaluate_rois": ("mtmc.evaluation.cli", "--truth {good}/truth.txt --prediction {good}/truth.txt --rois {bad}"),
    "verify_run": ("mtmc.verification", "{bad}"),
    "decrypt_run": ("mtmc.privacy.decrypting", "{bad} {out}"),
    "privacy_audit": ("mtmc.privacy.audit", "{bad}"),
    "archive": ("mtmc.archive.command", "compress {bad} {out}"),
    "restore": ("mtmc.archive.command", "restore {bad} {out}"),
    "export": ("mtmc.export_cli", "--detector {bad}"),
    "evaluate_reid": ("reid_models.evaluation.command", "--dataset csv --data {bad} --split test --embedder "
                                                        "colour-texture"),
    "fit_encoding": ("reid_models.encodings.command", "--encoding spoc --data {bad} --out {out}"),
    "adapt_reid": ("reid_models.adaptation.command", "{bad} --out {out}"),
    "train_reid": ("reid_models.training.cli", "--config {bad} --data {good} --out {out}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    write_sources(folder)
    rows = len((folder / "tracklets.csv").read_text().splitlines()) - 1
    np.save(folder / "f.npy", np.eye(rows, 16, dtype=np.float32))
    return folder


@pytest.fixture(params=["missing", "binary", "pipe", "long", "circle", "device"])
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "bad"
    match request.param:
        case "binary":
            path.write_bytes(bytes(range(256)) * 20)
        case "pipe":
            os.mkfifo(path)
        case "long":
            path = tmp_path / ("a" * 300)
        case "circle":
            path.symlink_to(path)
        case "device":
            path = Path("/dev/zero")
    return path


def end_of(capsys: pytest.CaptureFixture[str], module: str, *arguments: str) -> tuple[int, str]:
    """(exit code, stderr): one line, no trace, at once."""
    begun = time.monotonic()
    code = importlib.import_module(module).main(list(arguments))
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert "Traceback" not in said
    assert len(said) < 3000
    assert time.monotonic() - begun < 30
    return code, said


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_no_input_gets_a_sentence(
    capsys: pytest.CaptureFixture[str], good: Path, tmp_path: Path, bad: Path, name: str
) -> None:
    module, words = COMMANDS[name]
    arguments = [word.format(bad=bad, good=good, out=tmp_path / "out") for word in words.split()]
    code, said = end_of(capsys, module, *arguments)
    assert code in (2, 4, 5), said
    assert bad.name in said or "file name too long" in said.lower()


def npy(path: Path, header: str, content: bytes = b"x" * 100) -> None:
    """A `.npy` file of version 1 whose header is not NumPy's own."""
    text = header.encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content)


HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': ({}, 16), }}"


@pytest.mark.parametrize(("kind", "words"), [
    ("objects", "Python objects"),
    ("archive", ".npz"),
    ("terabytes", "greater than file size"),
    ("negative", "must be positive"),
    ("nested", "expected a .npy file of numbers"),
    ("cut", "greater than file size"),
    ("overflow", "NaN or infinity"),
    ("words", "floating-point numbers"),
    ("complex", "floating-point numbers"),
    ("empty", "No data left"),
])  # fmt: skip
def test_arrays_of_others_run_no_code_and_take_no_memory(
    capsys: pytest.CaptureFixture[str], good: Path, tmp_path: Path, kind: str, words: str
) -> None:
    """G5: features that somebody brings, for `link_tracklets`."""
    path, rows = tmp_path / "f.npy", len(np.load(good / "f.npy"))
    match kind:
        case "objects":
            np.save(path, np.array([{"a": 1}] * rows, dtype=object), allow_pickle=True)
        case "archive":
            with path.open("wb") as file:
                np.savez_compressed(file, a=np.zeros((10_000, 1000)))
        case "terabytes":
            npy(path, HEADER.format("<f4", 10**12))
        case "negative":
            npy(path, HEADER.format("<f4", -5))
        case "nested":
            npy(path, "{" * 200)
        case "cut":
            path.write_bytes((good / "f.npy").read_bytes()[:140])
        case "overflow":
            np.save(path, np.full((rows, 16), 1e300))
        case "words":
            np.save(path, np.full((rows, 16), "a"))
        case "complex":
            np.save(path, np.ones((rows, 16), complex))
        case "empty":
            path.touch()
    code, said = end_of(capsys, "mtmc.linking_cli", "--tracklets", str(good / "tracklets.csv"), "--features", str(path),
                        "--out", str(tmp_path / "out"))  # fmt: skip
    assert code == 2
    assert "f.npy" in said
    assert words in said
    assert not (tmp_path / "out").exists()

"""Wrong settings, rules and truths: one sentence, exit code 2, and nothing touched (matrix A16, G3, G6, S7).

The command runs in this process, where its imports are paid for once.
"""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import pytest

from mtmc.cli import main
from tests.faults.conftest import World

BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
CONFIGS = {
    "unknown": ("trackin: {}", "Did you mean tracking?"),
    "unknown_key": ("tracking: {lots_s: 1}", "Did you mean lost_s?"),
    "type": ("tracking: {lost_s: soon}", "expected float, found 'soon'"),
    "norway": ("process: {threads: no}", "process: threads: expected int, found False"),
    "exponent": ("tracking: {lost_s: 1e-3}", "1.0e-3"),
    "range": ("process: {threads: -1}", "process.threads"),
    "section": ("tracking: 3", "a section (mapping)"),
    "list": ("[tracking]", "a mapping of settings at the top"),
    "nan": ("tracking: {lost_s: .nan}", "expected a number, found NaN"),
    "tag": ("!!python/object/apply:os.system ['touch pwned']", "could not determine a constructor"),
    "bomb": (BOMB, "aliases (*name) are not read"),
    "deep": ("[" * 5000, "nested too deeply"),
    "binary": (b"\xff\xfe\x00\x01", "UTF-8"),
    "date": ("tracking: {lost_s: 2001-13-45}", "month must be in 1..12"),
    "huge_number": ("process: {workers: " + "9" * 5000 + "}", "4300 digits"),
    "tabs": ("tracking:\n\tlost_s: 1", "found character"),
    "megabytes": ("#" + "x" * (1 << 20), "at most 1048576 bytes"),
}  # fmt: skip
RULES = {
    "camera": ("cameras: {aa: {start_s: 1}}", "Did you mean a?"),
    "key": ("cameras: {a: {strat_s: 1}}", "Did you mean start_s?"),
    "clock": ("cameras: {a: {clock_rate: -1}}", "a finite number above 0"),
    "infinite": ("cameras: {a: {start_s: .inf}}", "a finite number"),
    "polygon": ("cameras: {a: {roi: [[1, 2], [3]]}}", "roi"),
    "picture": ("cameras: {a: {roi: nowhere.png}}", "nowhere.png"),
    "null_byte": ('cameras: {a: {roi: "x\\0y.png"}}', "region of interest"),
    "credentials": ("cameras: {a: {roi: 'http://u:S3cret@h/x.png'}}", "http:/***@h/x.png"),
    "transition": ("transitions: [{from: a, to: z}]", "the name of a camera"),
    "times": ("transitions: [{from: a, to: b, min_s: 9, max_s: 1}]", "min_s of at most max_s"),
    "no_list": ("transitions: yes", "a list"),
    "twice": ("transitions: [{from: a, to: b}, {from: a, to: b}]", "each pair of cameras once"),
}
TRUTHS = {
    "words": ("this is no truth\n", "truth"),
    "numbers": ("1 2 3\n", "truth"),
    "nan": ("1 1 1 nan 0 5 5 0 0\n", "truth"),
    "empty": ("", "truth"),
    "binary": (b"\x80\x81" * 40, "truth"),
}


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """(exit code, stderr) of the command."""
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().err


def refused(capsys: pytest.CaptureFixture[str], small: World, out: Path, words: str, *more: object) -> str:
    """The sentence on stderr, which holds `words`; the exit code is 2 and nothing was written."""
    begun = time.monotonic()
    code, stderr = answer(capsys, *small.arguments(out), *more)
    assert code == 2, stderr
    assert stderr.startswith("error: ")
    assert stderr.count("\n") == 1
    assert len(stderr) < 6000
    assert words in stderr
    assert not out.exists()
    assert time.monotonic() - begun < 20  # an alias bomb takes hours
    return stderr


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_settings(capsys: pytest.CaptureFixture[str], small: World, tmp_path: Path, name: str) -> None:
    content, words = CONFIGS[name]
    config = write(tmp_path / "settings.yaml", content)
    assert "settings.yaml" in refused(capsys, small, tmp_path / "run", words, "--config", config) or name == "range"


@pytest.mark.parametrize("name", RULES)
def test_rules_of_cameras(capsys: pytest.CaptureFixture[str], small: World, tmp_path: Path, name: str) -> None:
    content, words = RULES[name]
    rules = write(tmp_path / "cameras.yaml", content)
    refused(capsys, small, tmp_path / "run", words, "--cameras", rules)


@pytest.mark.parametrize("name", TRUTHS)
def test_truths(capsys: pytest.CaptureFixture[str], small: World, tmp_path: Path, name: str) -> None:
    content, words = TRUTHS[name]
    refused(capsys, small, tmp_path / "run", words, "--truth", write(tmp_path / "truth.txt", content))


@pytest.mark.parametrize(("members", "words"), [
    (["../pwned.txt", "/pwned.txt"], "2 members"), (["../pwned.txt"], "expected frames counted from 1"),
])  # fmt: skip
def test_archives_are_read_and_never_unpacked(
    capsys: pytest.CaptureFixture[str], small: World, tmp_path: Path, members: list[str], words: str
) -> None:
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "truth.zip", "w") as archive:
        for name in members:
            archive.writestr(name, "1 1 0 10 20 30 40 -1 -1\n")
    refused(capsys, small, tmp_path / "run", words, "--truth", tmp_path / "in" / "truth.zip")
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "truth.zip"]
    assert not Path("/pwned.txt").exists()


@pytest.mark.parametrize(("arguments", "words"), [
    (["--videos", "/nowhere/cams"], "/nowhere/cams"),
    (["--videos", "/dev/null"], "at least one video"),
    (["--detections", "/nowhere/det"], "/nowhere/det"),
    (["--config", "/nowhere.yaml"], "No such file"),
    (["--cameras", "/nowhere.yaml"], "No such file"),
    (["--weights", "/nowhere.safetensors", "--embedder", "multilevel"], "/nowhere.safetensors"),
    (["--weights", "/", "--embedder", "multilevel"], "a weights file (.safetensors)"),
    (["--set", "tracking"], "section.key=value"),
    (["--set", "tracking.lost_s=[1"], "a YAML value"),
    (["--set", "tracking.lost_s.x=1"], "lost_s"),
    (["--min-probability", "1.5"], "0 to 1"),
    (["--workers", "-2"], "0 or more"),
])  # fmt: skip
def test_arguments(
    capsys: pytest.CaptureFixture[str], small: World, tmp_path: Path, arguments: list[str], words: str
) -> None:
    refused(capsys, small, tmp_path / "run", words, *arguments)


def test_pipes_do_not_hang(capsys: pytest.CaptureFixture[str], small: World, tmp_path: Path) -> None:
    (tmp_path / "det").mkdir()
    os.mkfifo(tmp_path / "det" / "a.txt")
    refused(capsys, small, tmp_path / "run", "not a regular file", "--detections", tmp_path / "det")

"""Every command of the README, but the two `make` ones, is run; so is its Python."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mtmc.demo_world import write_world
from tests.running import ROOT

README = (ROOT / "README.md").read_text()
# Set by hand: what makes a command small enough for a test, by the tool that it calls.
SMALLER = {"tools/run_cameras.py": ["--embedder", "colour-texture", "--quiet"]}


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    """Every line of the bash blocks that starts one of our tools."""
    lines = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("python ")]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `cams/` and `det/`, as the README supposes, and `tools/` and `configs/` of this checkout."""
    folder = tmp_path_factory.mktemp("readme")
    write_world(folder, "small", seed=5, workers=os.cpu_count() or 1, duration_s=12.0, vehicles=6)
    for name in ("tools", "configs"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def test_the_readme_has_commands() -> None:
    assert len(commands()) >= 5
    assert {"make demo", "make test"} <= {line.split("#")[0].strip() for line in "\n".join(blocks("bash")).splitlines()}


@pytest.mark.parametrize("command", [c for c in commands() if "run_cameras" in c or "verify_run" in c])
def test_command(command: str, workplace: Path) -> None:
    words = shlex.split(command)[1:]
    done = subprocess.run([sys.executable, *words, *SMALLER.get(words[0], [])], cwd=workplace, capture_output=True,
                          text=True, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


def test_python(workplace: Path) -> None:
    (program,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", program], cwd=workplace, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tracklets" in done.stdout


def test_every_option_of_the_readme_exists() -> None:
    from mtmc.cli import build_parser

    known = {option for action in build_parser()._actions for option in action.option_strings}
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", README)) - {"--index-url", "--config", "--data", "--dataset",
                                                                      "--split", "--protocol"}  # fmt: skip
    assert named <= known


def test_every_file_of_the_readme_exists() -> None:
    named = re.findall(r"`((?:docs|tools|mtmc|configs|detectors|reid_models|benchmarks)/[\w./-]*)`", README)
    named += re.findall(r"\]\((docs/[\w./-]+)\)", README)
    assert named
    for name in named:
        assert (ROOT / name).exists(), name

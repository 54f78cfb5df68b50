"""Folder names and the lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtmc.errors import OutputError
from mtmc.run_store import RunStore, folder_name, next_sibling


@given(st.text(min_size=1, max_size=20))
def test_folder_names_can_be_undone_and_are_plain(name: str) -> None:
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return
    folder = folder_name(name)
    assert unquote_to_bytes(folder) == raw
    assert "/" not in folder
    assert folder not in (".", "..")


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "run")
    store.create()
    program = (
        "import sys; from mtmc.run_store import RunStore; from pathlib import Path\n"
        "with RunStore(Path(sys.argv[1])).locked(): print('mine', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(store.folder)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(OutputError, match=f"process {other.pid} on") as caught, store.locked():
            pass
        assert caught.value.exit_code == 4
        other.kill()
    with store.locked():  # the dead leave no lock behind
        pass


def test_next_sibling(tmp_path: Path) -> None:
    assert next_sibling(tmp_path / "run") == tmp_path / "run"
    (tmp_path / "run").mkdir()
    (tmp_path / "run-2").mkdir()
    assert next_sibling(tmp_path / "run") == tmp_path / "run-3"

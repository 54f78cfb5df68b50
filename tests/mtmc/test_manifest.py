"""The commit point: what is named counts, what is damaged or out of date is redone."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtmc.errors import IntegrityError
from mtmc.manifest import Manifest

STAGES = ("first", "second")


def written(folder: Path) -> Manifest:
    manifest = Manifest.load(folder, STAGES)
    manifest.begin("first", "k1")
    for name in ("a", "b", "c"):
        (folder / name).write_text(name * 10)
        manifest.commit("first", [name], {"rows": 3})
    manifest.begin("second", "k2")
    (folder / "d").write_text("d")
    manifest.commit("second", ["d"], complete=True)
    return manifest


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    written(tmp_path)
    again = Manifest.load(tmp_path, STAGES)
    again.begin("first", "k1")
    assert again.files("first") == ["a", "b", "c"]
    assert again.facts("first") == {"rows": 3}
    assert again.is_complete("second")
    assert not again.is_complete("first")


def test_another_key_drops_the_stage_and_those_after_it(tmp_path: Path) -> None:
    written(tmp_path)
    again = Manifest.load(tmp_path, STAGES)
    again.begin("first", "other")
    assert again.files("first") == []
    assert again.key("second") == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["manifest.json"]


def test_another_key_of_the_last_stage_keeps_the_first(tmp_path: Path) -> None:
    written(tmp_path)
    again = Manifest.load(tmp_path, STAGES)
    again.begin("first", "k1")
    again.begin("second", "other")
    assert again.files("first") == ["a", "b", "c"]
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("damage", ["content", "length", "gone"])
def test_damage_costs_the_damaged_file_and_those_after_it(tmp_path: Path, damage: str) -> None:
    written(tmp_path)
    if damage == "gone":
        (tmp_path / "b").unlink()
    else:
        (tmp_path / "b").write_text("x" * (10 if damage == "content" else 9))
    again = Manifest.load(tmp_path, STAGES)
    bad = again.first_bad_file("first")
    assert bad is not None
    assert str(tmp_path / "b") in bad
    with pytest.raises(IntegrityError, match="b"):
        again.require_good("first")
    assert again.keep_good_files("first") == ["a"]


def test_an_unreadable_manifest_counts_as_none(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    again = Manifest.load(tmp_path, STAGES)
    again.begin("first", "k1")
    assert again.files("first") == []


def test_replace_leaves_one_file_for_many(tmp_path: Path) -> None:
    manifest = written(tmp_path)
    (tmp_path / "all").write_text("abc")
    manifest.replace("first", ["all"], {"rows": 9})
    again = Manifest.load(tmp_path, STAGES)
    assert again.files("first") == ["all"]
    assert again.is_complete("first")
    assert not (tmp_path / "a").exists()


def test_many_files_at_once_cost_no_more_than_each_of_them(tmp_path: Path) -> None:
    """A day's pictures are hundreds of thousands: naming them must not compare each with each."""
    manifest = written(tmp_path)
    names = [f"{number:05}" for number in range(400)]
    for name in names:
        (tmp_path / name).touch()
    compared = 0

    class Counted(str):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)  # type: ignore[arg-type]

        __hash__ = str.__hash__

    manifest.replace("first", [Counted(name) for name in names], {})
    assert manifest.files("first") == names
    assert compared < 10 * len(names)

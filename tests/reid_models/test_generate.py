"""The generator, and what samples are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtmc.errors import ConfigError, InputError, OutputError
from reid_models.data.generate import TINY, main, make_passages, read_photographs, write_dataset
from reid_models.data.registry import load_split
from reid_models.data.samples import ReidSamples, concatenate, number_identities, number_words


def test_concatenate_keeps_tracklets_apart() -> None:
    one = ReidSamples((Path("a"), Path("b")), [1, 2], [1, 1], [0, -1], ("", ""))
    joined = concatenate([one, one, one.select(np.zeros(0, dtype=np.int64))])
    assert joined.tracklets.tolist() == [0, -1, 1, -1]
    assert len(concatenate([])) == 0


def test_numbers_of_words() -> None:
    assert number_words(["b", "", "a", "b"]).tolist() == [1, -1, 0, 1]
    assert number_identities(["07", "", "12"]).tolist() == [7, -1, 12]
    assert number_identities(["x7", "12"]).tolist() == [1, 0]


def test_samples_of_unequal_length_are_refused() -> None:
    with pytest.raises(InputError, match="cameras"):
        ReidSamples((Path("a"),), [1], [1, 2], [0], ("",))


def test_the_generator_gives_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("once", "again"):
        write_dataset("cityflow-reid", tmp_path / name, TINY)
    files = [path for path in sorted((tmp_path / "once").rglob("*")) if path.is_file()]
    assert len(files) > 20
    for path in files:
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "once")).read_bytes()


def test_held_out_vehicles_have_a_scene_of_their_own() -> None:
    passages = list(make_passages(TINY, None, held_out=3))
    inside = {p.camera for p in passages if p.identity <= 3}
    assert inside.isdisjoint({p.camera for p in passages if p.identity > 3})
    assert {p.identity for p in passages} == {1, 2, 3, 241, 242, 243, 244, 245}


def test_vehicles_differ_more_than_the_frames_of_a_passage() -> None:
    """Else nothing could be learnt from the generated data; and frames must differ, else pooling would be idle."""
    config = replace(TINY, vehicles=12, frames=(3, 3), side_px=48)
    passages = [p for p in make_passages(config, None) if p.camera == 1]
    means = np.array([np.mean(p.crops_rgb, axis=0) for p in passages])
    within = np.mean([np.std(p.crops_rgb, axis=0).mean() for p in passages])
    assert 1 < within < means.std(axis=0).mean()


@pytest.mark.needs_data
def test_photographs_give_both_views(shared_data: Path) -> None:
    photographs = read_photographs(shared_data / "vehicle-reid-2cam")
    assert len(photographs.views) == 405
    assert {len(views) for views in photographs.views} == {2}
    few = replace(TINY, vehicles=3)
    passages = list(make_passages(few, photographs))
    assert {p.kind for p in passages} <= {"car", "motorcycle", "truck", "bus"}
    with pytest.raises(ConfigError, match="405"):
        write_dataset("csv", Path("unused"), replace(TINY, vehicles=406), photographs)


def test_the_generator_refuses_a_folder_in_use_and_runs_as_a_command(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["vehicles=2", "cameras=2", "side_px=16", "frames=[1,1]"]
    assert main(["--dataset", "csv", "--out", str(tmp_path / "new"), "--set", *sizes]) == 0
    assert len(load_split("csv", tmp_path / "new", "train")) > 0
    with pytest.raises(OutputError, match="empty"):
        write_dataset("csv", tmp_path / "new", TINY)
    assert main(["--dataset", "csv", "--out", str(tmp_path / "other"), "--set", "vehicle=2"]) == 2
    assert "vehicles" in capsys.readouterr().err

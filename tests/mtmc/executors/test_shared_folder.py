"""What another machine is checked for before it works on a camera."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mtmc.errors import OutputError
from mtmc.executors.executor import CameraWork
from mtmc.executors.shared_folder import OtherMachineError, meeting, with_absolute_paths
from mtmc.plan import RunRequest, make_plan
from reid_models.registry import EmbedderConfig
from tests.clips import write_clip


def test_a_machine_like_this_one_may_take_part(work: CameraWork) -> None:
    with meeting(work.store) as note:
        note.check()
    assert list(work.store.folder.glob(".*")) == []


def test_a_machine_without_the_folder_is_refused(work: CameraWork) -> None:
    with meeting(work.store) as note:
        elsewhere = replace(note, note=work.store.folder / "elsewhere" / note.note.name)
        with pytest.raises(OtherMachineError, match=r"found No such file.*all machines share"):
            elsewhere.check()
        with pytest.raises(OtherMachineError, match="all machines share"):
            replace(note, text="of another run").check()


def test_other_code_and_other_libraries_are_refused(work: CameraWork) -> None:
    with meeting(work.store) as note:
        with pytest.raises(OtherMachineError, match=r"the code on .*another version"):
            replace(note, code="0" * 64).check()
        with pytest.raises(OtherMachineError, match=r"numpy on .*expected 0\.1"):
            replace(note, versions={**note.versions, "numpy": "0.1"}).check()


def test_paths_do_not_depend_on_the_current_folder(
    work: CameraWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    setup = replace(work.setup, config=replace(work.setup.config, embedder=EmbedderConfig(weights="w.safetensors")))
    camera = replace(work.jobs[0].camera, video=Path("a.mp4"))
    job = replace(work.jobs[0], camera=camera, folder=Path("run/cameras/a"))
    setup, job = with_absolute_paths(setup, job)
    assert setup.config.embedder.weights == str(tmp_path / "w.safetensors")
    assert (job.camera.video, job.folder) == (tmp_path / "a.mp4", tmp_path / "run" / "cameras" / "a")
    assert setup.detector == work.setup.detector  # motion has no file
    assert os.path.isabs(job.folder)


@pytest.mark.parametrize("address", ["s3://bucket/run", "gs://bucket/run", "https://host/run"])
def test_an_object_store_is_no_place_for_results(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "a.mp4", 2, 10)
    with pytest.raises(OutputError, match="found the address of a store"):
        make_plan(RunRequest(tmp_path / "a.mp4", Path(address), detector="motion"))
    make_plan(RunRequest(tmp_path / "a.mp4", Path("run 1: north"), detector="motion"))

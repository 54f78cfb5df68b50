"""A run goes into a file and comes back: it verifies, says the same, and damage is noticed."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mtmc.archive import command
from mtmc.archive.block_networks import BlockCodecConfig
from mtmc.archive.block_training import BlockTrainingConfig
from mtmc.archive.codec_file import save_codec
from mtmc.archive.codec_training import CodecTrainingConfig, train_codec
from mtmc.archive.descriptors import NAMES, DescriptorConfig
from mtmc.archive.pictures import pictures_below, read_picture, shrunk
from mtmc.archive.run_archive import ArchiveConfig, archive_run, restore_run
from mtmc.errors import ConfigError, InputError, IntegrityError
from mtmc.verification import verify_run
from tests.running import files_below


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("codec") / "codec.safetensors"
    config = CodecTrainingConfig(BlockCodecConfig((8, 24), (4, 8, 8, 16, 16)), BlockTrainingConfig(epochs=1), 0)
    save_codec(path, train_codec([np.full((40, 40, 3), v, np.uint8) for v in (60, 180)], config))
    return path


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in NAMES if name not in ("float32", "principal")]


@pytest.mark.parametrize("kind", ["float32", "principal", *SLOW])
def test_a_run_comes_back_and_verifies(small_run: Path, tmp_path: Path, kind: str) -> None:
    sizes = archive_run(small_run, tmp_path / "run.zip", ArchiveConfig(DescriptorConfig(kind, 12)))
    assert sizes.archive == (tmp_path / "run.zip").stat().st_size < sizes.run
    assert sizes.features[1] <= sizes.features[0]
    restore_run(tmp_path / "run.zip", tmp_path / "back")
    assert verify_run(tmp_path / "back")[-1].endswith("boxes")
    before, after = files_below(small_run), files_below(tmp_path / "back")
    assert set(before) == set(after)
    changed = {name for name in before if before[name] != after[name] and "pieces" not in name}
    assert changed == (set() if kind == "float32" else {n for n in before if n.endswith("features.npy")})
    for name in before:
        if name.endswith("features.npy"):
            old, new = np.load(small_run / name), np.load(tmp_path / "back" / name)
            assert old.shape == new.shape
            np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1, atol=1e-4)
    archive_run(small_run, tmp_path / "again.zip", ArchiveConfig(DescriptorConfig(kind, 12)))
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "run.zip").read_bytes()


def test_crops_go_through_the_block_codec_or_stay_away(small_run: Path, codec: Path, tmp_path: Path) -> None:
    coded = archive_run(small_run, tmp_path / "blocks.zip", ArchiveConfig(crops="blocks", codec=codec))
    assert 0 < coded.crops[1] < coded.crops[0] / 4
    restore_run(tmp_path / "blocks.zip", tmp_path / "blocks", codec)
    assert verify_run(tmp_path / "blocks")
    for name in files_below(small_run):
        if "/crops/" in name:
            assert read_picture(small_run / name).shape == read_picture(tmp_path / "blocks" / name).shape
    none = archive_run(small_run, tmp_path / "none.zip", ArchiveConfig(crops="none"))
    assert none.crops[1] == 0
    restore_run(tmp_path / "none.zip", tmp_path / "none")
    assert verify_run(tmp_path / "none")
    assert not list((tmp_path / "none").rglob("crops/*"))


def test_damage_and_strange_files_are_noticed(small_run: Path, tmp_path: Path) -> None:
    archive = tmp_path / "run.zip"
    archive_run(small_run, archive, ArchiveConfig())
    data = archive.read_bytes()
    for number, content in enumerate((b"", b"no zip at all", data[: len(data) // 2],
                                      data[:2000] + bytes([data[2000] ^ 1]) + data[2001:])):
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(IntegrityError):
            restore_run(tmp_path / "broken", tmp_path / f"out{number}")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("a", "b")
    with pytest.raises(IntegrityError):
        restore_run(tmp_path / "other.zip", tmp_path / "other")
    shutil.copy(archive, tmp_path / "evil.zip")
    with zipfile.ZipFile(tmp_path / "evil.zip", "a") as evil:
        evil.writestr("../outside", "x")
    with pytest.raises(IntegrityError, match="inside"):
        restore_run(tmp_path / "evil.zip", tmp_path / "evil" / "run")
    assert not (tmp_path / "evil" / "outside").exists()


def test_what_cannot_be_archived_is_said(small_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="finished run"):
        archive_run(tmp_path, tmp_path / "a.zip", ArchiveConfig())
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match="exist"):
        archive_run(small_run, tmp_path / "there", ArchiveConfig())
    with pytest.raises(ConfigError, match="exist"):
        restore_run(tmp_path / "a.zip", tmp_path / "there")
    with pytest.raises(ConfigError, match="crops"):
        ArchiveConfig(crops="some")


def test_the_command(small_run: Path, codec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "run.zip"
    assert command.main(["compress", str(small_run), str(archive), "--features", "binary", "--size", "16"]) == 0
    assert "bytes to" in capsys.readouterr().out
    assert command.main(["restore", str(archive), str(tmp_path / "back")]) == 0
    assert command.main(["restore", str(archive), str(tmp_path / "back")]) == 2
    for v in (40, 200):
        cv2.imwrite(str(tmp_path / f"{v}.png"), np.full((40, 300, 3), v, np.uint8))
    assert [p.name for p in pictures_below(tmp_path)][:1] == ["200.png"] or pictures_below(tmp_path)
    assert shrunk(read_picture(tmp_path / "40.png"), 150).shape == (20, 150, 3)
    with pytest.raises(InputError):
        read_picture(codec)

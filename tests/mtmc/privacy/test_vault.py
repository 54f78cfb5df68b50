"""The door to the disk: plain is as before, sealed gives back the same and shows nothing."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mtmc import files
from mtmc.errors import ConfigError, IntegrityError
from mtmc.privacy.key_ledger import LEDGER_NAME
from mtmc.privacy.keys import Key
from mtmc.privacy.vault import PLAIN, SealedVault, Vault

KEY = Key(bytes(range(32)))
TABLE = pl.DataFrame({"track_id": [3, 1], "crops_jpeg": [[b"\xff\xd8"], []]})


@pytest.fixture(params=["plain", "sealed", "shuffled"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    return PLAIN if request.param == "plain" else SealedVault(tmp_path, KEY, request.param == "shuffled")


@pytest.mark.parametrize("array", [
    np.zeros((0, 1), np.float32), np.array([[np.nan, -0.0, np.inf]], np.float32), np.ones(3), np.arange(4),
    np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32),
])  # fmt: skip
def test_arrays_come_back_bit_for_bit(vault: Vault, tmp_path: Path, array: np.ndarray) -> None:
    vault.write_array(tmp_path / "a.npy", array)
    back = vault.load_array(tmp_path / "a.npy")
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()


def test_bytes_and_tables_come_back(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(vault.to_store(tmp_path / "b.jpg", b"a picture"))
    assert vault.read(tmp_path / "b.jpg") == b"a picture"
    for name in ("one", "two"):
        vault.write_table(tmp_path / name, TABLE)
    assert pl.read_parquet(vault.table_source(tmp_path / "one"), columns=["track_id"]).rows() == [(3,), (1,)]
    vault.merge_tables([tmp_path / "one", tmp_path / "two"], tmp_path / "all.parquet")
    assert pl.read_parquet(vault.table_source(tmp_path / "all.parquet")).equals(pl.concat([TABLE, TABLE]))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_plain_is_what_it_was_without_a_door(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    PLAIN.write_array(tmp_path / "a", array)
    files.write_array(tmp_path / "b", array)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    data = b"x"
    assert PLAIN.to_store(tmp_path / "c", data) is data
    assert (PLAIN.file_key, PLAIN.array_key, PLAIN.facts()) == ((), (), {})


def test_sealed_files_show_nothing_and_move_with_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    vault = SealedVault(run, KEY, shuffle_bits=True)
    array = np.full((40, 40), 0.125, np.float32)
    vault.write_array(run / "a.npy", array)
    assert b"NUMPY" not in (run / "a.npy").read_bytes()
    assert array.tobytes()[:64] not in (run / "a.npy").read_bytes()
    run.rename(tmp_path / "moved")
    moved = SealedVault(tmp_path / "moved", KEY)
    np.testing.assert_array_equal(moved.load_array(tmp_path / "moved" / "a.npy"), array)
    (tmp_path / "moved" / "b.npy").write_bytes((tmp_path / "moved" / "a.npy").read_bytes())
    with pytest.raises(IntegrityError, match="moved"):
        moved.load_array(tmp_path / "moved" / "b.npy")


def test_every_array_has_a_shuffle_key_of_its_own(tmp_path: Path) -> None:
    vault = SealedVault(tmp_path, KEY, shuffle_bits=True)
    for _ in range(5):
        vault.write_array(tmp_path / "a.npy", np.ones((2, 2), np.float32))
    lines = (tmp_path / LEDGER_NAME).read_text().splitlines()
    assert len(lines) == len(set(lines)) == 5
    SealedVault(tmp_path, KEY).write_array(tmp_path / "a.npy", np.ones((2, 2), np.float32))
    assert len((tmp_path / LEDGER_NAME).read_text().splitlines()) == 5


def test_without_the_key_there_is_a_sentence(tmp_path: Path) -> None:
    sealed = SealedVault(tmp_path, KEY)
    sealed.write_array(tmp_path / "a.npy", np.ones(3))
    sealed.write_table(tmp_path / "t.parquet", TABLE)
    for read in (PLAIN.load_array, PLAIN.read):
        with pytest.raises(ConfigError, match="--key-file"):
            read(tmp_path / "a.npy")
    with pytest.raises(ConfigError, match="--key-file"):
        PLAIN.table_source(tmp_path / "t.parquet")
    PLAIN.write_array(tmp_path / "p.npy", np.ones(3))
    with pytest.raises(IntegrityError, match=r"p\.npy: expected an encrypted file"):
        sealed.load_array(tmp_path / "p.npy")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match="magic"):
        PLAIN.load_array(tmp_path / "broken.npy")


def test_workers_get_it_and_no_log_does(tmp_path: Path) -> None:
    vault = SealedVault(tmp_path, KEY, True)
    assert pickle.loads(pickle.dumps(vault)) == vault
    assert repr(KEY.secret)[2:-1] not in repr(vault)
    assert KEY.secret.hex() not in repr(vault) + str(vault.facts())

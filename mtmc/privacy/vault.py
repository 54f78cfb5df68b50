"""The one door through which features and pictures of a run reach the disk and come back.

`PLAIN` writes them as they are, and is what every function takes where nothing else is given. `SealedVault` encrypts
them under the same names: a file that starts with MTMCENC1 opens with the key only. Plain text of a sealed run is
never on the disk, not in temporary files either. What lies behind the door: `features.npy`, `image_features.npy`,
`pieces.parquet` with its chunks, `crops/*.jpg`, `view.jpg`.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mtmc import files
from mtmc.errors import ConfigError, IntegrityError
from mtmc.privacy.encryption import decrypt, encrypt, is_sealed
from mtmc.privacy.key_ledger import LEDGER_NAME, KeyLedger
from mtmc.privacy.keys import Key
from mtmc.privacy.shufflebits import BITS, ShuffleKey, scramble, unscramble

_SHUFFLED = b"SHUFFLED"


class Vault(Protocol):
    """Paths are those of the files themselves; tables are polars data frames."""

    @property
    def sealed(self) -> bool:
        """Whether it encrypts."""
        ...

    @property
    def file_key(self) -> tuple[str, ...]:
        """What the bytes of every file behind the door depend on, for stage keys; nothing where they are plain."""
        ...

    @property
    def array_key(self) -> tuple[str, ...]:
        """What those of arrays depend on besides."""
        ...

    def facts(self) -> dict[str, Any]:
        """What `run.json` says of it."""
        ...

    def to_store(self, path: Path, data: bytes) -> bytes:
        """The bytes to be written to `path` for `data`."""
        ...

    def read(self, path: Path) -> bytes:
        """The data that was stored at `path`."""
        ...

    def write_array(self, path: Path, array: np.ndarray) -> None:
        """Store an array as `.npy`, atomically."""
        ...

    def load_array(self, path: Path) -> np.ndarray:
        """The array stored at `path`."""
        ...

    def write_table(self, path: Path, table: Any) -> None:
        """Store a table as Parquet, atomically, for a manifest that will name it."""
        ...

    def table_source(self, path: Path) -> Any:
        """What `polars.read_parquet` reads the table at `path` from."""
        ...

    def merge_tables(self, paths: Sequence[Path], target: Path) -> None:
        """Store the rows of all tables, in order, as one, atomically, for a manifest that will name it."""
        ...


@dataclass(frozen=True)
class PlainVault:
    """Files as they are."""

    sealed = False
    file_key: tuple[str, ...] = ()
    array_key: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        return {}

    def to_store(self, path: Path, data: bytes) -> bytes:
        return data

    def read(self, path: Path) -> bytes:
        return _plain(path, path.read_bytes())

    def write_array(self, path: Path, array: np.ndarray) -> None:
        files.write_array(path, array, sync_folder=False)

    def load_array(self, path: Path) -> np.ndarray:
        try:
            return np.load(path, allow_pickle=False)
        except ValueError:
            _plain(path, path.read_bytes())
            raise

    def write_table(self, path: Path, table: Any) -> None:
        with files.atomic_path(path, sync_folder=False) as temporary:
            table.write_parquet(temporary)

    def table_source(self, path: Path) -> Path:
        with path.open("rb") as file:
            _plain(path, file.read(8))
        return path

    def merge_tables(self, paths: Sequence[Path], target: Path) -> None:
        with files.atomic_path(target, sync_folder=False) as temporary:
            if len(paths) == 1:
                shutil.copyfile(paths[0], temporary)
            else:
                import polars as pl

                pl.scan_parquet([*paths]).sink_parquet(temporary)


PLAIN = PlainVault()


@dataclass(frozen=True)
class SealedVault:
    """Files encrypted with AES-256-GCM under one key, each bound to its place below `root`, the run's folder.

    shuffle_bits: arrays of float32 go through ShuffleBits first, each under a key of its own that lies with it inside
    the encrypted file.
    """

    root: Path
    key: Key
    shuffle_bits: bool = False
    sealed = True

    @property
    def file_key(self) -> tuple[str, ...]:
        return ("AES-256-GCM", self.key.key_id)

    @property
    def array_key(self) -> tuple[str, ...]:
        return ("ShuffleBits",) if self.shuffle_bits else ()

    def facts(self) -> dict[str, Any]:
        return {"encryption": {"cipher": "AES-256-GCM", "key_id": self.key.key_id, "shuffle_bits": self.shuffle_bits}}

    def to_store(self, path: Path, data: bytes) -> bytes:
        return encrypt(data, self.key, self._place(path))

    def read(self, path: Path) -> bytes:
        try:
            return decrypt(path.read_bytes(), self.key, self._place(path))
        except IntegrityError as error:  # the place becomes the path
            raise IntegrityError(path, error.expected, error.found, error.remedy) from error

    def write_array(self, path: Path, array: np.ndarray) -> None:
        shuffled = b""
        if self.shuffle_bits and array.dtype == np.float32:
            key = ShuffleKey.random()
            array = scramble(array, key, KeyLedger(self.root / LEDGER_NAME))
            shuffled = _SHUFFLED + bytes(key.places)
        content = io.BytesIO()
        content.write(shuffled)
        np.save(content, array, allow_pickle=False)
        files.write_bytes(path, self.to_store(path, content.getvalue()))

    def load_array(self, path: Path) -> np.ndarray:
        content = self.read(path)
        if not content.startswith(_SHUFFLED):
            return np.load(io.BytesIO(content), allow_pickle=False)
        start = len(_SHUFFLED) + BITS
        key = ShuffleKey(tuple(content[len(_SHUFFLED) : start]))
        return unscramble(np.load(io.BytesIO(content[start:]), allow_pickle=False), key)

    def write_table(self, path: Path, table: Any) -> None:
        content = io.BytesIO()
        table.write_parquet(content)
        files.write_bytes(path, self.to_store(path, content.getvalue()), sync_folder=False)

    def table_source(self, path: Path) -> io.BytesIO:
        return io.BytesIO(self.read(path))

    def merge_tables(self, paths: Sequence[Path], target: Path) -> None:
        import polars as pl

        self.write_table(target, pl.concat([pl.read_parquet(self.table_source(path)) for path in paths]))

    def _place(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _plain(path: Path, content: bytes) -> bytes:
    if is_sealed(content):
        raise ConfigError(path, "a file that is not encrypted, or its key", "an encrypted file and no key",
                          "Give the run's key with --key-file FILE or MTMC_KEY_FILE.")  # fmt: skip
    return content

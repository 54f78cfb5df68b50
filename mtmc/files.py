"""Files that are either whole or absent: written beside the final name, synced, then renamed.

Measured reasons (reliability.md 0, finding 10): on a full disk a small CSV `write()` succeeds and fails
only at `close()`, and `np.save` leaves a truncated file under the final name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mtmc.errors import MtmcError, OutputError

_TEMPORARY_PREFIX = ".partial-"
_SMALL_BYTES = 1 << 17  # read at once: `file_digest` prepares a quarter of a megabyte, and a run has thousands of crops


@contextlib.contextmanager
def atomic_path(path: Path, sync_folder: bool = True) -> Iterator[Path]:
    """Give a temporary path in the same folder; on success fsync and rename it to `path`.

    The temporary file keeps the suffix of `path` (encoders look at it) and is deleted on any error.
    sync_folder: whether the new name has to outlive a power cut by itself; False for what a manifest names right
    afterwards, whose own write syncs the folder, and which is missed by its checksum where it should be lost.
    The folder is made where only it is missing: a run folder that somebody deleted does not come back half empty.
    Raises `OutputError` where the folder cannot be written.
    """
    path = Path(path)
    temporary = Path()
    try:
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_TEMPORARY_PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _fsync(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        if sync_folder:
            _fsync(path.parent)
    except BaseException as error:
        _unlink(temporary)
        if _is_of_the_disk(error):
            raise _cannot_write(path, error) from error
        raise


@contextlib.contextmanager
def no_space_is_an_output_error(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block, or one of Rust's (polars), into an `OutputError` about `path`."""
    try:
        yield
    except Exception as error:
        if _is_of_the_disk(error):
            raise _cannot_write(path, error) from error
        raise


def _is_of_the_disk(error: BaseException) -> bool:
    """An `OSError` that is not a sentence yet; polars wraps those of Rust in a plain exception."""
    if isinstance(error, MtmcError):
        return False
    return isinstance(error, OSError) or "(os error " in str(error)


def _cannot_write(path: Path, error: BaseException) -> OutputError:
    # NumPy counts bytes where the disk is full and says no more.
    found = str(error) if getattr(error, "errno", 0) is not None else f"no space left ({error})"
    return OutputError(path, "a folder that can be written and has room", found,
                       "Free space or choose another --out; the same command continues.")


def write_bytes(path: Path, data: bytes, sync_folder: bool = True) -> None:
    """Write `data` to `path`, atomically."""
    with atomic_path(path, sync_folder) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with `\\n` line ends, atomically."""
    write_bytes(path, text.encode("utf-8", errors="surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Write `json_text` of `value`, atomically."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """`value` as indented JSON with sorted keys; NaN is refused."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def write_array(path: Path, array: np.ndarray, sync_folder: bool = True) -> None:
    """Write `array` as `.npy`, atomically, never pickled."""
    with atomic_path(path, sync_folder) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def require_regular(path: Path) -> None:
    """Raise `OSError` for what is no regular file: a pipe would hang for ever, a device never ends."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def sha256_of(path: Path) -> str:
    """SHA-256 of the whole file, in hex. Raises `OSError` for what is no regular file."""
    require_regular(path)
    with Path(path).open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < _SMALL_BYTES:
            return hashlib.sha256(file.readall()).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed process left in `folder` and the folders in it."""
    for pattern in (f"{_TEMPORARY_PREFIX}*", f"*/{_TEMPORARY_PREFIX}*"):
        for path in Path(folder).glob(pattern):
            _unlink(path)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unlink(path: Path) -> None:
    if path.name:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

"""The run folder: where things lie, who owns it, what `run.json` says."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtmc import files
from mtmc.errors import OutputError, mask_credentials

LOCK_NAME = ".lock"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._- ")
_LONGEST_NAME = 240  # bytes; file systems take 255, and an ending comes behind it


def folder_name(camera_id: str) -> str:
    """A camera's name as a folder name: letters and digits of all scripts and `._- ` stay, all else becomes %XX of its
    bytes. Two cameras never share a folder: the mapping can be undone, but for names that grow too long by it, which
    are cut and given a digest.
    """
    encoded = "".join(
        c if c in _PLAIN or (not c.isascii() and c.isprintable())
        else "".join(f"%{byte:02X}" for byte in c.encode("utf-8", "surrogateescape"))
        for c in camera_id
    )  # fmt: skip
    if encoded.startswith("."):
        encoded = encoded.replace(".", "%2E", 1)
    if len(encoded.encode()) <= _LONGEST_NAME:
        return encoded
    digest = hashlib.sha256(camera_id.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{encoded.encode()[: _LONGEST_NAME - 20].decode(errors='ignore')}-{digest}"


class RunStore:
    """Paths of one run. Holds no state but the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def camera_folder(self, camera_id: str) -> Path:
        """`cameras/<camera>/`."""
        return self.folder / "cameras" / folder_name(camera_id)

    def path(self, name: str) -> Path:
        """A file of the run itself."""
        return self.folder / name

    def write_run_json(self, content: dict[str, Any]) -> None:
        """Write `run.json`, atomically, without the passwords that paths and settings may hold."""
        files.write_text(self.folder / "run.json", mask_credentials(files.json_text(content)))

    def read_run_json(self) -> dict[str, Any]:
        """What `run.json` says; empty where there is none yet or it cannot be read."""
        with contextlib.suppress(OSError, ValueError):
            content = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return content
        return {}

    def create(self) -> None:
        """Make the folder. Raises `OutputError` where that cannot be done."""
        try:
            (self.folder / "cameras").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                self.folder, "a folder that can be written", str(error), "Choose another with --out."
            ) from error
        if not os.access(self.folder, os.W_OK):
            raise OutputError(self.folder, "a folder that can be written", "it is read-only", "Choose another --out.")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Own the folder for the length of the block; a second owner is refused and told who the first is."""
        with lock_file(self.folder / LOCK_NAME, wait_s=0.0):
            yield


@contextlib.contextmanager
def lock_file(path: Path, wait_s: float) -> Iterator[None]:
    """Hold an exclusive lock on `path`, waiting up to `wait_s` for it; the kernel frees it however we die.

    Raises `OutputError` that names the process which holds it.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(path, "a folder that can be written", str(error), "Choose another with --out.") from error
    try:
        _acquire(handle, path, wait_s)
        owner = f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
        with contextlib.suppress(OSError):  # a full disk must not keep anybody from the lock itself
            os.ftruncate(handle, 0)
            os.pwrite(handle, owner.encode(), 0)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if time.monotonic() >= deadline:
                owner = os.pread(handle, 200, 0).decode(errors="replace") or "an unknown process"
                remedy = "Wait for it, stop it, or choose another --out."
                raise OutputError(path.parent, "nobody else at work there", owner, remedy) from error
        time.sleep(0.1)


def next_sibling(folder: Path) -> Path:
    """`runs/name` → the first of `runs/name-2`, `runs/name-3`, … that does not exist (`--new`)."""
    number = 2
    while (candidate := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return folder if not folder.exists() else candidate

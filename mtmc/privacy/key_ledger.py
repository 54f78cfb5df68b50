"""Which ShuffleBits keys a run has used: equal keys on two sides leave vectors comparable without any key."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from mtmc.errors import IntegrityError
from mtmc.files import no_space_is_an_output_error
from mtmc.privacy.shufflebits import ShuffleKey

LEDGER_NAME = "shuffle_keys_used.txt"


@dataclass(frozen=True)
class KeyLedger:
    """A file with one key id a line (a hash: the key does not follow from it). Processes may share it."""

    path: Path

    def use(self, key: ShuffleKey) -> None:
        """Enter the key, on the disk when this returns. Raises `IntegrityError` where it stands there already."""
        with no_space_is_an_output_error(self.path), self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # freed when the file is closed
            file.seek(0)
            content = file.read()
            if key.key_id.encode() in content.split():
                raise IntegrityError(self.path, "a ShuffleBits key that was never used", f"{key.key_id}, used before",
                                     "Draw a fresh key for every array.")  # fmt: skip
            end = b"" if not content or content.endswith(b"\n") else b"\n"  # of a line that a power cut left unfinished
            file.write(end + key.key_id.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

"""Secret keys: 32 bytes, from a file or the environment, never from the command line (`ps` shows that to everybody)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mtmc.errors import ConfigError

KEY_BYTES = 32
FILE_VARIABLE, KEY_VARIABLE = "MTMC_KEY_FILE", "MTMC_KEY"
_FORM = "32 random bytes as 64 hexadecimal digits or 44 characters of base64"
_REMEDY = "Make one with: (umask 077; openssl rand -hex 32 > run.key)"
_MOST_BYTES = 4096  # a wrong path may name a video


@dataclass(frozen=True)
class Key:
    """A secret of 32 bytes. It shows in no message: `repr` leaves it out."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ConfigError("key", f"{KEY_BYTES} bytes", f"{len(self.secret)}", _REMEDY)

    @property
    def key_id(self) -> str:
        """16 hexadecimal digits that name the key and, the key being random, tell nothing of it."""
        return hashlib.sha256(b"mtmc key id" + self.secret).hexdigest()[:16]


def load_key(key_file: Path | None, environment: Mapping[str, str]) -> Key:
    """The key of `key_file`, else of the file that MTMC_KEY_FILE names, else of MTMC_KEY itself.

    Raises `ConfigError` where none is given or it is not 32 bytes in hex or base64; the message never holds the key.
    """
    if key_file is not None:
        return _key_of_file(key_file, "--key-file")
    if environment.get(FILE_VARIABLE):
        return _key_of_file(Path(environment[FILE_VARIABLE]), FILE_VARIABLE)
    if environment.get(KEY_VARIABLE):
        return parse_key(environment[KEY_VARIABLE], KEY_VARIABLE)
    raise ConfigError("encryption", f"a key from --key-file FILE, {FILE_VARIABLE} or {KEY_VARIABLE}", "none", _REMEDY)


def parse_key(text: str, source: str) -> Key:
    """A key from hex or base64 (plain or URL-safe); spaces and line ends around it do not count."""
    secret = _decoded(text.strip())
    if secret is None:
        raise ConfigError(f"the key of {source}", _FORM, f"{len(text.strip())} characters that are not that", _REMEDY)
    return Key(secret)


def others_may_read(key_file: Path) -> bool:
    """Whether users besides the owner may read the file."""
    return bool(stat.S_IMODE(key_file.stat().st_mode) & 0o077)


def _key_of_file(path: Path, source: str) -> Key:
    if _decoded(str(path)) is not None:  # nothing of it may reach a log
        raise ConfigError(source, "the name of a file", "a key", "Put the key into a file; this one is known now: "
                          "make another.")  # fmt: skip
    try:
        content = _read(path)
    except OSError as error:
        found = error.strerror or "it cannot be read"
        raise ConfigError(f"{source} {path}", "a key file that can be read", found, _REMEDY) from error
    return parse_key(content.decode("ascii", errors="replace"), f"{source} {path}")


def _read(path: Path) -> bytes:
    """The start of a file. A pipe will do (`--key-file <(pass show run)`), but not one that nobody writes to: it is
    opened without waiting for a writer, and reads as empty then."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(handle, True)
    with open(handle, "rb") as file:
        return file.read(_MOST_BYTES)


def _decoded(text: str) -> bytes | None:
    """The 32 bytes that `text` stands for; None where it stands for none."""
    try:
        if len(text) == 2 * KEY_BYTES:
            return bytes.fromhex(text)
        if len(text.rstrip("=")) == 43:
            plain = text.rstrip("=").replace("-", "+").replace("_", "/") + "="
            return base64.b64decode(plain, validate=True)
    except (ValueError, binascii.Error):
        pass
    return None

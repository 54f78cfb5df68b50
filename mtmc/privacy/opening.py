"""Which vault a run is written through, and which one an existing run opens with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtmc.errors import ConfigError
from mtmc.privacy.encryption import require_cryptography
from mtmc.privacy.keys import FILE_VARIABLE, load_key, others_may_read
from mtmc.privacy.vault import PLAIN, SealedVault, Vault
from mtmc.run_store import RunStore

_PLAIN_PICTURES = ("mosaic.mp4", "render")  # what --render leaves


def vault_for_run(
    store: RunStore, encrypt: bool, key_file: Path | None, shuffle_bits: bool, render: bool
) -> tuple[Vault, tuple[str, ...]]:
    """The vault for `run_cameras` and what a user should be told of it.

    Raises `ConfigError` for options that contradict each other, a missing key or library, and for an encrypted run
    that would be continued in plain text.
    """
    before = _encryption_of(store)
    if not encrypt:
        _require_nothing_secret(store, before, key_file, shuffle_bits)
        return PLAIN, ()
    if render:
        raise ConfigError("--render with --encrypt", "one of the two", "both", "Annotated videos are not encrypted; "
                          "draw them from another run without --encrypt.")  # fmt: skip
    for name in _PLAIN_PICTURES:
        if store.path(name).exists():
            raise ConfigError(store.path(name), "no plain pictures in a run that is to be encrypted", "those of an "
                              "earlier --render", "Delete them, or choose another --out.")  # fmt: skip
    require_cryptography()
    key = load_key(key_file, os.environ)
    lines = [f"features and pictures are encrypted (AES-256-GCM, key {key.key_id})"]
    if before and before.get("key_id") != key.key_id:
        lines.append(f"the run was encrypted with another key, {before.get('key_id')}: features and pictures are made "
                     "again, the detections are kept")  # fmt: skip
    lines += _readable_key(key_file)
    # One spelling of the folder for all: a file's place in it is part of its key.
    return SealedVault(store.folder, key, shuffle_bits), tuple(lines)


def vault_of_run(folder: Path, key_file: Path | None = None) -> Vault:
    """The vault that the run in `folder` was written through.

    Raises `ConfigError` where it is encrypted and no key is given; a wrong key shows when a file is read.
    """
    store = RunStore(Path(folder))
    encryption = _encryption_of(store)
    if not encryption:
        return PLAIN
    try:
        key = load_key(key_file, os.environ)
    except ConfigError as error:
        remedy = error.remedy if error.found != "none" else "Give the key that it was made with."
        found = error.found if error.found != "none" else "no key"
        thing = f"{folder} is encrypted with the key {encryption.get('key_id')}"
        raise ConfigError(thing, error.expected, found, remedy) from error
    require_cryptography()
    return SealedVault(store.folder, key, bool(encryption.get("shuffle_bits")))


def _encryption_of(store: RunStore) -> Mapping[str, Any]:
    encryption = store.read_run_json().get("encryption")
    return encryption if isinstance(encryption, dict) else {}


def _require_nothing_secret(
    store: RunStore, before: Mapping[str, Any], key_file: Path | None, shuffle_bits: bool
) -> None:
    if shuffle_bits:
        raise ConfigError("--shuffle-bits", "--encrypt beside it", "it alone", "ShuffleBits by itself hides nothing "
                          "from anybody who tries (docs/privacy.md).")  # fmt: skip
    if key_file is not None:
        raise ConfigError("--key-file", "--encrypt beside it", "it alone", "Add --encrypt, or leave it out.")
    if before:
        raise ConfigError(f"{store.folder} is an encrypted run", "--encrypt and its key "
                          f"({before.get('key_id')})", "neither", "Give both with --encrypt --key-file FILE, or "
                          "choose another --out (--new) for a run in plain text.")  # fmt: skip


def _readable_key(key_file: Path | None) -> list[str]:
    path = key_file or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
    if path is not None and others_may_read(path):
        return [f"warning: other users may read the key file {path}; chmod 600 keeps it yours"]
    return []

"""`tools/decrypt_run.py RUN OUT`: a plain copy of an encrypted run, for training and evaluation on its crops."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from mtmc import files
from mtmc.errors import ConfigError, ended_in_words
from mtmc.manifest import MANIFEST_NAME
from mtmc.privacy.encryption import MAGIC
from mtmc.privacy.key_ledger import LEDGER_NAME
from mtmc.privacy.opening import vault_of_run
from mtmc.privacy.vault import Vault
from mtmc.run_store import LOCK_NAME, RunStore

_LEFT_BEHIND = (LOCK_NAME, LEDGER_NAME)


def decrypt_run(folder: Path, out: Path, key_file: Path | None = None) -> int:
    """Write a plain copy of the run in `folder` to the new folder `out`; the number of files that were opened.

    The copy verifies like a run. Going on with it by `run_cameras` makes it again, plain.
    Raises `ConfigError` for a run that is not encrypted, a missing key or an `out` that exists, and `IntegrityError` at
    the first file that was changed.
    """
    if not folder.is_dir():
        raise ConfigError(folder, "the folder of a run", "none of that name", "Check the path.")
    vault = vault_of_run(folder, key_file)
    if not vault.sealed:
        raise ConfigError(folder, "an encrypted run", "one that is not", "It can be read as it is.")
    if out.exists():
        raise ConfigError(out, "a folder that does not exist yet", "one that does", "Name another.")
    opened = 0
    with files.no_space_is_an_output_error(out):
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in _LEFT_BEHIND):
            target = out / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            opened += _copy(path, target, vault)
    for path in out.rglob(MANIFEST_NAME):
        _renew_checksums(path)
    run = RunStore(out).read_run_json()
    run.pop("encryption", None)
    RunStore(out).write_run_json(run)
    return opened


def _copy(path: Path, target: Path, vault: Vault) -> bool:
    with path.open("rb") as file:
        sealed = file.read(len(MAGIC)) == MAGIC
    if not sealed:
        files.write_bytes(target, path.read_bytes())
    elif path.suffix == ".npy":  # may lie under ShuffleBits too
        files.write_array(target, vault.load_array(path))
    else:
        files.write_bytes(target, vault.read(path))
    return sealed


def _renew_checksums(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    for stage in content["stages"].values():
        for record in stage["files"]:
            file = path.parent / record["name"]
            record.update(bytes=file.stat().st_size, sha256=files.sha256_of(file))
    files.write_json(path, content)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0, or the code of the error."""
    parser = argparse.ArgumentParser(prog="decrypt_run.py", description="A plain copy of an encrypted run.")
    parser.add_argument("run", type=Path, help="the folder of an encrypted run")
    parser.add_argument("out", type=Path, help="the folder for the copy; must not exist")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="the run's key (or MTMC_KEY_FILE, MTMC_KEY)")
    arguments = parser.parse_args(argv)

    def work() -> None:
        opened = decrypt_run(arguments.run, arguments.out, arguments.key_file)
        print(f"{opened} files decrypted. {arguments.out} holds personal data in plain text now.")

    return ended_in_words(work)

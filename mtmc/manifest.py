"""The commit point of a folder: which files are finished, under which key, with which checksums.

A file counts only once the manifest names it. The order of a commit is: write the file beside its final
name, sync, rename; then the same for the manifest (reliability.md 5). A stage's key is a digest of everything
its files depend on; a stage whose key no longer fits is dropped with its files, and so are those after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtmc import files
from mtmc.errors import IntegrityError

MANIFEST_NAME = "manifest.json"
FORMAT_NUMBER = 1  # raised whenever stored files change their meaning; older folders are then redone


def digest(*parts: Any) -> str:
    """A short, stable digest of plain values (anything JSON can hold)."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Manifest:
    """Stages of one folder, in order. Not shared between processes: the folder's lock sees to that."""

    def __init__(self, folder: Path, stages: tuple[str, ...]) -> None:
        self.folder, self.order = folder, stages
        self._content: dict[str, Any] = {"format": FORMAT_NUMBER, "stages": {}}
        self._checked: set[str] = set()
        self._superseded: list[str] = []

    @classmethod
    def load(cls, folder: Path, stages: tuple[str, ...]) -> Manifest:
        """The folder's manifest; an absent, unreadable or older one counts as empty."""
        manifest = cls(folder, stages)
        with contextlib.suppress(OSError, ValueError, RecursionError):
            content = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
            if _is_well_formed(content):
                manifest._content = content
        return manifest

    def begin(self, stage: str, key: str) -> None:
        """Keep what `stage` has under the same key; drop it, and every later stage, where the key differs."""
        found = self._content["stages"].get(stage)
        if found is not None and found["key"] == key:
            return
        self.drop(stage)
        self._content["stages"][stage] = {"key": key, "complete": False, "files": [], "facts": {}}

    def drop(self, stage: str) -> None:
        """Forget `stage` and every later one, and delete their files."""
        gone = [s for s in self.order[self.order.index(stage) :] if s in self._content["stages"]]
        names = [entry["name"] for s in gone for entry in self._content["stages"][s]["files"]]
        for s in gone:
            del self._content["stages"][s]
        if gone:
            self.save()
        self._delete(names)

    def add(self, stage: str, names: Sequence[str]) -> None:
        """Name finished files of `stage`; they count once the manifest is saved."""
        entry, new = self._content["stages"][stage], set(names)
        entry["files"] = [old for old in entry["files"] if old["name"] not in new] + [self._record(n) for n in names]

    def exchange(self, stage: str, old: Sequence[str], new: str) -> None:
        """Name `new` in the place of the files `old`, which follow each other; the next `save` deletes those."""
        records, gone = self._content["stages"][stage]["files"], set(old)
        place = next(i for i, record in enumerate(records) if record["name"] in gone)
        kept = [record for record in records if record["name"] not in gone]
        self._content["stages"][stage]["files"] = [*kept[:place], self._record(new), *kept[place:]]
        self._checked -= gone
        self._superseded += old

    def save(self) -> None:
        """Make what was named count; afterwards files that others stand for are deleted."""
        files.write_json(self.folder / MANIFEST_NAME, self._content)
        self._delete(self._superseded)
        self._superseded = []

    def commit(self, stage: str, names: list[str], facts: dict[str, Any] | None = None, complete: bool = False) -> None:
        """Name finished files of `stage`, and save; `facts` are laid over those it has; `complete` closes it."""
        self.add(stage, names)
        entry = self._content["stages"][stage]
        entry["facts"].update(facts or {})
        entry["complete"] = complete
        self.save()

    def replace(self, stage: str, names: list[str], facts: dict[str, Any]) -> None:
        """Commit `names` as the whole of `stage`, complete, and delete the files that they stand for."""
        new = set(names)
        old = [name for name in self.files(stage) if name not in new]
        self._content["stages"][stage]["files"] = []
        self.commit(stage, names, facts, complete=True)
        self._delete(old)

    def reopen(self, stage: str) -> None:
        """Forget the files of `stage`, and every later stage, but keep its key."""
        key = self.key(stage)
        self.drop(stage)
        self.begin(stage, key)

    def files(self, stage: str) -> list[str]:
        """Names of the stage's committed files, in the order of their commits."""
        return [entry["name"] for entry in self._content["stages"].get(stage, {}).get("files", [])]

    def facts(self, stage: str) -> dict[str, Any]:
        """What the stage noted beside its files."""
        return dict(self._content["stages"].get(stage, {}).get("facts", {}))

    def is_complete(self, stage: str) -> bool:
        """Whether the stage was closed."""
        return bool(self._content["stages"].get(stage, {}).get("complete", False))

    def key(self, stage: str) -> str:
        """The key under which the stage was begun, or ""."""
        return str(self._content["stages"].get(stage, {}).get("key", ""))

    def first_bad_file(self, stage: str) -> str | None:
        """The first committed file that is missing or differs from its checksum, in words; None if all are good."""
        for entry in self._content["stages"].get(stage, {}).get("files", []):
            problem = self._problem(entry)
            if problem:
                return f"{self.folder / entry['name']}: {problem}"
        return None

    def keep_good_files(self, stage: str) -> list[str]:
        """The stage's files up to the first bad one; from there on they are forgotten and the stage is reopened."""
        entry = self._content["stages"].get(stage)
        if entry is None:
            return []
        for place, record in enumerate(entry["files"]):
            if self._problem(record):
                entry["files"] = entry["files"][:place]
                entry["complete"] = False
                self.save()
                break
        return self.files(stage)

    def require_good(self, stage: str) -> None:
        """Raise `IntegrityError` naming the first file of a stage that is not as committed."""
        bad = self.first_bad_file(stage)
        if bad:
            raise IntegrityError(bad, remedy="Run the same command again to redo it.")

    def remove_unnamed(self, patterns: Sequence[str]) -> None:
        """Delete the files of `patterns` that no stage names: a process that was killed between two steps of a commit
        left them."""
        named = {entry["name"] for stage in self._content["stages"].values() for entry in stage["files"]}
        found = {str(path.relative_to(self.folder)) for pattern in patterns for path in self.folder.glob(pattern)}
        self._delete(sorted(found - named))

    def _record(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        self._checked.add(name)
        return {"name": name, "bytes": path.stat().st_size, "sha256": files.sha256_of(path)}

    def _problem(self, entry: dict[str, Any]) -> str:
        path = self.folder / entry["name"]
        try:
            if path.stat().st_size != entry["bytes"]:
                return f"expected {entry['bytes']} bytes, found {path.stat().st_size}"
            if entry["name"] not in self._checked and files.sha256_of(path) != entry["sha256"]:
                return "content differs from its checksum"
        except OSError as error:
            return os.strerror(error.errno) if error.errno else str(error)
        self._checked.add(entry["name"])
        return ""

    def _delete(self, names: list[str]) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                (self.folder / name).unlink(missing_ok=True)


def _is_well_formed(content: Any) -> bool:
    """Whether this is a manifest of this format, with no file outside its folder: what it names may be deleted."""
    if not isinstance(content, dict) or content.get("format") != FORMAT_NUMBER:
        return False
    stages = content.get("stages")
    return isinstance(stages, dict) and all(map(_is_stage, stages.values()))


def _is_stage(stage: Any) -> bool:
    kinds = {"key": str, "complete": bool, "files": list, "facts": dict}
    if not isinstance(stage, dict) or not all(isinstance(stage.get(name), kind) for name, kind in kinds.items()):
        return False
    return all(map(_is_record, stage["files"]))


def _is_record(record: Any) -> bool:
    kinds = {"name": str, "bytes": int, "sha256": str}
    if not isinstance(record, dict) or not all(isinstance(record.get(name), kind) for name, kind in kinds.items()):
        return False
    name = Path(record["name"])
    return "\0" not in record["name"] and not name.is_absolute() and ".." not in name.parts

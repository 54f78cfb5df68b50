"""What a camera's job needs to run on another machine, and the check that the other machine has it.

The machines share one file system: videos, weights, recorded boxes and the run folder lie at the same absolute paths on
all of them. The code and its libraries are of the same versions on all, or results would not be the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mtmc.camera_job import CameraJob, WorkerSetup
from mtmc.errors import MtmcError
from mtmc.plan import library_versions
from mtmc.run_store import RunStore

PACKAGES = ("detectors", "mtmc", "reid_models")


class OtherMachineError(MtmcError):
    """A machine of the cluster that cannot take part."""


@dataclass(frozen=True)
class Meeting:
    """What every machine must find: a note in the run folder, and the same code and libraries as here."""

    note: Path
    text: str
    code: str
    versions: dict[str, str]

    def check(self) -> None:
        """Raise `OtherMachineError` where this machine differs; says in one sentence what to mend."""
        here = socket.gethostname()
        try:
            found = self.note.read_text(encoding="ascii")
        except OSError as error:
            found = error.strerror or str(error)
        if found != self.text:
            raise OtherMachineError(
                f"run folder {self.note.parent} on {here}", "the folder of the machine that started the run", found,
                "Use a path on a file system that all machines share.",
            )  # fmt: skip
        if self.code != code_digest():
            raise OtherMachineError(f"the code on {here}", "that of the machine that started the run",
                                    "another version", "Install the same version on all machines.")  # fmt: skip
        for name, version in library_versions().items():
            if self.versions.get(name) != version:
                raise OtherMachineError(f"{name} on {here}", str(self.versions.get(name)), version,
                                        "Install requirements/run.txt on all machines.")  # fmt: skip


@contextlib.contextmanager
def meeting(store: RunStore) -> Iterator[Meeting]:
    """Leave the note for the length of the block."""
    text = uuid.uuid4().hex
    note = store.folder.resolve() / f".partial-meeting-{text[:8]}"  # leftovers of that name are removed by the next run
    note.write_text(text, encoding="ascii")
    try:
        yield Meeting(note, text, code_digest(), library_versions())
    finally:
        note.unlink(missing_ok=True)


def code_digest() -> str:
    """SHA-256 of every Python file of the three packages, with its name."""
    root = Path(__file__).resolve().parent.parent.parent
    hashed = hashlib.sha256()
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*.py")):
        hashed.update(f"{path.relative_to(root)}\0".encode())
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def with_absolute_paths(setup: WorkerSetup, job: CameraJob) -> tuple[WorkerSetup, CameraJob]:
    """The same work for a process with another current folder. Stage keys hold no paths and stay as they are."""
    detector, embedder = setup.detector, setup.config.embedder
    if detector.path:
        detector = replace(detector, path=str(Path(detector.path).absolute()))
    if embedder.weights:
        embedder = replace(embedder, weights=str(Path(embedder.weights).absolute()))
    camera = replace(job.camera, video=job.camera.video.absolute())
    return (
        replace(setup, detector=detector, config=replace(setup.config, embedder=embedder)),
        replace(job, camera=camera, folder=job.folder.absolute()),
    )

"""What one camera's work has committed so far, and what is waiting for the next commit.

Both logs hold a stage of the camera's manifest. While work goes on they write numbered chunks; when the stage
closes, the chunks become one table, so that a resumed run leaves the same files as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors.detections import Detections
from mtmc import camera_store
from mtmc.camera_store import EmbeddedPiece
from mtmc.manifest import Manifest
from mtmc.privacy.vault import PLAIN, Vault


class _ChunkLog:
    """Numbered Parquet chunks of one stage, merged into `<stage>.parquet` at the end."""

    stage: str

    def __init__(self, manifest: Manifest, vault: Vault = PLAIN) -> None:
        self._manifest, self._vault = manifest, vault

    @property
    def complete(self) -> bool:
        """Whether the stage was closed, here or by an earlier run."""
        return self._manifest.is_complete(self.stage)

    def _next_name(self) -> str:
        return f"{self.stage}-{len(self._manifest.files(self.stage)):06d}.parquet"

    def _merge(self, facts: dict[str, Any], others: Sequence[str] = ()) -> None:
        folder, names, final = self._manifest.folder, self._manifest.files(self.stage), f"{self.stage}.parquet"
        self._vault.merge_tables([folder / name for name in names], folder / final)
        self._manifest.replace(self.stage, [final, *others], facts)


class DetectionLog(_ChunkLog):
    """Detections of every frame, in frame order."""

    stage = "detections"

    def __init__(self, manifest: Manifest, stateful: bool) -> None:
        """A detector with a memory has to see every frame again, unless the stage is closed: what an earlier run found
        is then of no use. It is committed all the same, for memory must not grow with the length of a video."""
        super().__init__(manifest)
        names = manifest.keep_good_files(self.stage)
        if stateful and names and not self.complete:
            manifest.reopen(self.stage)
            names = []
        self._known: dict[int, Detections] = {}
        for name in names:
            self._known.update(camera_store.read_detections(manifest.folder / name))
        self._waiting: list[tuple[int, Detections]] = []

    def known(self, frame_index: int) -> Detections | None:
        """What an earlier run found in this frame; each frame is given out once."""
        return self._known.pop(frame_index, None)

    def add(self, frame_index: int, detections: Detections) -> None:
        """Note what was found now in a frame that was not known."""
        self._waiting.append((frame_index, detections))

    def commit(self) -> None:
        """Write what is waiting."""
        if self._waiting:
            self._write()

    def close(self, facts: dict[str, Any]) -> None:
        """Write the rest and make one table of all chunks."""
        if not self.complete:
            if self._waiting or not self._manifest.files(self.stage):
                self._write()
            self._merge(facts)

    def _write(self) -> None:
        name = self._next_name()
        camera_store.write_detections(self._manifest.folder / name, *_columns(self._waiting))
        self._manifest.commit(self.stage, [name])
        self._waiting = []


class PieceLog(_ChunkLog):
    """Embedded pieces, in the order in which they closed."""

    stage = "pieces"

    def __init__(self, manifest: Manifest, camera_id: str, vault: Vault = PLAIN) -> None:
        super().__init__(manifest, vault)
        self._known: set[int] = set()
        for name in manifest.keep_good_files(self.stage):
            self._known.update(camera_store.read_piece_ids(manifest.folder / name, vault))
        self._waiting: list[EmbeddedPiece] = []

    def knows(self, track_id: int) -> bool:
        """Whether this piece was embedded and committed by an earlier run."""
        return track_id in self._known

    def add(self, pieces: Sequence[EmbeddedPiece]) -> None:
        """Note pieces that were embedded now."""
        self._waiting += pieces

    def commit(self) -> None:
        """Write what is waiting."""
        if self._waiting:
            self._write()

    def close(self, facts: dict[str, Any], others: Sequence[str]) -> None:
        """Write the rest and make one table of all chunks; `others` are further files of the stage."""
        if self._waiting or not self._manifest.files(self.stage):
            self._write()
        self._merge(facts, others)

    def _write(self) -> None:
        name = self._next_name()
        camera_store.write_pieces(self._manifest.folder / name, self._waiting, self._vault)
        self._manifest.commit(self.stage, [name])
        self._waiting = []


def _columns(waiting: list[tuple[int, Detections]]) -> tuple[list[int], list[Detections]]:
    return [index for index, _ in waiting], [detections for _, detections in waiting]

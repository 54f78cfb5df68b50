"""What one camera's work has committed so far, and what is waiting for the next commit.

Both logs hold a stage of the camera's manifest. While work goes on they write numbered chunks; when the stage
closes, the chunks become one table, so that a resumed run leaves the same files as an uninterrupted one. Sixty-four
chunks of a kind become one on the way: neither the manifest, which is written whole at each commit, nor the folder
grows with the length of a video, and what is known of an earlier run is read a chunk at a time.

`<stage>-<number>.parquet` is a chunk as it was written, `<stage>-<number>.1.parquet` one of 64 of those, and so on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from detectors.detections import Detections
from mtmc import camera_store
from mtmc.camera_store import DetectionRows, EmbeddedPiece, StoredDetections
from mtmc.manifest import Manifest
from mtmc.privacy.vault import PLAIN, Vault

CHUNKS_TO_ONE = 64
# Polars takes 3.5 times the bytes of what it merges, for a second (70 MiB for 20). More is not copied once again: a
# camera of much traffic leaves 20 MiB of pieces in 64 commits, so 270 records a day.
_MOST_BYTES_TO_ONE = 64 << 20
_NUMBER_AND_LEVEL = re.compile(r"-(\d+)(?:\.(\d+))?\.parquet$")


class _ChunkLog:
    """Numbered Parquet chunks of one stage, merged into `<stage>.parquet` at the end."""

    stage: str

    def __init__(self, manifest: Manifest, vault: Vault = PLAIN) -> None:
        self._manifest, self._vault = manifest, vault
        self._waiting: Any = []

    @property
    def complete(self) -> bool:
        """Whether the stage was closed, here or by an earlier run."""
        return self._manifest.is_complete(self.stage)

    def write_waiting(self) -> bool:
        """Write what is waiting, if anything is; it is committed once the manifest is saved. Whether there was any."""
        if not self._waiting:
            return False
        self._write()
        self._merge_on_the_way()
        return True

    def _write(self) -> None:
        names = self._manifest.files(self.stage)
        number = 1 + max((_number(name) for name in names), default=-1)
        name = f"{self.stage}-{number:06d}.parquet"
        self._write_chunk(name)
        self._manifest.add(self.stage, [name])
        self._waiting.clear()

    def _write_chunk(self, name: str) -> None:
        """What is waiting, as the file `name`."""
        raise NotImplementedError

    def _merge_on_the_way(self) -> None:
        """The last 64 chunks of a level become one of the next; a level that is full then goes on to the one above."""
        folder, full = self._manifest.folder, True
        while full:
            names = self._manifest.files(self.stage)
            level = _level(names[-1])
            alike = _trailing(list(map(_level, names)), level)
            group = names[-CHUNKS_TO_ONE:]
            full = alike % CHUNKS_TO_ONE == 0
            full = full and sum((folder / name).stat().st_size for name in group) <= _MOST_BYTES_TO_ONE
            if full:
                merged = f"{self.stage}-{_number(group[-1]):06d}.{level + 1}.parquet"
                self._vault.merge_tables([folder / name for name in group], folder / merged)
                self._manifest.exchange(self.stage, group, merged)

    def _merge(self, facts: dict[str, Any], others: Sequence[str] = ()) -> None:
        if self._waiting or not self._manifest.files(self.stage):
            self._write()
            self._manifest.save()
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
        self._waiting = DetectionRows()
        names = manifest.keep_good_files(self.stage)
        if stateful and names and not self.complete:
            manifest.reopen(self.stage)
            names = []
        self._unread = names[::-1]
        self._chunk: StoredDetections | None = None

    def known(self, frame_index: int) -> Detections | None:
        """What an earlier run found in this frame; frames are asked for in their order."""
        while (self._chunk is None or frame_index > self._chunk.last_index) and self._unread:
            self._chunk = StoredDetections(self._manifest.folder / self._unread.pop())
        if self._chunk is not None and frame_index > self._chunk.last_index:
            self._chunk = None  # that was the last one
        return None if self._chunk is None else self._chunk.of_frame(frame_index)

    def add(self, frame_index: int, detections: Detections) -> None:
        """Note what was found now in a frame that was not known."""
        self._waiting.add(frame_index, detections)

    def close(self, facts: dict[str, Any]) -> None:
        """Write the rest and make one table of all chunks."""
        if not self.complete:
            self._merge(facts)

    def _write_chunk(self, name: str) -> None:
        camera_store.write_detections(self._manifest.folder / name, self._waiting)


class PieceLog(_ChunkLog):
    """Embedded pieces, in the order in which they closed."""

    stage = "pieces"

    def __init__(self, manifest: Manifest, camera_id: str, vault: Vault = PLAIN) -> None:
        super().__init__(manifest, vault)
        self._known: set[int] = set()
        for name in manifest.keep_good_files(self.stage):
            self._known.update(camera_store.read_piece_ids(manifest.folder / name, vault))

    def knows(self, track_id: int) -> bool:
        """Whether this piece was embedded and committed by an earlier run."""
        return track_id in self._known

    def add(self, pieces: Sequence[EmbeddedPiece]) -> None:
        """Note pieces that were embedded now."""
        self._waiting += pieces

    def close(self, facts: dict[str, Any], others: Sequence[str]) -> None:
        """Write the rest and make one table of all chunks; `others` are further files of the stage."""
        self._merge(facts, others)

    def _write_chunk(self, name: str) -> None:
        camera_store.write_pieces(self._manifest.folder / name, self._waiting, self._vault)


def _trailing(values: list[int], value: int) -> int:
    """How many of the last values, without a gap, are `value`."""
    return sum(1 for _ in takewhile(lambda found: found == value, reversed(values)))


def _number(name: str) -> int:
    found = _NUMBER_AND_LEVEL.search(name)
    return int(found[1]) if found else -1


def _level(name: str) -> int:
    found = _NUMBER_AND_LEVEL.search(name)
    return int(found[2] or 0) if found else 0

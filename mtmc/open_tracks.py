"""What is remembered of tracks that may still go on: compact rows and a few candidate pictures."""

from __future__ import annotations

import errno
import os
import tempfile
from array import array
from bisect import bisect_left
from pathlib import Path
from typing import BinaryIO

import numpy as np

from detectors.detections import Detections
from mtmc import files
from mtmc.crops import CandidateCrops

# One row of a track: time, frame index, box, score, class. 64 bytes.
ROW_WIDTH = 8
TIME, FRAME, BOX, SCORE, CLASS = 0, 1, slice(2, 6), 6, 7
# Frames of which a camera's index and time stay in memory, 1 MiB: at 25 a second twenty minutes at least, and no track
# is open for so long (`CuttingConfig.longest_s`).
_IN_MEMORY = 1 << 16
_STORED = np.dtype([("index", np.int64), ("time_s", np.float64)])


def rows_of(frame_index: int, time_s: float, detections: Detections) -> np.ndarray:
    """float64 (N, ROW_WIDTH), one row a detection."""
    rows = np.empty((len(detections), ROW_WIDTH))
    rows[:, TIME], rows[:, FRAME] = time_s, frame_index
    rows[:, BOX], rows[:, SCORE], rows[:, CLASS] = detections.boxes_xyxy, detections.scores, detections.class_ids
    return rows


class OpenTrack:
    """Rows and candidate crops of one track that may still go on."""

    def __init__(self, start_s: float, candidates: int) -> None:
        self._flat = array("d")
        self.candidates = CandidateCrops(start_s, candidates)
        self.start_s = self.last_s = start_s
        self.looked_back = False

    def append(self, row: np.ndarray) -> None:
        """Adds one row behind."""
        self._flat.frombytes(np.ascontiguousarray(row, dtype=np.float64).tobytes())
        self.last_s = float(row[TIME])

    def prepend(self, rows: np.ndarray) -> None:
        """Adds rows, in time order, before all others."""
        self._flat = array("d", np.ascontiguousarray(rows, dtype=np.float64).tobytes()) + self._flat

    def rows(self) -> np.ndarray:
        """(T, ROW_WIDTH), a copy."""
        return np.array(self._flat, dtype=np.float64).reshape(-1, ROW_WIDTH)


class FrameLog:
    """Index and time of every frame seen, 16 bytes each, so that gaps are filled at true times.

    folder: where the older ones go, in a file without a name that vanishes with this object, so that memory does not
    grow with the length of a video; None keeps all in memory. Raises `OutputError` where it cannot be written.
    """

    def __init__(self, folder: Path | None = None, in_memory: int = _IN_MEMORY) -> None:
        self._indices, self._times = array("q"), array("d")
        self._folder, self._in_memory, self._older = folder, in_memory, 0
        self._file: BinaryIO | None = None

    def __len__(self) -> int:
        return self._older + len(self._indices)

    def add(self, index: int, time_s: float) -> None:
        """Adds a frame, later than all before."""
        if self._folder is not None and len(self._indices) >= self._in_memory:
            self._put_away(self._in_memory // 2)
        self._indices.append(index)
        self._times.append(time_s)

    def last(self) -> tuple[int, float]:
        """Index and time of the latest frame."""
        return self._indices[-1], self._times[-1]

    def between(self, first_index: int, last_index: int) -> tuple[np.ndarray, np.ndarray]:
        """(indices int64, times float64) of the frames from the first to the last index, both included."""
        if self._older and first_index < self._indices[0]:
            indices, times = self.all()
            part = slice(*np.searchsorted(indices, [first_index, last_index + 1]))
            return indices[part], times[part]
        a, b = bisect_left(self._indices, first_index), bisect_left(self._indices, last_index + 1)
        return np.array(self._indices[a:b], dtype=np.int64), np.array(self._times[a:b], dtype=np.float64)

    def all(self) -> tuple[np.ndarray, np.ndarray]:
        """(indices int64, times float64) of all frames."""
        own = np.array(self._indices, dtype=np.int64), np.array(self._times, dtype=np.float64)
        if self._file is None:
            return own
        self._file.seek(0)
        older = np.frombuffer(self._file.read(), _STORED)
        return np.concatenate([older["index"], own[0]]), np.concatenate([older["time_s"], own[1]])

    def _put_away(self, count: int) -> None:
        """The oldest `count` frames in memory go to the file."""
        rows = np.empty(count, _STORED)
        rows["index"], rows["time_s"] = self._indices[:count], self._times[:count]
        with files.no_space_is_an_output_error(self._folder or Path()):
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            self._file.seek(0, os.SEEK_END)
            if self._file.write(rows.tobytes()) != rows.nbytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        del self._indices[:count], self._times[:count]
        self._older += count

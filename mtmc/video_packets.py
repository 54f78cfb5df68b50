"""Which packets never became a picture, where on its grid a picture of an AVI belongs, and what a header claims."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

# More packets than any decoder holds back; beyond it the earliest is given up.
_MAX_WAITING = 512
# An AVI's index points at a chunk's header, PyAV's packet at its data.
_CHUNK_HEADER = 8
# Above what a good file asks for in one piece: a picture of `VideoConfig.max_pixels` with 10 bits a channel.
_ROOM_BYTES = 256 << 20
# FFmpeg gives the times of a container, unlike those of a stream, in microseconds.
_CONTAINER_TICKS_HZ = 1_000_000


def is_beyond_all_memory(error: Exception) -> bool:
    """Whether FFmpeg could not allocate what a damaged size asked for, which is the file's trouble.

    Raises `error` where this machine has no memory left: what is passed over then would be lost in silence.
    """
    if not isinstance(error, MemoryError):
        return False
    try:
        bytearray(_ROOM_BYTES)  # address space only: pages that nobody touches cost nothing
    except MemoryError:
        raise error from None
    return True


def duration_s(container: Any, stream: Any) -> float:
    """Seconds of a PyAV stream by the header; NaN where it says nothing."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Matroska keeps the time of the end, which is the duration only where the file starts at zero.
    start_s = max(container.start_time or 0, 0) / _CONTAINER_TICKS_HZ
    return container.duration / _CONTAINER_TICKS_HZ - start_s if container.duration else math.nan


class WaitingPackets:
    """Presentation times of packets whose picture has not come out yet. Pictures come in order of presentation, so
    what is earlier than the newest picture is lost."""

    def __init__(self) -> None:
        self._heap: list[int] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, pts: int) -> None:
        """A packet went into the decoder."""
        heapq.heappush(self._heap, pts)
        if len(self._heap) > _MAX_WAITING:
            heapq.heappop(self._heap)

    def arrived(self, pts: int) -> list[int]:
        """A picture came out; the times of the packets before it, which are lost."""
        lost = []
        while self._heap and self._heap[0] < pts:
            lost.append(heapq.heappop(self._heap))
        if self._heap and self._heap[0] == pts:
            heapq.heappop(self._heap)
        return lost

    def latest(self) -> int | None:
        """The latest time that still waits."""
        return max(self._heap, default=None)


class AviGrid:
    """An AVI has no times, only chunks on a grid of constant rate. FFmpeg counts the chunks that it meets, so after
    damage that swallowed chunks all is too early; the file's index knows better.

    index: the stream's entries with `pos` (byte) and `timestamp` (ticks), rising.
    """

    def __init__(self, index: Sequence[Any]) -> None:
        self._index = index
        self._cursor = 0
        self._shift = 0  # ticks that FFmpeg's count is behind
        self._last: int | None = None
        self._step = 1

    def packet(self, pos: int | None, dts: int | None) -> bool:
        """Note a packet's byte and count; whether chunks were swallowed just before it."""
        if pos is None or dts is None:
            return False
        at = self._find(pos - _CHUNK_HEADER)
        if at is None:
            return False
        self._cursor = at + 1
        shift = self._index[at].timestamp - dts
        changed, self._shift = shift != self._shift, shift
        return changed

    def picture(self, dts: int | None) -> int:
        """Ticks of a picture. dts: of the packet that pushed it out of the decoder; None for the last few, which
        come out without one."""
        if dts is None:
            ticks = 0 if self._last is None else self._last + self._step
        else:
            ticks = dts + self._shift
            if self._last is not None and ticks > self._last:
                self._step = ticks - self._last
        self._last = ticks
        return ticks

    def _find(self, byte: int) -> int | None:
        index, cursor = self._index, self._cursor
        if cursor >= len(index) or index[cursor].pos != byte:
            cursor = bisect_left(index, byte, key=lambda entry: entry.pos)
        return cursor if cursor < len(index) and index[cursor].pos == byte else None

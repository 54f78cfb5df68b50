"""What waits for the networks, and what they do next. Pure: no process, no network.

Every client has at most one request waiting (it needs the answer to go on), so what waits is bounded by the number of
clients times what one asks for at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(eq=False)
class Request:
    """The images of one client. indices, times_s: of frames, empty for crops. answers: one an image, as they come."""

    kind: str
    images: Sequence[np.ndarray]
    indices: Sequence[int]
    times_s: Sequence[float]
    arrived_s: float
    client: Any = None
    answers: list[Any] = field(default_factory=list)
    taken: int = 0

    @property
    def left(self) -> int:
        """Images that no batch has taken yet."""
        return len(self.images) - self.taken


@dataclass(frozen=True)
class Part:
    """Rows start:stop of a request, in one batch."""

    request: Request
    start: int
    stop: int


class Desk:
    """Requests in the order of their arrival, by kind; safe to use from several threads.

    A batch is taken when it is full, or when its oldest image has waited for `patience_s`.
    """

    def __init__(self, sizes: dict[str, int], patience_s: float) -> None:
        self._sizes, self._patience_s = sizes, patience_s
        self._waiting: dict[str, deque[Request]] = {kind: deque() for kind in sizes}
        self._closed = False
        self._changed = threading.Condition()

    def put(self, request: Request) -> None:
        """A client asks, and waits from now on."""
        with self._changed:
            self._waiting[request.kind].append(request)
            self._changed.notify()

    def close(self) -> None:
        """No more batches."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def next_batch(self, clock: Callable[[], float]) -> tuple[str, list[Part]] | None:
        """Wait for work; the kind and the parts of the next batch, or None once closed. clock: seconds, monotonic."""
        with self._changed:
            while not self._closed:
                kind, wait_s = self._ready(clock())
                if kind is not None:
                    return kind, self._take(kind)
                self._changed.wait(wait_s)
        return None

    def _ready(self, now_s: float) -> tuple[str | None, float | None]:
        """A kind whose batch should run now, the one that has waited longest; else how long to wait for one."""
        oldest = {kind: waiting[0].arrived_s for kind, waiting in self._waiting.items() if waiting}
        if not oldest:
            return None, None
        due = [
            kind for kind, arrived_s in oldest.items()
            if now_s - arrived_s >= self._patience_s
            or sum(request.left for request in self._waiting[kind]) >= self._sizes[kind]
        ]  # fmt: skip
        if due:
            return min(due, key=lambda kind: oldest[kind]), None
        return None, max(0.0, min(oldest.values()) + self._patience_s - now_s)

    def _take(self, kind: str) -> list[Part]:
        parts, room, waiting = [], self._sizes[kind], self._waiting[kind]
        while waiting and room:
            request = waiting[0]
            count = min(room, request.left)
            parts.append(Part(request, request.taken, request.taken + count))
            request.taken += count
            room -= count
            if not request.left:
                waiting.popleft()
        return parts

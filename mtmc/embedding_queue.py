"""Crops of many tracklets in the network's batches: whole ones while tracklets close, the rest at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np

from mtmc.embedding import EmbeddedBatch, embedded
from mtmc.overlap import always
from mtmc.stopwatch import Stopwatch
from mtmc.tracklets import CutTracklet
from reid_models.embedder import Embedder

_IN_FLIGHT = 2  # batches given to the network's thread before the caller waits: crops must not pile up


class EmbeddingQueue:
    """Embeds in a thread of its own, beside the decoding and tracking of later frames, while there are `spare` cores. A
    context: the thread ends with it. Which crops share a batch follows from the order of the tracklets alone, never
    from timing."""

    def __init__(self, embedder: Embedder, keep_crops: bool, watch: Stopwatch,
                 spare: Callable[[], bool] = always) -> None:
        self._embedder, self._keep_crops, self._watch, self._spare = embedder, keep_crops, watch, spare
        self._thread = ThreadPoolExecutor(1)
        self._cuts: deque[CutTracklet] = deque()
        self._crops: list[np.ndarray] = []  # not given to the network yet
        self._batches: deque[Future[np.ndarray]] = deque()
        self._vectors = np.zeros((0, embedder.dimension), np.float32)  # of the first crops of `_cuts`

    def __enter__(self) -> EmbeddingQueue:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, closed: Iterable[CutTracklet]) -> None:
        """Take tracklets; their crops are embedded as soon as they fill a batch. Raises what the embedder raised."""
        size = self._embedder.batch_size
        for cut in closed:
            self._cuts.append(cut)
            self._crops += cut.crops_rgb
        while len(self._crops) >= size:
            self._submit(self._crops[:size])
            del self._crops[:size]

    def finished(self, image_size_wh: tuple[int, int]) -> EmbeddedBatch:
        """The tracklets that are embedded by now, in order; does not wait. Raises what the embedder raised."""
        while self._batches and self._batches[0].done():
            self._collect()
        return self._take(image_size_wh)

    def rest(self, image_size_wh: tuple[int, int]) -> EmbeddedBatch:
        """All that is left, the last batch padded. Raises what the embedder raised."""
        if self._crops:
            self._submit(self._crops)
            self._crops = []
        while self._batches:
            self._collect()
        return self._take(image_size_wh)

    def _submit(self, crops: Sequence[np.ndarray]) -> None:
        """To the thread, or at once where it would only take the core from this one: an embedder takes one call at a
        time, so what the thread has comes first."""
        spare = self._spare()
        while len(self._batches) >= (_IN_FLIGHT if spare else 1):
            self._collect()
        if spare:
            self._batches.append(self._thread.submit(self._embed, list(crops)))
        else:
            self._vectors = np.concatenate([self._vectors, self._embed(list(crops))])

    def _embed(self, crops: list[np.ndarray]) -> np.ndarray:
        with self._watch.running("embed"):
            return self._embedder.embed(crops)

    def _collect(self) -> None:
        self._vectors = np.concatenate([self._vectors, self._batches.popleft().result()])

    def _take(self, image_size_wh: tuple[int, int]) -> EmbeddedBatch:
        done, rows = [], 0
        while self._cuts and rows + len(self._cuts[0].crops_rgb) <= len(self._vectors):
            done.append(self._cuts.popleft())
            rows += len(done[-1].crops_rgb)
        vectors, self._vectors = self._vectors[:rows], self._vectors[rows:]
        return embedded(done, vectors, image_size_wh, self._keep_crops)

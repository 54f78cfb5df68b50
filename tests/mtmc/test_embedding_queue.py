"""Crops embedded in whole batches in a thread: the same pieces as one after the other, whatever the timing."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from mtmc.camera_store import EmbeddedPiece
from mtmc.embedding import embed_pieces
from mtmc.embedding_queue import EmbeddingQueue
from mtmc.stopwatch import Stopwatch
from mtmc.tracklets import CutTracklet, Tracklet


class Slow:
    """An embedder of the mean colour, now and then slow; notes the size of every call."""

    name, fingerprint, dimension, input_hw = "slow", "slow", 4, (8, 8)

    def __init__(self, batch_size: int, seed: int = 0) -> None:
        self.batch_size, self.calls = batch_size, list[int]()
        self._rng = np.random.default_rng(seed)

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        self.calls.append(len(crops_rgb))
        time.sleep(float(self._rng.choice([0, 0.002])))
        rows = np.array([[*crop.mean(axis=(0, 1)), 1.0] for crop in crops_rgb], np.float32).reshape(-1, 4)
        rows[[crop[0, 0, 0] == 7 for crop in crops_rgb]] = np.nan
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cut(track_id: int, crops: int, rng: np.random.Generator) -> CutTracklet:
    times = np.arange(2.0)
    tracklet = Tracklet("c", track_id, times, np.arange(2), np.array([[0, 0, 5, 5]] * 2, np.float32),
                        np.ones(2, np.float32), np.zeros(2, bool), 2, 1.0)
    images = tuple(rng.integers(0, 20, (6, 5, 3), dtype=np.uint8) for _ in range(crops))
    return CutTracklet(tracklet, images, np.arange(crops), np.linspace(1, 0.5, crops))


def plain(piece: EmbeddedPiece) -> tuple:
    return (piece.tracklet.track_id, piece.image_embeddings.tobytes(), piece.crops_jpeg,
            piece.crop_frame_indices.tolist())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spare_share", [0.0, 0.5, 1.0])
def test_the_queue_gives_what_one_call_gives(seed: int, spare_share: float) -> None:
    rng = np.random.default_rng(seed)
    cuts = [cut(i, int(rng.integers(0, 9)), rng) for i in range(int(rng.integers(0, 30)))]
    expected = embed_pieces(cuts, Slow(4), (10, 20), keep_crops=True)
    embedder, watch, found, bad = Slow(4, seed), Stopwatch(), list[EmbeddedPiece](), 0
    spare = np.random.default_rng(seed)
    with EmbeddingQueue(embedder, True, watch, lambda: spare.random() < spare_share) as queue:
        for start in range(0, len(cuts), 3):
            queue.add(cuts[start : start + 3])
            for done in (queue.finished((10, 20)),):
                found += done.pieces
                bad += done.non_finite
        last = queue.rest((10, 20))
    found += last.pieces
    assert list(map(plain, found)) == list(map(plain, expected.pieces))
    assert bad + last.non_finite == expected.non_finite
    total = sum(len(c.crops_rgb) for c in cuts)
    assert embedder.calls == [4] * (total // 4) + ([total % 4] if total % 4 else [])


def test_few_batches_wait_for_the_network() -> None:
    rng, release = np.random.default_rng(0), threading.Event()

    class Stuck(Slow):
        def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
            release.wait(5)
            return super().embed(crops_rgb)

    with EmbeddingQueue(Stuck(2), False, Stopwatch()) as queue:
        queue.add([cut(i, 2, rng) for i in range(2)])
        assert queue.finished((1, 1)).pieces == ()
        filler = threading.Thread(target=lambda: queue.add([cut(2, 2, rng)]))
        filler.start()
        filler.join(0.1)
        assert filler.is_alive()  # waits for room
        release.set()
        filler.join(5)
        assert [p.tracklet.track_id for p in queue.rest((1, 1)).pieces] == [0, 1, 2]


def test_an_embedders_error_reaches_the_caller_and_the_thread_ends() -> None:
    class Broken(Slow):
        def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
            raise MemoryError("out of memory")

    before = threading.active_count()
    with pytest.raises(MemoryError), EmbeddingQueue(Broken(2), False, Stopwatch()) as queue:
        queue.add([cut(0, 5, np.random.default_rng(0))])
        queue.rest((1, 1))
    assert threading.active_count() == before

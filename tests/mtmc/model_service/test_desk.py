"""Which images make up a batch."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from mtmc.model_service.desk import Desk, Request

IMAGE = np.zeros((1, 1, 3), np.uint8)


def request(kind: str, count: int, arrived_s: float = 0.0) -> Request:
    return Request(kind, [IMAGE] * count, range(count), [0.0] * count, arrived_s)


def rows(batch: object) -> tuple[str, list[tuple[int, int]]]:
    kind, parts = batch  # type: ignore[misc]
    return kind, [(part.start, part.stop) for part in parts]


def test_a_full_batch_goes_at_once_and_requests_may_be_parted() -> None:
    desk = Desk({"detect": 4, "embed": 8}, patience_s=1e9)
    first, second = request("detect", 3), request("detect", 3)
    desk.put(first)
    desk.put(second)
    batch = desk.next_batch(lambda: 0.0)
    assert rows(batch) == ("detect", [(0, 3), (0, 1)])
    assert batch is not None
    assert [part.request for part in batch[1]] == [first, second]
    desk.put(request("detect", 2))
    assert rows(desk.next_batch(lambda: 0.0)) == ("detect", [(1, 3), (0, 2)])


def test_a_request_larger_than_a_batch_takes_several() -> None:
    desk = Desk({"embed": 2}, patience_s=0.0)
    desk.put(request("embed", 5))
    assert [rows(desk.next_batch(lambda: 0.0)) for _ in range(3)] == [
        ("embed", [(0, 2)]), ("embed", [(2, 4)]), ("embed", [(4, 5)])
    ]  # fmt: skip


def test_after_its_patience_a_batch_goes_as_it_is_the_oldest_first() -> None:
    desk = Desk({"detect": 4, "embed": 8}, patience_s=0.5)
    desk.put(request("detect", 1, arrived_s=10.2))
    desk.put(request("embed", 1, arrived_s=10.0))
    assert rows(desk.next_batch(lambda: 11.0))[0] == "embed"
    assert rows(desk.next_batch(lambda: 11.0))[0] == "detect"


def test_waiting_ends_with_patience_with_news_and_with_the_end() -> None:
    desk = Desk({"detect": 2}, patience_s=0.05)
    desk.put(request("detect", 1, arrived_s=time.monotonic()))
    start = time.monotonic()
    assert rows(desk.next_batch(time.monotonic)) == ("detect", [(0, 1)])
    assert time.monotonic() - start >= 0.04
    threading.Timer(0.05, desk.put, [request("detect", 2, arrived_s=time.monotonic() + 99)]).start()
    assert rows(desk.next_batch(time.monotonic)) == ("detect", [(0, 2)])
    threading.Timer(0.05, desk.close).start()
    assert desk.next_batch(time.monotonic) is None


@pytest.mark.parametrize("seed", range(5))
def test_every_image_is_taken_once_and_no_batch_is_too_large(seed: int) -> None:
    rng = np.random.default_rng(seed)
    desk = Desk({"detect": 4, "embed": 7}, patience_s=0.0)
    requests = [request(str(rng.choice(["detect", "embed"])), int(rng.integers(1, 12))) for _ in range(20)]
    for one in requests:
        desk.put(one)
    taken: dict[int, list[int]] = {id(one): [] for one in requests}
    for _ in range(sum(len(one.images) for one in requests)):
        if not any(one.left for one in requests):
            break
        batch = desk.next_batch(lambda: 0.0)
        assert batch is not None
        assert sum(part.stop - part.start for part in batch[1]) <= {"detect": 4, "embed": 7}[batch[0]]
        for part in batch[1]:
            assert part.request.kind == batch[0]
            taken[id(part.request)] += range(part.start, part.stop)
    assert all(taken[id(one)] == list(range(len(one.images))) for one in requests)

"""Work ahead in threads: the same items in the same order, bounded, errors where they belong, nothing left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from mtmc.overlap import ahead


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("waiting", [1, 3])
def test_items_come_in_order(count: int, waiting: int) -> None:
    with ahead(iter(range(count)), waiting) as items:
        assert list(items) == list(range(count))


def test_no_more_is_made_than_may_wait() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with ahead(numbers(), 2) as items:
        assert next(items) == 0
        deadline = time.monotonic() + 5
        while len(made) < 4 and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.05)
        assert len(made) == 4  # one in use, two waiting, one in the making
        assert list(items) == list(range(1, 100))


def test_an_error_comes_after_the_items_before_it() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        yield 2
        raise MemoryError("full")

    with ahead(numbers()) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(MemoryError, match="full"):
            next(items)


def test_leaving_early_ends_the_threads_and_closes_what_they_read() -> None:
    closed: list[str] = []

    def source() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.append("source")

    def doubled(numbers: Iterator[int]) -> Iterator[int]:
        try:
            for number in numbers:
                yield 2 * number
        finally:
            closed.append("doubled")

    before = threading.active_count()
    with pytest.raises(KeyError), ahead(source()) as numbers, ahead(doubled(numbers)) as items:
        assert [next(items) for _ in range(3)] == [0, 2, 4]
        raise KeyError
    assert closed == ["doubled", "source"]
    assert threading.active_count() == before


def test_stages_run_beside_each_other() -> None:
    """Four stages of one sleep each take about the time of one stage, not of four."""
    def slowly(numbers: Iterator[int]) -> Iterator[int]:
        for number in numbers:
            time.sleep(0.01)
            yield number

    start = time.perf_counter()
    with ahead(slowly(iter(range(30)))) as a, ahead(slowly(a)) as b, ahead(slowly(b)) as c:
        assert list(slowly(c)) == list(range(30))
    assert time.perf_counter() - start < 4 * 30 * 0.01 * 0.7

"""Work ahead in threads: the same items in the same order, bounded, errors where they belong, nothing left running."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import pytest

from mtmc.overlap import SpareCores, ahead, always


def never() -> bool:
    return False


def now_and_then(seed: int) -> Callable[[], bool]:
    rng = random.Random(seed)
    return lambda: rng.random() < 0.5


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("waiting", [1, 3])
@pytest.mark.parametrize("spare", [always, never, now_and_then(1), now_and_then(2)])
def test_items_come_in_order(count: int, waiting: int, spare: Callable[[], bool]) -> None:
    def slowly() -> Iterator[int]:
        for number in range(count):
            time.sleep(0.0005 * (number % 3))
            yield number

    with ahead(slowly(), waiting, spare) as first, ahead(map(lambda n: n, first), waiting, spare) as items:
        assert list(items) == list(range(count))
        assert list(items) == []


def test_without_spare_cores_there_is_no_thread_and_nothing_is_made_too_early() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            yield number

    before = threading.active_count()
    with ahead(numbers(), 2, never) as items:
        for number in range(5):
            assert next(items) == number
            assert made == list(range(number + 1))
            assert threading.active_count() == before


def test_a_thread_begins_once_cores_are_spare() -> None:
    spare, makers = SpareCores(), list[str]()

    def numbers() -> Iterator[int]:
        while True:
            makers.append(threading.current_thread().name)
            yield len(makers)

    with ahead(numbers(), 1, spare) as items:
        assert [next(items), next(items)] == [1, 2]
        assert set(makers) == {threading.current_thread().name}
        spare.tell(True)
        for _ in range(20):
            next(items)
            time.sleep(0.002)
        assert len(set(makers)) == 2


def test_a_process_that_was_started_before_hears_of_spare_cores() -> None:
    context, spare = multiprocessing.get_context("spawn"), SpareCores()
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs, spare), daemon=True)
    process.start()
    said = []
    for value in (False, True, False):
        spare.tell(value)
        ours.send(None)
        assert ours.poll(30)
        said.append(ours.recv())
    ours.close()
    process.join(10)
    assert said == [False, True, False]


def _answer(pipe: Connection, spare: SpareCores) -> None:
    with contextlib.suppress(EOFError):
        while True:
            pipe.recv()
            pipe.send(spare())


def test_no_more_is_made_than_may_wait() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with ahead(numbers(), 2) as items:
        assert next(items) == 0
        deadline = time.monotonic() + 5
        while len(made) < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.05)
        assert len(made) == 3  # one in use, two waiting
        assert list(items) == list(range(1, 100))


@pytest.mark.parametrize("spare", [always, never])
def test_an_error_comes_after_the_items_before_it(spare: Callable[[], bool]) -> None:
    def numbers() -> Iterator[int]:
        yield 1
        yield 2
        raise MemoryError("full")

    with ahead(numbers(), spare=spare) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(MemoryError, match="full"):
            next(items)


@pytest.mark.parametrize("spare", [always, never, now_and_then(3)])
def test_leaving_early_ends_the_threads_and_closes_what_they_read(spare: Callable[[], bool]) -> None:
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
    with (
        pytest.raises(KeyError),
        ahead(source(), spare=spare) as numbers,
        ahead(doubled(numbers), spare=spare) as items,
    ):
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

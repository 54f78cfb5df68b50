"""Work done ahead of who needs it, in threads: the libraries that decode and infer let go of Python's lock."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_LOOK_S = 0.1  # how often a thread that waits for room looks whether anybody still wants its work
_END = object()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


@contextlib.contextmanager
def ahead(items: Iterator[T], waiting: int = 1) -> Generator[Iterator[T], None, None]:
    """The items of `items` in their order, made in a thread of their own while earlier ones are used.

    At most `waiting` finished items wait (besides the one in use and the one in the making), so memory is bounded. An
    error of `items` is raised where its item would have come. When the block ends, whatever its reason, the thread has
    ended and `items` is closed.
    """
    handover: queue.Queue[Any] = queue.Queue(maxsize=waiting)
    unwanted = threading.Event()
    thread = threading.Thread(target=_make, args=(items, handover, unwanted), daemon=True)
    thread.start()
    try:
        yield _taken(handover)
    finally:
        unwanted.set()
        thread.join()


def _make(items: Iterator[Any], handover: queue.Queue[Any], unwanted: threading.Event) -> None:
    last: Any = _END
    try:
        for item in items:
            if not _give(item, handover, unwanted):
                break
    except BaseException as error:  # raised again where the item was to be used
        last = _Failure(error)
    finally:
        if isinstance(items, Generator):
            items.close()
    _give(last, handover, unwanted)


def _give(item: Any, handover: queue.Queue[Any], unwanted: threading.Event) -> bool:
    """Hand over, waiting for room; False where nobody wants it any more."""
    while not unwanted.is_set():
        with contextlib.suppress(queue.Full):
            handover.put(item, timeout=_LOOK_S)
            return True
    return False


def _taken(handover: queue.Queue[Any]) -> Iterator[Any]:
    while (item := handover.get()) is not _END:
        if isinstance(item, _Failure):
            raise item.error
        yield item

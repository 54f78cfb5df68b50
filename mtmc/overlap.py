"""Work done ahead of who needs it, in threads: the libraries that decode and infer let go of Python's lock.

Threads gain nothing where every core has a process of its own: there they only take the lock from each other, a hundred
times a picture. So work is done ahead only while cores are spare, and by whoever asks for it otherwise.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_END = object()


class SpareCores:
    """Whether a run leaves cores idle: told by the command, read in its camera processes while they work.

    Pickles only into a process that is being started. There is no lock: a process that is killed while it reads must
    not hold up the others.
    """

    def __init__(self) -> None:
        self._flag = multiprocessing.get_context("spawn").RawValue("b", 0)

    def tell(self, spare: bool) -> None:
        """Say how it is from now on."""
        self._flag.value = spare

    def __call__(self) -> bool:
        return bool(self._flag.value)


def always() -> bool:
    """There are spare cores: a camera process that knows of no others, or that mostly waits for a GPU."""
    return True


@contextlib.contextmanager
def ahead(
    items: Iterator[T], waiting: int = 2, spare: Callable[[], bool] = always
) -> Generator[Iterator[T], None, None]:
    """The items of `items` in their order, made in a thread of their own while earlier ones are used, as long as there
    are `spare` cores; at other times each is made when it is asked for.

    At most `waiting` finished items wait (besides the one in use), so memory is bounded. An error of `items` is raised
    where its item would have come. When the block ends, whatever its reason, the thread has ended and `items` is
    closed.
    """
    made_ahead = _Ahead(items, waiting, spare)
    try:
        yield made_ahead
    finally:
        made_ahead.close()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Ahead(Generic[T]):
    """One maker at a time, the thread or who asks: so items keep their order."""

    def __init__(self, items: Iterator[T], waiting: int, spare: Callable[[], bool]) -> None:
        self._items, self._waiting, self._spare = items, waiting, spare
        self._change = threading.Condition()
        self._ready: deque[Any] = deque()
        self._making = self._ended = self._unwanted = False
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._thread is None and self._spare():
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        with self._change:
            while not self._ready and self._making:
                self._change.wait()
            here = not self._ready and not self._ended
            item: Any = _END if here or not self._ready else self._ready.popleft()
            self._making |= here
            self._change.notify_all()
        if here:
            item = self._make(keep=False)
        if isinstance(item, _Failure):
            raise item.error
        if item is _END:
            raise StopIteration
        taken: T = item
        return taken

    def close(self) -> None:
        """End the thread, after the item in the making, and close what the items come from."""
        with self._change:
            self._unwanted = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join()
        if isinstance(self._items, Generator):
            self._items.close()

    def _work(self) -> None:
        while True:
            with self._change:
                while not (self._unwanted or self._ended) and (
                    self._making or len(self._ready) >= self._waiting or not self._spare()
                ):
                    self._change.wait()
                if self._unwanted or self._ended:
                    return
                self._making = True
            self._make(keep=True)

    def _make(self, keep: bool) -> Any:
        """The next item; `_making` was set for it."""
        try:
            item: Any = next(self._items)
        except StopIteration:
            item = _END
        except BaseException as error:  # raised where the item was to be used
            item = _Failure(error)
        with self._change:
            self._making = False
            self._ended = item is _END or isinstance(item, _Failure)
            if keep and item is not _END:
                self._ready.append(item)
            self._change.notify_all()
        return item

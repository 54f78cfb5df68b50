"""The process that owns the networks: one thread runs them, one listens to each client.

A batch is made of whatever cameras ask for at the time. The networks run at their one fixed batch size, the last rows
padded, so no row depends on its companions, and the answers are those that each camera process would have computed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Listener
from multiprocessing.process import parent_process
from multiprocessing.reduction import recv_handle
from typing import Any, Protocol

import numpy as np

from detectors.detections import Detector
from mtmc.errors import EXIT_PARTIAL, MtmcError
from mtmc.model_service.blocks import ReadableBlock
from mtmc.model_service.clients import ServiceAddress
from mtmc.model_service.desk import Desk, Part, Request
from reid_models.embedder import Embedder

# A batch of a big detector takes a GPU some 10 ms; waiting a fifth of that for company costs little.
_PATIENCE_S = 0.002


class Models(Protocol):
    """Makes the networks; picklable. Either may be None: that kind is not served."""

    def __call__(self) -> tuple[Detector | None, Embedder | None]: ...


class Service:
    """Answers clients until it is closed."""

    def __init__(self, address: ServiceAddress, models: Models) -> None:
        self._listener = Listener(address.socket, "AF_UNIX", backlog=64, authkey=address.secret)
        self._models, self._loaded = models, threading.Event()
        self._failure: tuple[str, int] | None = None
        self._about: dict[str, dict[str, Any]] = {}
        self._desk: Desk | None = None

    def run(self) -> None:
        """Load the networks and work; clients may connect from the start."""
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            detector, embedder = self._models()
        except Exception as error:
            known = _as_expected(error)
            self._failure = (str(known), known.exit_code)
            self._loaded.set()
            threading.Event().wait()  # every client that comes is told; the run ends us
            return
        runners: dict[str, Callable[[Sequence[Part]], list[Any]]] = {}
        if detector is not None:
            runners["detect"] = _detecting(detector)
            self._about["detect"] = _facts(detector, ("name", "fingerprint", "batch_size"))
        if embedder is not None:
            runners["embed"] = _embedding(embedder)
            names = ("name", "fingerprint", "dimension", "input_hw", "batch_size")
            self._about["embed"] = _facts(embedder, names)
        self._desk = Desk({kind: about["batch_size"] for kind, about in self._about.items()}, _PATIENCE_S)
        self._loaded.set()
        while (batch := self._desk.next_batch(time.monotonic)) is not None:
            kind, parts = batch
            for part, answers in zip(parts, answers_of(runners[kind], parts), strict=True):
                self._deliver(part, answers)

    def _deliver(self, part: Part, answers: list[Any] | MtmcError) -> None:
        request = part.request
        request.answers += [answers] if isinstance(answers, MtmcError) else answers
        if part.stop < len(request.images):
            return
        failed = [answer for answer in request.answers if isinstance(answer, MtmcError)]
        with contextlib.suppress(OSError):  # the client is gone
            request.client.send((False, (str(failed[0]), failed[0].exit_code)) if failed else (True, request.answers))

    def _accept(self) -> None:
        while True:
            with contextlib.suppress(OSError, EOFError):  # whoever knocks without the secret
                connection = self._listener.accept()
                threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection: Connection) -> None:
        """One client, from its greeting to its end."""
        with contextlib.suppress(OSError, EOFError), contextlib.ExitStack() as leaving:
            kind = connection.recv()
            block = ReadableBlock(recv_handle(connection))
            leaving.callback(block.close)
            self._loaded.wait()
            if self._failure is not None or self._desk is None:
                connection.send((False, self._failure))
                return
            connection.send((True, self._about[kind]))
            while True:
                placed, indices, times_s = connection.recv()
                images = block.images(placed)
                self._desk.put(Request(kind, images, indices, times_s, time.monotonic(), connection))


def answers_of(run: Callable[[Sequence[Part]], list[Any]], parts: Sequence[Part]) -> list[list[Any] | MtmcError]:
    """The answers to every part of a batch. Where the batch fails, each part is tried alone, so that one camera's
    picture is no other camera's trouble."""
    try:
        rows = run(parts)
        ends = np.cumsum([part.stop - part.start for part in parts]).tolist()
        return [rows[end - (part.stop - part.start) : end] for part, end in zip(parts, ends, strict=True)]
    except Exception as error:
        if len(parts) == 1:
            return [_as_expected(error)]
    return [answers_of(run, [part])[0] for part in parts]


def _as_expected(error: Exception) -> MtmcError:
    if isinstance(error, MtmcError):
        return error
    wrapped = MtmcError(f"{type(error).__name__}: {error}")
    wrapped.exit_code = EXIT_PARTIAL
    return wrapped


def _detecting(detector: Detector) -> Callable[[Sequence[Part]], list[Any]]:
    def run(parts: Sequence[Part]) -> list[Any]:
        images = [image for part in parts for image in part.request.images[part.start : part.stop]]
        indices = [index for part in parts for index in part.request.indices[part.start : part.stop]]
        times_s = [time_s for part in parts for time_s in part.request.times_s[part.start : part.stop]]
        return list(detector.detect(images, indices, times_s))

    return run


def _embedding(embedder: Embedder) -> Callable[[Sequence[Part]], list[Any]]:
    def run(parts: Sequence[Part]) -> list[Any]:
        return list(embedder.embed([crop for part in parts for crop in part.request.images[part.start : part.stop]]))

    return run


def _facts(model: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(model, name) for name in names}


def serve(address: ServiceAddress, models: Models) -> None:
    """The life of the process: it ends with the one that started it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    Service(address, models).run()


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

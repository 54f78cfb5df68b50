"""The detector and the embedder of a camera process whose networks live in the service."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection
from multiprocessing.reduction import send_handle
from typing import Any

import numpy as np

from detectors.detections import Detections
from mtmc.errors import EXIT_PARTIAL, MtmcError
from mtmc.model_service.blocks import WritableBlock

_CONNECT_S = 120.0  # the service listens before it loads its networks; after a crash it starts again, torch and all


@dataclass(frozen=True)
class ServiceAddress:
    """Where the service listens, and the secret that its clients share. detects, embeds: which networks it holds."""

    socket: str
    secret: bytes
    detects: bool
    embeds: bool


class ServiceError(MtmcError):
    """The service could not answer; the sentence and the exit code are those of the cause."""

    def __init__(self, sentence: str, exit_code: int = EXIT_PARTIAL) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


class _Line:
    """One connection, for one kind of question; a question at a time."""

    def __init__(self, address: ServiceAddress, kind: str) -> None:
        self._address, self._kind = address, kind
        self._block = WritableBlock()
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        with self._lock:
            self.about: dict[str, Any] = self._connect()

    def ask(
        self, images: Sequence[np.ndarray], indices: Sequence[int] = (), times_s: Sequence[float] = ()
    ) -> list[Any]:
        """One answer an image. Raises `ServiceError`."""
        with self._lock:
            question = self._block.place(images), list(indices), list(times_s)
            try:
                return self._exchange(question)
            except (EOFError, OSError):  # the service died: it is started again
                self._connect()
                try:
                    return self._exchange(question)
                except (EOFError, OSError) as error:
                    raise ServiceError("the process of the networks died, twice over the same pictures") from error

    def _exchange(self, question: Any) -> Any:
        if self._connection is None:
            raise EOFError
        if question is not None:
            self._connection.send(question)
        fine, answer = self._connection.recv()
        if not fine:
            raise ServiceError(*answer)
        return answer

    def _connect(self) -> dict[str, Any]:
        deadline = time.monotonic() + _CONNECT_S
        while True:
            try:
                self._connection = Client(self._address.socket, "AF_UNIX", authkey=self._address.secret)
                self._connection.send(self._kind)
                send_handle(self._connection, self._block.descriptor, None)
                about: dict[str, Any] = self._exchange(None)
                return about
            except (EOFError, OSError) as error:
                with contextlib.suppress(OSError):
                    if self._connection is not None:
                        self._connection.close()
                self._connection = None
                if time.monotonic() > deadline:
                    raise ServiceError("the process of the networks does not answer") from error
                time.sleep(0.1)


class SharedDetector:
    """A stateless `Detector` whose network runs in the service."""

    stateful = False

    def __init__(self, address: ServiceAddress) -> None:
        self._line = _Line(address, "detect")
        self.name: str = self._line.about["name"]
        self.fingerprint: str = self._line.about["fingerprint"]
        self.batch_size: int = self._line.about["batch_size"]

    def for_camera(self, camera_id: str) -> SharedDetector:
        """Itself: pictures do not depend on each other."""
        return self

    def detect(
        self, images_rgb: Sequence[np.ndarray], frame_indices: Sequence[int], times_s: Sequence[float]
    ) -> list[Detections]:
        """See `Detector.detect`."""
        return self._line.ask(images_rgb, frame_indices, times_s) if len(images_rgb) else []


class SharedEmbedder:
    """An `Embedder` whose network runs in the service."""

    def __init__(self, address: ServiceAddress) -> None:
        self._line = _Line(address, "embed")
        about = self._line.about
        self.name: str = about["name"]
        self.fingerprint: str = about["fingerprint"]
        self.dimension: int = about["dimension"]
        self.input_hw: tuple[int, int] = about["input_hw"]
        self.batch_size: int = about["batch_size"]

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        """See `Embedder.embed`. A batch at a time, so that no camera fills the block, or the queue, alone."""
        rows = np.zeros((len(crops_rgb), self.dimension), np.float32)
        for start in range(0, len(crops_rgb), self.batch_size):
            some = crops_rgb[start : start + self.batch_size]
            rows[start : start + len(some)] = np.stack(self._line.ask(some))
        return rows

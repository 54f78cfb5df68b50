"""Starting the service where a run gains by it, and keeping it alive as long as the run lasts."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

from mtmc.model_service.clients import ServiceAddress
from mtmc.model_service.models import RunModels
from mtmc.model_service.service import Models, serve
from mtmc.workers import THREAD_VARIABLES, environment, undisturbed

_MOST_STARTS = 4  # a network that crashes on what it is fed does so again; by then the cameras' tries are used up too
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def running_service(models: Models, detects: bool, embeds: bool) -> Iterator[ServiceAddress]:
    """Start the service, and start it again should it die; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="mtmc-models-") as folder:
        address = ServiceAddress(str(Path(folder) / "socket"), secrets.token_bytes(32), detects, embeds)
        keeper = _Keeper(address, models)
        try:
            yield address
        finally:
            keeper.stop()


class _Keeper:
    """The service's process and the thread that watches it."""

    def __init__(self, address: ServiceAddress, models: Models) -> None:
        self._address, self._models = address, models
        self._lock, self._stopped = threading.Lock(), False
        self._process = self._start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _start(self) -> BaseProcess:
        Path(self._address.socket).unlink(missing_ok=True)  # of the one that died
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(self._address, self._models), daemon=True
        )
        # As in the camera processes: the last bits of NumPy's products follow the number of threads.
        with environment(dict.fromkeys(THREAD_VARIABLES, "1")), undisturbed():
            process.start()
        return process

    def _watch(self) -> None:
        for start in range(2, _MOST_STARTS + 1):
            self._process.join()
            with self._lock:
                if self._stopped:
                    return
                _log.warning("the process of the networks died (status %s); start %d of %d", self._process.exitcode,
                             start, _MOST_STARTS)  # fmt: skip
                self._process = self._start()

    def stop(self) -> None:
        """End the process."""
        with self._lock:
            self._stopped = True
            self._process.terminate()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def worth_sharing(models: RunModels, wish: str) -> bool:
    """Whether a run should have the service. wish: "always", "never", or "auto": where the networks run on a GPU;
    on a CPU several processes with a network each keep the cores busier than one."""
    if wish == "never" or not (models.detects or models.embeds):
        return False
    devices = [device for device, used in ((models.config.detector.device, models.detects),
                                           (models.config.embedder.device, models.embeds)) if used]  # fmt: skip
    if wish == "always" or any(device.startswith("cuda") for device in devices):
        return True
    return "auto" in devices and _has_gpu()


def _has_gpu() -> bool:
    """Asked of torch in a process that goes away again: the one that asks stays small."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    program = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0

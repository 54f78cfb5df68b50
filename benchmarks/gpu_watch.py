"""How busy a GPU is while something else runs, by asking nvidia-smi twice a second."""

from __future__ import annotations

import contextlib
import math
import subprocess
import threading
from types import TracebackType

_COMMAND = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]


class GpuWatch:
    """A context; `busy` tells of the time inside it. every_s: seconds between two questions."""

    def __init__(self, every_s: float = 0.5) -> None:
        self._every_s, self._shares = every_s, list[float]()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> GpuWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def busy(self) -> float:
        """Mean share of the time, 0 to 1, in which the first GPU was busy while it was (from its first work to its
        last, so that start-up does not count); NaN where there is no GPU."""
        at_work = [place for place, share in enumerate(self._shares) if share > 0]
        if not self._shares:
            return math.nan
        inside = self._shares[at_work[0] : at_work[-1] + 1] if at_work else [0.0]
        return sum(inside) / len(inside)

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            with contextlib.suppress(OSError, ValueError, IndexError, subprocess.SubprocessError):
                answer = subprocess.run(_COMMAND, capture_output=True, text=True, check=True, timeout=10).stdout
                self._shares.append(float(answer.splitlines()[0]) / 100)

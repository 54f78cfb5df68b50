"""Wall seconds by stage, for the cost table."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Stopwatch:
    """Adds up the seconds spent in named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Count the block's wall time towards `stage`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def rounded(self) -> dict[str, float]:
        """Seconds by stage to the millisecond."""
        return {stage: round(seconds, 3) for stage, seconds in self.seconds.items()}

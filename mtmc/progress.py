"""What a person sees while a run works: bars on a terminal, nothing in a pipe or a log."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from tqdm import tqdm


class CameraBars:
    """One bar a camera at work, over the seconds of its video where they are known.

    quiet: show nothing (always so where stderr is no terminal).
    """

    def __init__(self, names: list[str], quiet: bool) -> None:
        self._names = names
        self._bars: dict[int, tqdm[Any]] = {}
        self._hidden = quiet or sys.stderr is None or not sys.stderr.isatty()
        self._total = tqdm(total=len(names), desc="cameras", unit="camera", position=0, disable=self._hidden)

    def __enter__(self) -> CameraBars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in [*self._bars.values(), self._total]:
            bar.close()

    def update(self, camera: int, what: dict[str, Any]) -> None:
        """`what` is a job's news: frames done, the video's time and its length by the header (or NaN) in seconds."""
        if self._hidden:
            return
        if camera not in self._bars:
            duration = what["length_s"]
            self._bars[camera] = tqdm(
                total=round(duration, 1) if duration == duration else None, desc=self._names[camera], unit="s",
                leave=False, bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s of video [{elapsed}<{remaining}{postfix}]"
                if duration == duration else None,
            )  # fmt: skip
        bar = self._bars[camera]
        bar.n = min(what["video_s"], bar.total or what["video_s"])
        seconds = max(bar.format_dict["elapsed"], 1e-3)
        bar.set_postfix_str(f"{what['frames'] / seconds:.0f} frames/s", refresh=True)

    def finish(self, camera: int) -> None:
        """The camera is done, well or badly."""
        if camera in self._bars:
            self._bars.pop(camera).close()
        self._total.update()

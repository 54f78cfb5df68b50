"""Presentation times as files really carry them (missing, doubled, jumping, started again) → strictly rising seconds.

Pure arithmetic, numbers in and one out, so that it is tested without a video.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import NamedTuple, TypeVar

T = TypeVar("T")

READ = "read"  # as the file says
REPAIRED = "repaired"  # put between its neighbours
RESET = "reset"  # the file's clock was started again here; time goes on by one typical step

# Pictures looked at ahead, to tell a few wrong times (damage) from a clock that was set. Each is a picture in memory.
LOOK_AHEAD = 4
# A clock that goes back by less is only unsteady; by more, it was set or started again.
RESET_S = 1.0
# A pause longer than this is believed of nobody: the clock was set.
MAX_PAUSE_S = 86_400.0
# Steps up to this need no second look.
_PLAIN_STEP_S = 1.0
# Step where the file's clock stands still: small, so that the clock catches up soon.
STANDSTILL_STEP_S = 0.001
DEFAULT_RATE_HZ = 25.0  # until two pictures have shown their distance
PLAUSIBLE_RATES_HZ = (0.01, 1000.0)


class Placed(NamedTuple):
    """seconds: on the file's own clock, strictly rising. step_s: since the picture before (0 for the first).
    typical_s: the usual step until now. how: READ, REPAIRED or RESET."""

    seconds: float
    step_s: float
    typical_s: float
    how: str


class FileClock:
    """Places pictures, given in order of presentation, in time. rate_hz: what the container claims, or 0."""

    def __init__(self, rate_hz: float = 0.0) -> None:
        low, high = PLAUSIBLE_RATES_HZ
        self._first_guess_s = 1 / rate_hz if low <= rate_hz <= high else 1 / DEFAULT_RATE_HZ
        # The median of the last few steps survives single jumps and follows a rate that really changes.
        self._steps: deque[float] = deque(maxlen=15)
        self._last: float | None = None
        self._shift = 0.0  # what resets have added so far
        self._anchored = False  # whether any time was read from the file yet

    @property
    def typical_s(self) -> float:
        """The usual distance between two pictures, in seconds."""
        return median(self._steps) if self._steps else self._first_guess_s

    def place(self, raw: float | None, following: Sequence[float | None] = ()) -> Placed:
        """The time of a picture whose file time is `raw`, where the next pictures' are `following` (None: missing)."""
        typical = self.typical_s
        if self._last is None:
            seconds, how = self._first(raw, following, typical)
            self._last, self._anchored = seconds, raw is not None
            return Placed(seconds, 0.0, typical, how)
        if raw is not None and not self._anchored:
            if raw <= self._last:
                self._shift = self._last + typical - raw  # the times made up so far were no time of the file's
            self._anchored = True
        value = None if raw is None else raw + self._shift
        ahead = [None if time is None else time + self._shift for time in following]
        seconds, how = self._next(self._last, value, ahead, typical)
        step = seconds - self._last
        if how == READ:
            self._steps.append(step)
        self._last = seconds
        return Placed(seconds, step, typical, how)

    @staticmethod
    def _first(raw: float | None, following: Sequence[float | None], typical: float) -> tuple[float, str]:
        known = [(place, time) for place, time in enumerate((raw, *following)) if time is not None]
        chain = _longest_rise(-math.inf, known)
        if raw is not None and (not chain or _rise_from(raw, known[1:]) + 1 >= len(chain)):
            return raw, READ
        return (chain[0][1] - chain[0][0] * typical if chain else 0.0), REPAIRED

    def _next(self, last: float, value: float | None, ahead: list[float | None], typical: float) -> tuple[float, str]:
        soon = ahead[0] if ahead else None
        if value is not None and soon is not None and last < value < soon and soon - last <= _PLAIN_STEP_S:
            return value, READ
        known = [(place, time) for place, time in enumerate(ahead, start=1) if time is not None]
        chain = _longest_rise(last, known)
        if value is not None and last < value <= last + MAX_PAUSE_S and _rise_from(value, known) + 1 >= len(chain):
            return value, READ
        if chain:  # missing, or out of place before times that are in order
            step = min(typical, (chain[0][1] - last) / (chain[0][0] + 1))
            return self._later(last, step), REPAIRED
        if value is not None and not last - RESET_S < value <= last + MAX_PAUSE_S:
            self._shift += last + typical - value
            return self._later(last, typical), RESET
        return self._later(last, typical if value is None else STANDSTILL_STEP_S), REPAIRED

    @staticmethod
    def _later(last: float, step: float) -> float:
        """`last + step`, and later than `last` also where the step is lost in rounding."""
        return max(last + step, math.nextafter(last, math.inf))


def with_following(items: Iterable[T], count: int = LOOK_AHEAD) -> Iterator[tuple[T, tuple[T, ...]]]:
    """Every item with the `count` after it, fewer near the end."""
    held: deque[T] = deque()
    for item in items:
        held.append(item)
        if len(held) > count:
            yield held.popleft(), tuple(held)
    while held:
        yield held.popleft(), tuple(held)


def _longest_rise(after: float, known: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The most (place, time) pairs of `known`, in order, whose times rise from `after` on without an unbelievable
    pause; of several such, the one with the earliest places."""
    best: list[tuple[int, float]] = []
    for at, (place, time) in enumerate(known):
        if len(known) - at <= len(best):
            break
        if after < time and (time <= after + MAX_PAUSE_S or after == -math.inf):
            chain = [(place, time), *_longest_rise(time, known[at + 1 :])]
            best = max(best, chain, key=len)
    return best


def _rise_from(value: float, known: Sequence[tuple[int, float]]) -> int:
    """How many times of `known` can follow `value`."""
    return len(_longest_rise(value, known))

"""Two cameras' clocks, told apart from the way between them: what they differ by, and how fast that grows.

A travel time holds the difference of the clocks. On traffic one way the two cannot be told apart; with traffic both
ways the difference lengthens one way and shortens the other. Where views overlap the travel time is next to nothing, so
what changes in it over hours is the clocks'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are first used

ENOUGH = 5  # vehicles behind a travel time, or an offset, that is believed
ENOUGH_FOR_DRIFT = 20
SLOPES_FROM = 400  # vehicles; the slopes of all their pairs are looked at
LEAST_OFFSET_ERROR_S = 0.05  # edges of tracklets are seen at frames


@dataclass(frozen=True, eq=False)
class Travels:
    """The vehicles that went from one camera to another. travel_s: (N,) in order, start in the second - end in the
    first. at_s: (N,) when each left the first. direct: (N,) bool, by no other camera on the way."""

    travel_s: np.ndarray
    at_s: np.ndarray
    direct: np.ndarray

    def straight(self) -> Travels:
        """Those by no other camera: there and back take about as long only on one and the same way."""
        return Travels(self.travel_s[self.direct], self.at_s[self.direct], self.direct[self.direct])

    def __len__(self) -> int:
        return len(self.travel_s)


NO_TRAVELS = Travels(np.zeros(0), np.zeros(0), np.zeros(0, bool))


def clock_offset(there: Travels, back: Travels) -> tuple[float, float]:
    """Clock of the second camera minus that of the first in seconds, with its standard error; NaN without traffic both
    ways.

    Half the difference of the medians, if the way takes as long in both directions; that this may be wrong by a tenth
    is part of the error.
    """
    if min(len(there), len(back)) < ENOUGH:
        return np.nan, np.nan
    middle = [float(np.median(way.travel_s)) for way in (there, back)]
    errors = [_error_of_median(way.travel_s) for way in (there, back)]
    unequal = 0.05 * abs(sum(middle)) / 2
    error = np.sqrt(sum(np.square(errors)) / 4 + unequal**2 + LEAST_OFFSET_ERROR_S**2)
    return (middle[0] - middle[1]) / 2, float(error)


def _error_of_median(values: np.ndarray) -> float:
    """Standard error, from the median deviation (stops do not count); as much wider as Student's distribution is for so
    few values, so that two errors mean the same for 5 vehicles and for 50."""
    deviation = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return 1.2533 * deviation / np.sqrt(len(values)) * float(scipy.special.stdtrit(len(values) - 1, 0.975)) / 1.96


def clock_drift(there: Travels, back: Travels) -> tuple[float, float]:
    """How fast the second camera's clock gains on the first's, in seconds an hour, with its standard error; NaN where
    too few vehicles tell.

    The slope of travel times over the recording (Theil 1950, Sen 1968: the median over pairs, so that stops do not
    count). With traffic both ways half the difference of the two slopes, so that streets that fill cancel; one way
    only where views overlap.
    """
    if min(len(there), len(back)) >= ENOUGH_FOR_DRIFT:
        (forth, forth_error), (home, home_error) = _slope(there), _slope(back)
        return (forth - home) / 2, float(np.hypot(forth_error, home_error)) / 2
    if len(there) >= ENOUGH_FOR_DRIFT and np.median(there.travel_s) < 0:
        return _slope(there)
    return np.nan, np.nan


def _slope(way: Travels) -> tuple[float, float]:
    """Seconds an hour, and the standard error."""
    from scipy.stats import theilslopes  # half a second to import, and few runs have traffic enough to need it

    order = np.argsort(way.at_s, kind="stable")
    some = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), SLOPES_FROM)).astype(np.int64))]
    hours = way.at_s[some] / 3600
    if hours[-1] - hours[0] <= 0:
        return np.nan, np.nan
    slope, _, low, high = theilslopes(way.travel_s[some], hours, alpha=0.6827)
    return float(slope), float(high - low) / 2

"""Independent parts of one computation on all cores: NumPy lets go of Python's lock while it works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mtmc.machine import usable_cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`function` of every item, in their order whatever the number of cores. The first exception is raised."""
    cores = usable_cores()
    if cores == 1 or len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(function, items))

"""Executors by name; each is imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable

from mtmc.config import did_you_mean
from mtmc.errors import ConfigError
from mtmc.executors.executor import Executor


def _local() -> Executor:
    from mtmc.executors.local import LocalExecutor

    return LocalExecutor()


def _ray() -> Executor:
    from mtmc.executors.ray_cluster import RayExecutor

    return RayExecutor()


EXECUTORS: dict[str, Callable[[], Executor]] = {"local": _local, "ray": _ray}


def executor_named(name: str) -> Executor:
    """Raises `ConfigError` for an unknown name, or where what it needs is not installed."""
    if name not in EXECUTORS:
        raise ConfigError("process.executor", "a known executor", name, did_you_mean(name, EXECUTORS))
    return EXECUTORS[name]()

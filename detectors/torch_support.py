"""What both torch detectors need: device, threads, and a look at whether a network was ever trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch

from mtmc.errors import ConfigError, WeightsError


def torch_device(name: str) -> torch.device:
    """The device of `detector.device`. Raises `ConfigError` where it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError("detector.device", f"one of {torch.cuda.device_count()} CUDA devices", name,
                          "Use device auto or cpu.")
    return device


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run with `count` CPU threads (0: as they are), and put the number back: it belongs to the whole process."""
    before = torch.get_num_threads()
    if count and count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def refuse_untrained(model: torch.nn.Module, path: Path) -> None:
    """Raise `WeightsError` for a network whose normalisation has never seen a picture: its weights are random.

    Training moves the running means of every batch normalisation away from the 0 they start at.
    """
    layers = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    means = [layer.running_mean for layer in layers if layer.running_mean is not None]
    if means and not any(bool(mean.any()) for mean in means):
        raise WeightsError(path, "trained weights", "a network that was never trained: its weights are random",
                           "Train it first, or --download yolo26n.")
    if not all(bool(torch.isfinite(values).all()) for values in model.state_dict().values()):
        raise WeightsError(path, "finite weights", "NaN or infinity among them", "Fetch or train it again.")

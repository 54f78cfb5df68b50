"""The whole state of a training in one safetensors file: a resumed run continues bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from mtmc.config import build, to_plain
from mtmc.errors import ConfigError, WeightsError
from mtmc.files import write_bytes
from reid_models.training.config import TrainConfig

# Settings that change neither a batch nor a gradient, and may differ when a training is taken up again.
FREE = {"device", "threads", "checkpoint_minutes", "validate_every"}


@dataclass
class Progress:
    """Where a training stands. step: optimiser steps done. seconds: time spent in them. best: highest validation
    score so far, -1 before the first."""

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)  # of validations


def save_checkpoint(path: Path, config: TrainConfig, progress: Progress, modules: dict[str, nn.Module],
                    optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler,
                    sampler: dict[str, np.ndarray]) -> None:
    """Write everything that a later step depends on, atomically. sampler: its `state`."""
    tensors = {f"{prefix}.{name}": tensor for prefix, module in modules.items()
               for name, tensor in module.state_dict().items()}
    tensors |= {f"sampler.{name}": torch.from_numpy(array) for name, array in sampler.items()}
    numbers: dict[str, float] = {}
    for key, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser.{key}.{name}"] = value
            elif value is not None:
                numbers[f"{key}.{name}"] = value
    header = {"config": to_plain(config), "progress": to_plain(progress), "numbers": numbers,
              "scaler": scaler.state_dict()}
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, safetensors_bytes(whole, {"training": json.dumps(header)}))


def load_checkpoint(path: Path, config: TrainConfig, modules: dict[str, nn.Module],
                    optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler,
                    ) -> tuple[Progress, dict[str, np.ndarray]]:
    """Put the state of `path` back, and give the progress and the sampler's state. Raises `WeightsError` where the file
    is no checkpoint, `ConfigError` where it was made with other settings, naming the first that differs."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise WeightsError(path, "a whole training checkpoint", str(error), "Delete it to start again.") from error
    # Through the dataclass, so that settings which did not exist when it was written stand at their defaults.
    _same_settings(path, to_plain(build(TrainConfig, header["config"], str(path))), to_plain(config))
    for prefix, module in modules.items():
        mine = {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
        module.load_state_dict(mine, strict=True)
    optimiser.load_state_dict({"state": _optimiser_state(tensors, header["numbers"]),
                               "param_groups": optimiser.state_dict()["param_groups"]})
    _lay_like_weights(optimiser)
    if header["scaler"]:
        scaler.load_state_dict(header["scaler"])
    sampler = {n.removeprefix("sampler."): t.numpy() for n, t in tensors.items() if n.startswith("sampler.")}
    return Progress(**header["progress"]), sampler


def _optimiser_state(tensors: dict[str, Tensor], numbers: dict[str, float]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    prefix = "optimiser."
    entries: list[tuple[str, Any]] = [(n[len(prefix) :], t) for n, t in tensors.items() if n.startswith(prefix)]
    for key, value in [*entries, *numbers.items()]:
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    return state


def _lay_like_weights(optimiser: torch.optim.Optimizer) -> None:
    """Moments in the memory layout of their weights (channels last), which fused optimisers take for granted: they walk
    through both without looking at strides."""
    for weight, state in optimiser.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _same_settings(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    for key, before, now in _differences(json.loads(json.dumps(old)), json.loads(json.dumps(new)), ""):
        if key not in FREE:
            raise ConfigError(f"{path}: {key}", f"{before}, as this training was begun", str(now),
                              "Give the same settings, or another --out to begin anew.")


def _differences(old: Any, new: Any, key: str) -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        return [d for n in names for d in _differences(old.get(n), new.get(n), f"{key}.{n}".lstrip("."))]
    return [] if old == new else [(key, old, new)]

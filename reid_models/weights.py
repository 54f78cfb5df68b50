"""Weights files: safetensors only, strict both ways, and each says how to use it.

A file holds the network without classifiers, in half precision where that loses nothing that matters, and a
description in its metadata: the `ModelConfig`, the training data, the licence, the scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from mtmc.config import to_plain
from mtmc.errors import ConfigError, WeightsError
from mtmc.files import write_bytes
from reid_models.architectures import build_network
from reid_models.embedding_network import EmbeddingNetwork
from reid_models.weights_file import FORMAT, RETRAIN, WeightsInfo, info_in, open_weights, read_info

__all__ = ["FORMAT", "WeightsInfo", "load_weights", "read_info", "save_weights", "stored_tensors"]


def save_weights(path: Path, model: EmbeddingNetwork, info: WeightsInfo,
                 precision: Literal["float16", "float32"] = "float16") -> None:
    """Write `model` without classifiers, atomically. Norms and biases (one per cent of the file) stay float32,
    since running variances reach beyond half precision."""
    if info.model != model.config:
        raise ConfigError("weights info", "the model's own configuration", str(info.model))
    tensors = {}
    for name, tensor in stored_tensors(model).items():
        half = precision == "float16" and tensor.ndim > 1
        tensors[name] = tensor.detach().cpu().to(torch.float16 if half else torch.float32).contiguous()
        if not torch.isfinite(tensors[name]).all():
            raise WeightsError(path, "finite weights", f"NaN or infinity in {name}", "Train again or store float32.")
    metadata = {FORMAT: json.dumps(to_plain(info), sort_keys=True)}
    write_bytes(path, safetensors_bytes(tensors, metadata))


def load_weights(path: Path) -> tuple[EmbeddingNetwork, WeightsInfo]:
    """The network of a file, float32, on the CPU, in evaluation mode, with its description.

    Raises `WeightsError` naming the file, what was expected and what was found: no such file, not safetensors, another
    format, a tensor missing, left over or of another shape, or not finite.
    """
    path = Path(path)
    found, metadata = _read(path)
    info = info_in(path, metadata)
    model = build_network(info.model)
    expected = stored_tensors(model)
    _compare(path, expected, found)
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(found[name].float())
    return model.eval(), info


def stored_tensors(model: EmbeddingNetwork) -> dict[str, Tensor]:
    """The tensors of `model` that a weights file holds, by name: all but classifiers and batch counters."""
    state = model.state_dict()
    return {n: t for n, t in state.items() if ".classifier." not in n and not n.endswith("num_batches_tracked")}


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    found, metadata = open_weights(path, "pt", tensors=True)
    for name, tensor in found.items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(path, "finite weights", f"NaN or infinity in {name}", "Fetch or train the file again.")
    return found, metadata


def _compare(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    for word, names in (("missing", sorted(expected.keys() - found.keys())),
                        ("left over", sorted(found.keys() - expected.keys()))):
        if names:
            raise WeightsError(path, f"the {len(expected)} tensors of its model",
                               f"{len(names)} {word}, first {names[0]}", RETRAIN)
    for name, tensor in expected.items():
        if tensor.shape != found[name].shape:
            raise WeightsError(path, f"{name} of shape {tuple(tensor.shape)}", f"{tuple(found[name].shape)}", RETRAIN)

"""What a weights file holds, read without torch: its tensors as arrays and what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from mtmc.config import build
from mtmc.errors import WeightsError
from reid_models.model_config import ModelConfig

FORMAT = "mtmc-reid-1"  # the only key of the metadata: with several, safetensors writes them in no fixed order
RETRAIN = "Give a file written by tools/train_reid.py."


@dataclass(frozen=True)
class WeightsInfo:
    """What a weights file says of itself."""

    model: ModelConfig
    name: str = "multilevel"
    licence: str = ""
    training_data: str = ""  # which images, with the SHA-256 of their list
    command: str = ""  # that trains it again
    scores: dict[str, float] = field(default_factory=dict)  # "protocol metric" → per cent


def read_info(path: Path) -> WeightsInfo:
    """The description of a file, without its tensors. Raises `WeightsError` as `read_arrays` does."""
    return info_in(Path(path), open_weights(Path(path), "np", tensors=False)[1])


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], WeightsInfo]:
    """Name → float32 array of all tensors, and the description.

    Raises `WeightsError` for no such file, a file that is not safetensors, another format, or values not finite.
    """
    found, metadata = open_weights(Path(path), "np", tensors=True)
    arrays = {name: np.asarray(tensor, np.float32) for name, tensor in found.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise WeightsError(path, "finite weights", f"NaN or infinity in {name}", "Fetch or train the file again.")
    return arrays, info_in(Path(path), metadata)


def open_weights(path: Path, framework: Literal["np", "pt"], tensors: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Tensors (where asked for) as `framework` has them, and the raw metadata."""
    if not path.is_file():
        raise WeightsError(path, "a safetensors file", "no such file",
                           "Name another with --weights, or leave it out for the embedder that needs none.")
    try:
        with safe_open(path, framework=framework) as file:
            found = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118
            return found, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise WeightsError(path, "a whole safetensors file", " ".join(str(error).split()), RETRAIN) from error


def info_in(path: Path, metadata: Mapping[str, str]) -> WeightsInfo:
    """The description in a file's metadata. Raises `WeightsError` where there is none of ours."""
    if FORMAT not in metadata:
        raise WeightsError(path, f"metadata {FORMAT}", ", ".join(sorted(metadata)) or "none", RETRAIN)
    try:
        values: dict[str, Any] = json.loads(metadata[FORMAT])
        return build(WeightsInfo, values, f"{path} metadata")
    except (KeyError, ValueError, TypeError) as error:
        raise WeightsError(path, "a description of the model in its metadata", str(error), RETRAIN) from error

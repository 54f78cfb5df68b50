"""A fitted encoding in one safetensors file: its arrays, and in the metadata what they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as safetensors_bytes

from mtmc.config import build, to_plain
from mtmc.errors import ConfigError, WeightsError
from mtmc.files import write_bytes
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.names import ENCODINGS

FORMAT = "mtmc-encoding-1"  # the only key of the metadata, as in weights files
REFIT = "Give a file written by tools/fit_encoding.py."


@dataclass(frozen=True)
class EncodingInfo:
    """name: of the encoding. backbone_sha256: of the network whose maps it reads, "" without one. training_data:
    what it was fitted on. dimension: length of its vectors."""

    name: str
    config: EncodingConfig = field(default_factory=EncodingConfig)
    backbone_sha256: str = ""
    training_data: str = ""
    dimension: int = 0


def save_encoding(path: Path, info: EncodingInfo, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the file, atomically; the same bytes for the same content."""
    plain = {name: np.ascontiguousarray(arrays[name], np.float32) for name in sorted(arrays)}
    for name, array in plain.items():
        if not np.isfinite(array).all():
            raise WeightsError(path, "finite numbers", f"NaN or infinity in {name}", "Fit on other pictures.")
    write_bytes(path, safetensors_bytes(plain, {FORMAT: json.dumps(to_plain(info), sort_keys=True)}))


def load_encoding(path: Path) -> tuple[EncodingInfo, dict[str, np.ndarray]]:
    """The description and the float32 arrays. Raises `WeightsError` naming what is wrong with the file."""
    path = Path(path)
    if not path.is_file():
        raise WeightsError(path, "a fitted encoding (.safetensors)", "no such file", REFIT)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(path, "a whole safetensors file", " ".join(str(error).split()), REFIT) from error
    if FORMAT not in metadata:
        raise WeightsError(path, f"metadata {FORMAT}", ", ".join(sorted(metadata)) or "none", REFIT)
    try:
        info = build(EncodingInfo, json.loads(metadata[FORMAT]), f"{path} metadata")
    except (ConfigError, ValueError, TypeError) as error:
        raise WeightsError(path, "a description of the encoding in its metadata", str(error), REFIT) from error
    if info.name not in ENCODINGS:
        raise WeightsError(path, "an encoding out of " + ", ".join(ENCODINGS), info.name, REFIT)
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise WeightsError(path, "finite float32 numbers", f"others in {name}", REFIT)
    return info, arrays

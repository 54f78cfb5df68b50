"""Which runtime a run's embedder uses, and how a run remembers it, so that going on makes the same vectors."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtmc.errors import WeightsError
from mtmc.files import sha256_of
from reid_models.registry import Backend, EmbedderConfig, weights_of, with_backend

_BACKENDS: tuple[Backend, ...] = ("torch", "onnx", "openvino")
_PACKAGES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}


@dataclass(frozen=True)
class EmbedderChoice:
    """config: with its back end settled. facts: for `run.json`, where `settle` finds them again. lines: for the
    user."""

    config: EmbedderConfig
    facts: dict[str, str]
    lines: tuple[str, ...]


def settle(config: EmbedderConfig, run_json: Mapping[str, Any]) -> EmbedderChoice:
    """The back end for a run: the one asked for, else the one that this run (as `run_json` tells) began with the same
    weights, else the fastest. Raises as `backends.choose`, and `WeightsError` for weights that cannot be read."""
    weights = weights_of(config)
    if weights is None:
        line = "embedder: colour-texture (no network; give trained weights with --weights FILE for better links)"
        return EmbedderChoice(config, {}, (line,))
    try:
        sha256 = sha256_of(weights)
    except OSError as error:
        raise WeightsError(str(weights), "a weights file (.safetensors)", error.strerror or str(error),
                           "Name another with --weights, or leave it out for the embedder that needs none.") from error
    chosen, said = with_backend(config, _remembered(run_json, sha256))
    how = f", {_PACKAGES[chosen.backend]}" if chosen.backend in _PACKAGES else ""
    precision = f" in {chosen.precision}" if how and chosen.precision != "auto" else ""
    name = f"{config.name} of {weights.name}" if config.is_encoding else weights.name
    colour = " + colour-texture" if config.adds_colour else ""
    facts = {"weights_sha256": sha256, "backend": chosen.backend, "precision": chosen.precision}
    if chosen.backend == "openvino":  # a package that may be missing: its version counts only where it is used
        facts["openvino"] = importlib.metadata.version("openvino")
    return EmbedderChoice(chosen, facts, (f"embedder: {name}{how}{precision}{colour}", *said))


def _remembered(run_json: Mapping[str, Any], sha256: str) -> Backend:
    known = run_json.get("embedder")
    if isinstance(known, dict) and known.get("weights_sha256") == sha256:
        for backend in _BACKENDS:
            if known.get("backend") == backend:
                return backend
    return "auto"

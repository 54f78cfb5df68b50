"""Which runtime the embedder's network runs on: each one is compared with torch before it is used, then timed.

A back end is used only if, for one crop, for two and for a batch and one more, every vector is torch's (cosine of at
least 0.999, the same nearest neighbours), and if the same crop gives the same bits in any company. The result is kept
in the user's cache under the weights, the settings, the processor and the versions; a run keeps its own in `run.json`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from mtmc.errors import ConfigError, MtmcError, OutputError, WeightsError
from mtmc.files import sha256_of, write_json
from reid_models.embedder import Embedder
from reid_models.reference import KINDS, cache_folder, reference_crops, reference_vectors
from reid_models.registry import Backend, EmbedderConfig, Precision

PACKAGES: dict[Backend, str] = {"onnx": "onnxruntime", "openvino": "openvino"}
LEAST_COSINE = 0.999  # issue 6: the same accuracy
_FASTER = 0.9  # of the time of the one before it in PACKAGES: noise must not choose
_FORMAT = 1  # of what the cache holds


@dataclass(frozen=True)
class Choice:
    """backend, precision: what to put into an `EmbedderConfig`. milliseconds: processor time a crop, 0 where not
    measured. said: lines for the user: what was refused and why."""

    backend: Backend
    precision: Precision
    milliseconds: float = 0.0
    said: tuple[str, ...] = ()


def choose(weights: Path, config: EmbedderConfig, remembered: Backend = "auto") -> Choice:
    """The back end for `config`: the one it names, else `remembered`, which an earlier run used, else the fastest.

    Torch runs on GPUs, and where no other back end agrees with it; it is not timed, since importing it alone costs more
    than most runs embed. Raises `ConfigError` where the one named is not installed or cannot do what is asked,
    `WeightsError` where it does not agree with torch.
    """
    if config.backend != "auto":
        return _named(weights, config)
    if on_gpu(config.device):
        return Choice("torch", config.precision)
    if remembered == "torch":
        return Choice("torch", config.precision)
    said: list[str] = []
    if remembered in PACKAGES:
        with _noting(said, f"back end {remembered}, which this run used before, is left out"):
            return _examined(weights, replace(config, backend=remembered))
    found: list[Choice] = []
    for backend in PACKAGES:
        if not installed(backend):
            continue
        with _noting(said, f"back end {backend} is left out"):
            found.append(_examined(weights, replace(config, backend=backend)))
    best = Choice("torch", config.precision)
    for choice in found:
        if best.backend == "torch" or choice.milliseconds < _FASTER * best.milliseconds:
            best = choice
    return replace(best, said=tuple(said))


def installed(backend: Backend) -> bool:
    """Whether the package of a back end can be imported."""
    return backend == "torch" or importlib.util.find_spec(PACKAGES[backend]) is not None


def on_gpu(device: str) -> bool:
    """Whether `device` means a GPU here. Torch is asked only where the system shows one: asking costs seconds."""
    if device != "auto":
        return device != "cpu"
    if not any(os.path.exists(f"/dev/{name}") for name in ("nvidiactl", "nvidia0", "kfd", "dxg")):
        return False
    import torch

    return torch.cuda.is_available()


def disagreement(embedder: Embedder, reference: np.ndarray) -> str:
    """Why `embedder` may not stand in for torch, "" where it may. reference: torch's vectors of `reference_crops`."""
    crops = reference_crops()
    many = [crops[i % len(crops)] for i in range(embedder.batch_size + 1)]
    expected = reference[np.arange(len(many)) % len(crops)]
    rows = embedder.embed(many)
    for count, found in ((1, embedder.embed(crops[:1])), (2, embedder.embed(crops[:2])), (len(many), rows)):
        if found.shape != (count, reference.shape[1]):
            return f"vectors {found.shape} for {count} crops, torch {(count, reference.shape[1])}"
        cosine = float((found * expected[:count]).sum(axis=1).min())
        if not cosine >= LEAST_COSINE:
            return f"its vectors differ from torch's: cosine {cosine:.5f} at {count} crops"
        if not np.array_equal(found, rows[:count]):
            return f"a crop's vector depends on the crops beside it (at {count} crops)"
    own = embedder.embed(crops)
    if not np.array_equal(nearest(own), nearest(reference)):
        return "its nearest neighbours differ from torch's"
    return ""


def nearest(vectors: np.ndarray) -> np.ndarray:
    """(8,) which second view is nearest to each first view."""
    first, second = vectors[:KINDS].astype(np.float64), vectors[KINDS:].astype(np.float64)
    return np.asarray(np.argmax(first @ second.T, axis=1))


def _named(weights: Path, config: EmbedderConfig) -> Choice:
    if config.backend == "torch":
        return Choice("torch", config.precision)
    if not installed(config.backend):
        raise ConfigError(f"--backend {config.backend}", f"the package {PACKAGES[config.backend]}", "it is not there",
                          f"Install {PACKAGES[config.backend]}, or use --backend auto.")
    return _examined(weights, config)


def _examined(weights: Path, config: EmbedderConfig) -> Choice:
    """The verdict on one back end, from the cache or made now. Raises as `choose`."""
    precision = _precision(config)
    config = replace(config, precision=precision)
    path = cache_folder() / "backends" / f"{_key(weights, config)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text())
        return _verdict(weights, config, str(kept["trouble"]), float(kept["milliseconds"]))
    trouble, milliseconds = _measure(weights, config)
    with contextlib.suppress(OutputError, OSError):  # a cache that cannot be written costs time, no run
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"trouble": trouble, "milliseconds": milliseconds})
    return _verdict(weights, config, trouble, milliseconds)


def _verdict(weights: Path, config: EmbedderConfig, trouble: str, milliseconds: float) -> Choice:
    if trouble:
        raise WeightsError(f"--backend {config.backend}", f"torch's embeddings of {weights.name}", trouble,
                           "Use --backend auto or torch.")
    return Choice(config.backend, config.precision, milliseconds)


def _measure(weights: Path, config: EmbedderConfig) -> tuple[str, float]:
    from reid_models.runtime_embedder import RuntimeEmbedder

    # Without mirror images, which only add two vectors.
    embedder = RuntimeEmbedder(weights, config.backend, replace(config, flip_at_test=False))
    trouble = disagreement(embedder, reference_vectors(weights))
    crops, times = [reference_crops()[0]] * config.batch_size, []
    for _ in range(3):
        start = time.process_time()
        embedder.embed(crops)
        times.append((time.process_time() - start) * 1000 / config.batch_size)
    return trouble, round(sorted(times)[1], 3)


def _precision(config: EmbedderConfig) -> Precision:
    """"auto" is bfloat16 where back end and processor have it: it halves the time at a cosine of 0.9999."""
    if config.precision != "auto":
        return config.precision
    if config.backend == "openvino":
        from reid_models.openvino_backend import has_bfloat16

        return "bfloat16" if has_bfloat16() else "float32"
    return "float32"


def _key(weights: Path, config: EmbedderConfig) -> str:
    """Of everything that the verdict may depend on."""
    from reid_models.onnx_graph import GRAPH_VERSION

    versions = [importlib.metadata.version(name) for name in (PACKAGES[config.backend], "numpy", "opencv-python")]
    settings = asdict(replace(config, weights="", name="multilevel"))
    parts = [_FORMAT, GRAPH_VERSION, sha256_of(weights), settings, _processor(), *versions]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "flags")):
                return f"{platform.machine()} {line} {os.cpu_count()}"
    return f"{platform.machine()} {platform.processor()} {os.cpu_count()}"


@contextlib.contextmanager
def _noting(said: list[str], what: str):  # type: ignore[no-untyped-def]
    """An error of ours becomes a line: another back end will do."""
    try:
        yield
    except MtmcError as error:
        said.append(f"{what}: {error}")
    except ImportError as error:
        said.append(f"{what}: {error}")


def describe_choice(choice: Choice) -> str:
    """For the line that names the embedder: what it runs on."""
    package = PACKAGES.get(choice.backend, choice.backend)
    precision = "" if choice.precision == "auto" else f" in {choice.precision}"
    return f"{package}{precision}"



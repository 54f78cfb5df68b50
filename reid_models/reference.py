"""What torch makes of sixteen fixed pictures: the vectors that every other back end is compared with.

For the weights that ship they are stored beside them; for others torch makes them once, in a process of its own (so
that a run's processes need no torch), and they are kept in the user's cache under the weights' SHA-256.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from mtmc.errors import OutputError, WeightsError
from mtmc.files import sha256_of, write_array

SHIPPED_REFERENCES = Path(__file__).with_name("references")
KINDS, VIEWS = 8, 2
_SIDE_PX = 128


def reference_crops() -> list[np.ndarray]:
    """Sixteen pictures uint8 (128, 128, 3): eight of coloured waves, each seen twice, the second time darker and turned
    a little. Made by formula, so that they are the same everywhere and for ever."""
    y, x = np.mgrid[0:_SIDE_PX, 0:_SIDE_PX] / _SIDE_PX
    crops = []
    for view in range(VIEWS):
        for kind in range(KINDS):
            angle = 0.7 * kind + 0.15 * view
            along = np.cos(angle) * x + np.sin(angle) * y
            waves = [np.sin(2 * np.pi * ((kind + 2) * along / (1 + colour) + 0.2 * colour * kind * y * x))
                     for colour in range(3)]
            crops.append(np.rint(128 + (100 - 30 * view) * np.stack(waves, axis=2)).astype(np.uint8))
    return crops


def reference_vectors(weights: Path) -> np.ndarray:
    """float32 (16, D): torch's vectors, float32 on a CPU, of `reference_crops`. Raises `WeightsError` for weights that
    torch cannot use."""
    name = f"{sha256_of(weights)[:32]}.npy"
    for folder in (SHIPPED_REFERENCES, cache_folder() / "references"):
        with contextlib.suppress(OSError, ValueError):
            return np.load(folder / name, allow_pickle=False)
    vectors = _torch_vectors(weights) if "torch" in sys.modules else _in_another_process(weights)
    remember_array(cache_folder() / "references" / name, vectors)
    return vectors


def cache_folder() -> Path:
    """Where things that can be made again are kept between runs: MTMC_CACHE, else the user's cache folder."""
    if os.environ.get("MTMC_CACHE"):
        return Path(os.environ["MTMC_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "mtmc-vehicle-reid"


def remember_array(path: Path, array: np.ndarray) -> None:
    """Write into the cache; a cache that cannot be written costs time, no run."""
    with contextlib.suppress(OutputError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_array(path, array)


def _torch_vectors(weights: Path) -> np.ndarray:
    from reid_models.network_embedder import NetworkEmbedder
    from reid_models.registry import EmbedderConfig

    config = EmbedderConfig(device="cpu", precision="float32", backend="torch", batch_size=16, threads=1)
    return NetworkEmbedder.load(weights, config).embed(reference_crops())


def _in_another_process(weights: Path) -> np.ndarray:
    with tempfile.TemporaryDirectory(prefix="mtmc-reference-") as folder:
        out = Path(folder) / "vectors.npy"
        command = [sys.executable, "-m", "reid_models.reference", str(weights), str(out)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            found = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise WeightsError(weights, "weights that torch can use", found)
        return np.load(out, allow_pickle=False)


if __name__ == "__main__":
    write_array(Path(sys.argv[2]), _torch_vectors(Path(sys.argv[1])))

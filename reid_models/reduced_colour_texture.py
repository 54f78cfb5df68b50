"""The colour-texture vector in 256 numbers instead of 1,880, its distances kept to about one part in a hundred.

156 numbers are projections onto principal axes, which are separable (axes over cells times axes over bins, for colours
and for edges), so that their file has 9 kB. The other 100 are sums with random signs of what those axes leave over
(Johnson and Lindenstrauss 1984; signs: Achlioptas 2003): without them near vectors would come out too near
(docs/performance.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from mtmc.files import sha256_of
from reid_models.colour_texture import ColourTextureConfig, ColourTextureEmbedder

AXES_FILE = Path(__file__).with_name("colour_texture_axes.safetensors")  # made by colour_axes.py
AXES = ("colour_cells", "colour_bins", "edge_cells", "edge_bins")
RANDOM_DIMENSIONS = 100
_SEED = b"what the axes leave over"


class ReducedColourTexture:
    """The weight-free `Embedder` in fewer numbers. Rows are computed one by one: they cannot depend on each other."""

    def __init__(self, batch_size: int = 32) -> None:
        self._whole = ColourTextureEmbedder(batch_size=batch_size)
        self._projection = projection(load_file(AXES_FILE), RANDOM_DIMENSIONS)
        self.dimension = self._projection.shape[1]
        self.name = f"{self._whole.name} in {self.dimension} numbers"
        self.fingerprint = method()
        self.input_hw, self.batch_size = self._whole.input_hw, batch_size

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        """See `ColourTextureEmbedder.embed`."""
        rows = np.zeros((len(crops_rgb), self.dimension), np.float32)
        for i, vector in enumerate(self._whole.embed(crops_rgb)):
            rows[i] = np.einsum("d,dk->k", vector, self._projection)  # not a matrix product, whose threads would spin
            rows[i] /= max(float(np.linalg.norm(rows[i])), 1e-12)
        return rows


def method() -> str:
    """Text that changes whenever the vectors may."""
    return f"{ColourTextureEmbedder().fingerprint} reduced-1 {sha256_of(AXES_FILE)} {RANDOM_DIMENSIONS}"


def projection(axes: dict[str, np.ndarray], random: int) -> np.ndarray:
    """float32 (D, axes + random) with which a vector of D numbers is multiplied. axes: the four arrays of `AXES`, each
    (numbers, axes), orthonormal. Its columns are not of unit length: those of the random part keep squared distances
    on average."""
    colour = np.kron(axes["colour_cells"], axes["colour_bins"]).astype(np.float64)
    edges = np.kron(axes["edge_cells"], axes["edge_bins"]).astype(np.float64)
    known = np.zeros((len(colour) + len(edges), colour.shape[1] + edges.shape[1]))
    known[:len(colour), :colour.shape[1]] = colour
    known[len(colour):, colour.shape[1]:] = edges
    signs = random_signs(len(known), random)
    rest = signs - np.einsum("dk,kr->dr", known, np.einsum("dk,dr->kr", known, signs))
    return np.ascontiguousarray(np.hstack([known, rest / np.sqrt(max(random, 1))]), np.float32)


def random_signs(rows: int, columns: int) -> np.ndarray:
    """float64 (rows, columns) of -1 and 1: the bits of a hash, the same for every version of NumPy."""
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(_SEED).digest(-(-rows * columns // 8)), np.uint8))
    return bits[: rows * columns].reshape(rows, columns) * 2.0 - 1.0


def parts_of(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The colours (N, cells, bins) and the edges (N, cells, bins) in vectors (N, D) of the default settings."""
    config = ColourTextureConfig()
    cells = config.colour_cells_yx[0] * config.colour_cells_yx[1]
    bins = config.lightness_bins + config.chroma_bins**2
    colours, edges = vectors[:, : cells * bins], vectors[:, cells * bins :]
    return colours.reshape(-1, cells, bins), edges.reshape(-1, config.edge_cells**2, config.edge_bins)

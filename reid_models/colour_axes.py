"""Make the axes of the reduced colour-texture vector from photographs, and tell how well distances are kept.

    python -m reid_models.colour_axes --data $MTMC_DATA/vehicle-reid-2cam --out colour_texture_axes.safetensors

The photographs of train.txt alone are used. The figures come from axes of one half of its vehicles, on the other half.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from mtmc.files import write_bytes
from reid_models.colour_texture import ColourTextureEmbedder
from reid_models.data.images import read_image_rgb
from reid_models.data.registry import load_split
from reid_models.reduced_colour_texture import AXES, RANDOM_DIMENSIONS, parts_of, projection

# Shares of 156 numbers: of several splits tried on half of train.txt the one that kept distances best.
COUNTS = (6, 16, 12, 5)


def principal_axes(vectors: np.ndarray, counts: Sequence[int] = COUNTS) -> dict[str, np.ndarray]:
    """The arrays of `AXES`, float32 (numbers, count) each: along which vectors (N, D) have most of their length."""
    found: dict[str, np.ndarray] = {}
    for part in parts_of(vectors.astype(np.float64)):
        for axis in (1, 2):
            numbers = np.moveaxis(part, axis, 0).reshape(part.shape[axis], -1)
            directions = np.linalg.eigh(numbers @ numbers.T)[1][:, ::-1]
            name, count = AXES[len(found)], counts[len(found)]
            kept = directions[:, :count]
            signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(count)])  # as they come, it is by chance
            found[name] = np.ascontiguousarray(kept * signs, np.float32)
    return found


def distance_errors(vectors: np.ndarray, reduced: np.ndarray) -> np.ndarray:
    """For each pair of the N rows: its distance in `reduced` over that in `vectors`, less 1. Unit rows, float."""
    pairs = np.triu_indices(len(vectors), 1)
    before, after = (np.sqrt(np.maximum(2 - 2 * rows.astype(np.float64) @ rows.T, 0))[pairs]
                     for rows in (vectors, reduced))  # fmt: skip
    return after / np.maximum(before, 1e-12) - 1


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _say(name: str, vectors: np.ndarray, matrix: np.ndarray, same: np.ndarray) -> None:
    errors = distance_errors(vectors, _unit(vectors @ matrix))
    alike = same[np.triu_indices(len(vectors), 1)]
    print(f"{name}, {matrix.shape[1]} numbers: root mean square error of distances {np.sqrt((errors**2).mean()):.4f}, "
          f"of one vehicle's two views {np.sqrt((errors[alike] ** 2).mean()):.4f} (mean {errors[alike].mean():+.4f})")


def main(argv: Sequence[str] | None = None) -> None:
    """Read the photographs, say what is kept, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the two-view set")
    parser.add_argument("--out", type=Path, help="where the axes go; none: figures alone")
    arguments = parser.parse_args(argv)
    samples = load_split("two-view", arguments.data, "train")
    vectors = ColourTextureEmbedder().embed([read_image_rgb(path) for path in samples.paths])
    first = samples.identities % 2 == 0
    same = samples.identities[~first][:, None] == samples.identities[~first]
    axes = principal_axes(vectors[first])
    total = sum(COUNTS[i] * COUNTS[i + 1] for i in (0, 2)) + RANDOM_DIMENSIONS
    nothing = {name: array[:, :0] for name, array in axes.items()}
    _say("random signs alone", vectors[~first], projection(nothing, total), same)
    _say("axes alone", vectors[~first], projection(axes, 0), same)
    _say("axes and random signs", vectors[~first], projection(axes, RANDOM_DIMENSIONS), same)
    if arguments.out:
        write_bytes(arguments.out, save(principal_axes(vectors)))


if __name__ == "__main__":
    main()

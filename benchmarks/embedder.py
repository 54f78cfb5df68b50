"""The embedder's back ends side by side: processor time a crop against plain float32 PyTorch; are the vectors equal?

    python benchmarks/embedder.py --rounds 7 --data $MTMC_DATA/vehicle-reid-2cam

One thread each, batches of 32 crops. The back ends take turns in every round, so that other work on the machine falls
on all of them alike. Plain PyTorch: the network as it is loaded, channels first, no autocast. With --data, rank-1 of
the two-view validation photographs, camera 1 against camera 2.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from mtmc.errors import ConfigError
from reid_models.data.images import read_image_rgb
from reid_models.data.registry import load_split
from reid_models.network_embedder import normalise
from reid_models.preparing import fit_crops
from reid_models.reference import reference_crops
from reid_models.registry import SHIPPED_WEIGHTS, EmbedderConfig, build_embedder
from reid_models.weights import load_weights

BATCH = 32
Embed = Callable[[Sequence[np.ndarray]], np.ndarray]


def plain_torch() -> Embed:
    """Float32, as anybody would write it."""
    model, info = load_weights(SHIPPED_WEIGHTS)

    def embed(crops: Sequence[np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            images = torch.from_numpy(fit_crops(crops, info.model.input_hw, len(crops)))
            return model.embed(normalise(images, info.model).contiguous()).numpy()

    return embed


def candidates() -> dict[str, Embed]:
    """Name → what embeds; those that are not installed or cannot be had are left out."""
    found: dict[str, Embed] = {"plain torch float32": plain_torch()}
    for backend, precision in (("torch", "float32"), ("torch", "bfloat16"), ("onnx", "float32"),
                               ("openvino", "float32"), ("openvino", "bfloat16")):  # fmt: skip
        config = EmbedderConfig("multilevel", "", BATCH, "cpu", precision, threads=1, backend=backend)  # type: ignore[arg-type]
        try:
            found[f"{backend} {precision}"] = build_embedder(config, compared=True).embed
        except ConfigError as error:
            print(f"{backend} {precision}: {error}")
    return found


def rank1(embed: Embed, data: Path) -> float:
    """Per cent of the validation vehicles whose photograph in camera 2 is nearest to that in camera 1."""
    samples = load_split("two-view", data, "val")
    rows = [np.flatnonzero(samples.cameras == camera) for camera in (1, 2)]
    one, two = (np.concatenate([embed([read_image_rgb(samples.paths[i]) for i in part[k : k + BATCH]])
                                for k in range(0, len(part), BATCH)]) for part in rows)  # fmt: skip
    nearest = (one.astype(np.float64) @ two.T).argmax(axis=1)
    return float((samples.identities[rows[1]][nearest] == samples.identities[rows[0]]).mean() * 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data", type=Path, help="the two-view set")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    crops = (reference_crops() * 2)[:BATCH]
    embedders = candidates()
    vectors = {name: embed(crops) for name, embed in embedders.items()}
    times: dict[str, list[float]] = {name: [] for name in embedders}
    for _ in range(arguments.rounds):
        for name, embed in embedders.items():
            start = time.process_time()
            embed(crops)
            times[name].append((time.process_time() - start) * 1000 / BATCH)
    first = next(iter(embedders))
    record = {}
    for name in embedders:
        record[name] = {
            "ms_a_crop": statistics.median(times[name]),
            "faster": statistics.median(a / b for a, b in zip(times[first], times[name], strict=True)),
            "least_cosine": float((vectors[name] * vectors[first]).sum(axis=1).min()),
        }
        if arguments.data:
            record[name]["rank1"] = rank1(embedders[name], arguments.data)
        print(f"{name:20}", "  ".join(f"{key} {value:.5g}" for key, value in record[name].items()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

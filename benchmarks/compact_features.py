"""What compact forms of feature vectors cost in accuracy, on a run or on a data set's pictures.

    python benchmarks/compact_features.py --data $MTMC_DATA/vehicle-reid-2cam --split train
    python benchmarks/compact_features.py --features rows.npz        (arrays features, identities, cameras)

Every vector is a query, answered by those of other cameras. Coders are fitted on the vectors that they code.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mtmc.archive.descriptors import DescriptorConfig, compress, restore
from reid_models.data.relevance import JUNK_SAME_CAMERA
from reid_models.evaluation.bootstrap import paired_bootstrap
from reid_models.evaluation.metrics import QueryScores, score, summarise

FORMS = [("float32", 0), ("float16", 0), ("principal", 128), ("principal", 64), ("principal", 32), ("product", 64),
         ("product", 32), ("product", 16), ("binary", 512), ("binary", 256), ("binary", 128), ("binary", 64)]


def main() -> None:
    arguments = _arguments()
    features, identities, cameras = _rows(arguments)
    print(f"{len(features)} vectors of {features.shape[1]} dimensions, {len(np.unique(identities))} vehicles")
    print("| form | bytes a vector | stored once, kB | mAP | R-1 | mAP lost (95 %) |\n|---|---|---|---|---|---|")
    plain: QueryScores | None = None
    for kind, size in FORMS:
        compact = compress(features, DescriptorConfig(kind, size))
        found = restore(compact)
        scores = score(found, found, identities, identities, cameras, cameras, JUNK_SAME_CAMERA)
        plain = plain or scores
        lost, _ = paired_bootstrap(plain.ap_rectangle, scores.ap_rectangle, identities)
        mean = summarise(scores)
        once = (compact.nbytes - compact.codes.nbytes) / 1000
        print(f"| {kind} {size or ''} | {compact.codes.nbytes / len(features):.0f} | {once:.0f} | "
              f"{100 * mean.map_rectangle:.2f} | {100 * mean.r1:.2f} | {100 * lost.mean:.2f} "
              f"({100 * lost.low:.2f} to {100 * lost.high:.2f}) |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What compact forms of feature vectors cost in accuracy.")
    parser.add_argument("--features", type=Path, help=".npz with features, identities, cameras")
    parser.add_argument("--data", type=Path, help="folder of the two-view set")
    parser.add_argument("--split", default="train")
    parser.add_argument("--weights", default="", help="embedder weights (default: the ones that ship)")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _rows(arguments: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if arguments.features:
        with np.load(arguments.features) as found:
            return found["features"], found["identities"], found["cameras"]
    from reid_models.data.images import read_image_rgb
    from reid_models.data.registry import load_split
    from reid_models.registry import EmbedderConfig, build_embedder

    samples = load_split("two-view", arguments.data, arguments.split)
    embedder = build_embedder(EmbedderConfig(weights=arguments.weights, threads=arguments.threads))
    return embedder.embed([read_image_rgb(path) for path in samples.paths]), samples.identities, samples.cameras


if __name__ == "__main__":
    main()

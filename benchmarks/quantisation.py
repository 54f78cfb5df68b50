"""What the shipped embedder would lose and gain in 8-bit integers on ONNX Runtime (static quantisation).

    python benchmarks/quantisation.py --data $MTMC_DATA/vehicle-reid-2cam --rounds 5

Ranges are calibrated on photographs of train.txt, cosines to float32 taken on those of val.txt. One thread, batches of
32; float32 and 8 bits take turns, so that other work on the machine falls on both. Needs the package onnx.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from reid_models.data.images import read_image_rgb
from reid_models.data.registry import load_split
from reid_models.onnx_backend import open_graph
from reid_models.onnx_graph import INPUT, onnx_bytes
from reid_models.preparing import fit_crops
from reid_models.registry import SHIPPED_WEIGHTS
from reid_models.weights_file import read_info

BATCH = 32


class Photographs(CalibrationDataReader):
    """Batches of pictures, each once."""

    def __init__(self, batches: list[np.ndarray]) -> None:
        self._left: Iterator[np.ndarray] = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, None after the last."""
        batch = next(self._left, None)
        return None if batch is None else {INPUT: batch}


def batches_of(data: Path, split: str, count: int) -> list[np.ndarray]:
    """uint8 (32, H, W, 3) each, of `count` photographs spread evenly over a list."""
    paths = load_split("two-view", data, split).paths
    chosen = [read_image_rgb(paths[i]) for i in np.linspace(0, len(paths) - 1, count).astype(int)]
    size_hw = read_info(SHIPPED_WEIGHTS).model.input_hw
    return [fit_crops(chosen[start : start + BATCH], size_hw, BATCH) for start in range(0, count, BATCH)]


def quantised(graph: Path, batches: list[np.ndarray], method: CalibrationMethod, kinds: list[str]) -> bytes:
    """The graph with operators of `kinds` in 8 bits: activations unsigned, weights signed and by channel."""
    ready, out = graph.with_name("ready.onnx"), graph.with_name("int8.onnx")
    quant_pre_process(str(graph), str(ready), skip_symbolic_shape=True)
    quantize_static(str(ready), str(out), Photographs(batches), calibrate_method=method, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=kinds)
    return out.read_bytes()


def main() -> None:
    """Print a line for each way of calibrating."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the two-view set")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    calibration, seen = batches_of(arguments.data, "train", 128), batches_of(arguments.data, "val", 96)
    graph = onnx_bytes(SHIPPED_WEIGHTS)
    plain = open_graph(graph, BATCH, 1)
    expected = np.concatenate([plain(batch) for batch in seen])
    for method in (CalibrationMethod.MinMax, CalibrationMethod.Percentile):
        for kinds in (["Conv"], ["Conv", "Add", "Relu", "MaxPool"]):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "graph.onnx"
                path.write_bytes(graph)
                run = open_graph(quantised(path, calibration, method, kinds), BATCH, 1)
            cosines = (np.concatenate([run(batch) for batch in seen]) * expected).sum(axis=1)
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(arguments.rounds):
                for spent, one in zip(times, (plain, run), strict=True):
                    start = time.process_time()
                    one(seen[0])
                    spent.append((time.process_time() - start) * 1000 / BATCH)
            faster = statistics.median(a / b for a, b in zip(*times, strict=True))
            print(f"{method.name} {'+'.join(kinds)}: cosine least {cosines.min():.5f} median {np.median(cosines):.5f}, "
                  f"ms a crop {statistics.median(times[1]):.1f} (float32 {statistics.median(times[0]):.1f}), "
                  f"{faster:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()

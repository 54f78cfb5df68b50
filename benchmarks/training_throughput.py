"""What training costs beside the bare network: `python benchmarks/training_throughput.py`.

Images a second of the whole loop (reading, augmenting, losses on every tap, clipping, optimiser, averaging, log) as a
share of a bare torchvision ResNet50's forward and backward at the same batch, size, precision and threads. The two take
turns, and medians are compared. Images are generated and read from disk; `--device cuda` for a GPU. `--processor-time`
counts processor seconds in place of the clock's, for a machine that does other work too: the loop reads its
own images then, and its start and end are taken away as the cost of a training of one step.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision

from mtmc.config import build
from reid_models.data.samples import ReidSamples
from reid_models.network_embedder import resolve_device
from reid_models.training.config import TrainConfig
from reid_models.training.logs import read_log
from reid_models.training.loop import Trainer, training_precision
from reid_models.weights import WeightsInfo


def main() -> int:
    """Measure and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32, help="images a step, 4 of each identity")
    parser.add_argument("--steps", type=int, default=4, help="measured in each turn, after one to warm up")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--augmentation", choices=("standard", "cameras"), default="standard")
    parser.add_argument("--processor-time", action="store_true", help="not the clock's; CPU and no workers only")
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    bare, whole = [], []
    with tempfile.TemporaryDirectory() as folder:
        samples = made_up(Path(folder), arguments.batch, 256)
        for turn in range(arguments.turns):
            bare.append(bare_rate(arguments, device))
            rate = processor_rate if arguments.processor_time else loop_rate
            whole.append(rate(arguments, samples, Path(folder) / f"turn{turn}"))
    rates = statistics.median(bare), statistics.median(whole)
    precision = training_precision("auto", device)
    second = "processor second" if arguments.processor_time else "s"
    print(f"batch {arguments.batch} at {arguments.side} px, {device}, {precision}, {torch.get_num_threads()} threads")
    print(f"bare ResNet50 forward and backward: {rates[0]:.1f} images/{second}")
    print(f"multi-level training loop:          {rates[1]:.1f} images/{second}, {rates[1] / rates[0]:.0%} of it")
    return 0


def made_up(folder: Path, batch: int, side: int) -> ReidSamples:
    """JPEG files of noise: twice as many identities as a batch holds, four images each."""
    rng, count = np.random.default_rng(0), 2 * batch
    paths = tuple(folder / f"{i}.jpg" for i in range(count))
    for path in paths:
        small = rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(small, (side, side)))
    return ReidSamples(paths, np.arange(count) // 4, np.arange(count) % 4, np.full(count, -1), ("",) * count)


def bare_rate(arguments: argparse.Namespace, device: torch.device) -> float:
    """Images a second of a plain ResNet50, nothing but forward and backward."""
    dtype = getattr(torch, training_precision("auto", device))
    model = torchvision.models.resnet50(weights=None).to(device).to(memory_format=torch.channels_last)
    images = torch.randn(arguments.batch, 3, arguments.side, arguments.side, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    times, clock = [], time.process_time if arguments.processor_time else time.perf_counter
    for _ in range(arguments.steps + 1):
        began = clock()
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
            loss = model(images).float().square().mean()
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(clock() - began)
    return arguments.batch / statistics.median(times[1:])


def loop_rate(arguments: argparse.Namespace, samples: ReidSamples, out: Path) -> float:
    """Images a second of the training loop, by the clock between its log's rows."""
    train(arguments, samples, out, arguments.steps + 1, arguments.workers)
    seconds = np.diff([float(row["seconds"]) for row in read_log(out / "log.csv")])
    return arguments.batch / float(np.median(seconds))


def processor_rate(arguments: argparse.Namespace, samples: ReidSamples, out: Path) -> float:
    """Images a processor second of the training loop: what its steps cost beyond a training of one step."""
    spent = []
    for steps in (1, arguments.steps + 1):
        began = time.process_time()
        train(arguments, samples, out / str(steps), steps, 0)
        spent.append(time.process_time() - began)
    return arguments.batch * arguments.steps / (spent[1] - spent[0])


def train(arguments: argparse.Namespace, samples: ReidSamples, out: Path, steps: int, workers: int) -> None:
    """The whole loop for so many steps."""
    config = build(TrainConfig, {
        "data": {"augmentation": arguments.augmentation, "workers": workers},
        "model": {"input_hw": [arguments.side, arguments.side]},
        "sampler": {"identities": arguments.batch // 4, "images_per_identity": 4},
        "steps": steps, "validate_every": 10**6, "device": arguments.device, "checkpoint_minutes": 60.0,
    })
    Trainer(config, samples, samples.select(np.zeros(len(samples), bool)), out, WeightsInfo(config.model)).run()


if __name__ == "__main__":
    sys.exit(main())

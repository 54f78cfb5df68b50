"""The command `train_reid`: arguments to a training run."""

from __future__ import annotations

import argparse
import hashlib
import shlex
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from mtmc.config import build, merge_sets, read_yaml, to_plain
from mtmc.errors import ended_in_words


def parser() -> argparse.ArgumentParser:
    """The arguments of `tools/train_reid.py`."""
    result = argparse.ArgumentParser(
        prog="train_reid.py", description="Train a vehicle re-identification model. The same command continues a "
        "training that was stopped. Several GPUs: torchrun --nproc-per-node N tools/train_reid.py …")
    add = result.add_argument
    add("--config", type=Path, required=True,
        help="YAML of settings that differ from the defaults (configs/reid_*.yaml)")
    add("--data", type=Path, required=True, help="folder of the data set that the configuration names")
    add("--out", type=Path, help="folder of checkpoint, log and weights (default: runs/ and the configuration's name)")
    add("--set", action="append", default=[], metavar="section.key=value", help="one setting; may be repeated")
    add("--download", choices=["imagenet"], help="fetch torchvision's ImageNet weights and start from them")
    add("--weights-dir", type=Path, default=Path("weights"), help="where downloaded weights lie (default: weights)")
    add("--name", default="multilevel", help="name stored in the weights file")
    add("--licence", default="", help="licence stored in the weights file")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run; an expected error is one line on stderr and its exit code."""
    arguments = parser().parse_args(argv)
    return ended_in_words(lambda: run(arguments), "train_reid")


def run(arguments: argparse.Namespace) -> int:
    """Train as the arguments say. Heavy imports wait until the settings have been read."""
    values = merge_sets(read_yaml(arguments.config), arguments.set)
    if arguments.download == "imagenet":
        values["initial"] = "imagenet"
    out = arguments.out or Path("runs") / arguments.config.stem
    from reid_models.data.registry import load_split
    from reid_models.training.attributes import with_attributes
    from reid_models.training.config import TrainConfig
    from reid_models.training.distributed import process_group
    from reid_models.training.imagenet import imagenet_model
    from reid_models.training.loop import Trainer
    from reid_models.training.splits import hold_out
    from reid_models.weights import WeightsInfo, load_weights

    config = build(TrainConfig, values, str(arguments.config))
    samples = load_split(config.data.dataset, arguments.data, config.data.split)
    training, validation = hold_out(samples, config.data.validation_share, config.data.validation_fold, config.seed)
    config = with_attributes(config, training)
    command = shlex.join(["python", "tools/train_reid.py", "--config", str(arguments.config), "--data", "DIR",
                          *(f"--set={item}" for item in arguments.set)])
    info = WeightsInfo(config.model, arguments.name, arguments.licence,
                       describe_data(config.data.dataset, config.data.split, training.paths), command)
    with process_group() as place:
        start = None
        if config.initial == "imagenet":
            start = imagenet_model(config.model, arguments.weights_dir, arguments.download == "imagenet")
        elif config.start_weights:
            start = load_weights(Path(config.start_weights))[0]
        trainer = Trainer(config, training, validation, out, info, place, start)
        if place.leads:
            print(f"training on {len(training)} images of {len(trainer.sampler.identities)} identities "
                  f"({len(trainer.classes)} classes), validating on {len(validation)} images, "
                  f"{trainer.device}, {trainer.dtype}".replace("torch.", ""))
            _write_config(out, to_plain(config))
        result = trainer.run(stop_on_signals())
        if place.leads:
            scores = ", ".join(f"{name} {value:.1f}" for name, value in result.scores.items())
            print(f"trained {result.steps} steps; {scores or 'no validation images'}; weights: {result.weights}")
    return 0


def describe_data(dataset: str, split: str, paths: Sequence[Path]) -> str:
    """One sentence: how many images of what, and the SHA-256 of their sorted file names, one a line."""
    names = "".join(f"{name}\n" for name in sorted(Path(path).name for path in paths))
    digest = hashlib.sha256(names.encode()).hexdigest()
    return f"{len(paths)} images of {dataset} {split}; SHA-256 of the sorted list of file names {digest}"


def stop_on_signals() -> Iterator[bool]:
    """False until SIGINT or SIGTERM arrives, then True."""
    asked = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.append(True))
    while True:
        yield bool(asked)


def _write_config(folder: Path, values: object) -> None:
    import yaml

    from mtmc.files import write_text

    write_text(Path(folder) / "config.yaml", yaml.safe_dump(values, sort_keys=False))

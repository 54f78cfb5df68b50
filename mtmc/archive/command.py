"""`tools/archive_run.py compress RUN FILE`, `restore FILE OUT`, `train-codec FOLDER --out FILE`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mtmc.archive.descriptors import NAMES, DescriptorConfig
from mtmc.archive.run_archive import ArchiveConfig, archive_run, restore_run
from mtmc.errors import ended_in_words


def parser() -> argparse.ArgumentParser:
    """The arguments of `tools/archive_run.py`."""
    result = argparse.ArgumentParser(
        prog="archive_run.py", description="A finished run in one small file, and back.")
    commands = result.add_subparsers(dest="command", required=True)
    add = commands.add_parser("compress", help="write a run to an archive").add_argument
    add("run", type=Path, help="folder of a finished run")
    add("archive", type=Path, help="file to write; must not exist")
    add("--features", default="float16", choices=NAMES, help="form of the vectors (default: float16)")
    add("--size", type=int, default=0, help="components, bytes or bits a vector, by form (default: 64, 32, 256)")
    add("--crops", default="keep", choices=("keep", "blocks", "none"),
        help="keep the JPEG files, code them in blocks (smaller and coarser), or leave them out (default: keep)")
    add("--psnr", type=float, default=27.0, help="dB that a block should reach (default: 27)")
    add("--search", type=int, default=0, metavar="STEPS", help="look for better codes; 100 is slow (default: 0)")
    _add_codec(add)
    add = commands.add_parser("restore", help="write an archive's run to a folder").add_argument
    add("archive", type=Path, help="file that compress wrote")
    add("out", type=Path, help="folder for the run; must not exist")
    _add_codec(add)
    add = commands.add_parser("train-codec", help="train the block codec on a run's crops or a folder").add_argument
    add("folder", type=Path, help="a run, or any folder of pictures")
    add("--out", type=Path, required=True, help="file to write")
    add("--epochs", type=int, default=20, help="of each network (default: 20)")
    add("--steps", type=int, default=0, help="batches an epoch; 0 = all blocks (default: 0)")
    add("--batch", type=int, default=256, help="blocks a step (default: 256); 16 to 64 learn faster in little time")
    add("--learning-rate", type=float, default=1e-3, help="at the beginning (default: 0.001)")
    add("--longest-px", type=int, default=192, help="pictures are shrunk to this side (default: 192)")
    add("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's own number")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run; an expected error is one line on stderr and its exit code."""
    arguments = parser().parse_args(argv)
    work = {"compress": _compress, "restore": _restore, "train-codec": _train}[arguments.command]
    return ended_in_words(lambda: work(arguments), "archive_run")


def _add_codec(add) -> None:  # type: ignore[no-untyped-def]
    add("--codec", type=Path, metavar="FILE", help="block codec (default: the one that ships)")


def _compress(arguments: argparse.Namespace) -> None:
    features = DescriptorConfig(arguments.features, arguments.size)
    config = ArchiveConfig(features, arguments.crops, arguments.codec, arguments.psnr, arguments.search)
    sizes = archive_run(arguments.run, arguments.archive, config)
    for name, (before, after) in (("features", sizes.features), ("crops", sizes.crops)):
        print(f"{name}: {before:,} bytes to {after:,}")
    print(f"run: {sizes.run:,} bytes to {sizes.archive:,} ({100 * sizes.archive / max(sizes.run, 1):.0f} %)")


def _restore(arguments: argparse.Namespace) -> None:
    count = restore_run(arguments.archive, arguments.out, arguments.codec)
    print(f"{count} files restored to {arguments.out}")


def _train(arguments: argparse.Namespace) -> None:
    import torch

    from mtmc.archive.block_training import BlockTrainingConfig
    from mtmc.archive.codec_file import save_codec
    from mtmc.archive.codec_training import CodecTrainingConfig, train_codec
    from mtmc.archive.pictures import pictures_below, read_picture, shrunk

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    paths = pictures_below(arguments.folder)
    pictures = [shrunk(read_picture(path), arguments.longest_px) for path in paths]
    network = BlockTrainingConfig(epochs=arguments.epochs, steps_per_epoch=arguments.steps, batch=arguments.batch,
                                  learning_rate=arguments.learning_rate)
    content = train_codec(pictures, CodecTrainingConfig(network=network), f"{len(paths)} pictures",
                          lambda words, loss: print(f"{words}: loss {loss:.4f}", flush=True))
    save_codec(arguments.out, content)
    print(f"{arguments.out}: {len(content):,} bytes")

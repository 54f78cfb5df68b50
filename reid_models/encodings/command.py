"""The command `fit_encoding`: pictures in, one fitted encoding out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mtmc.config import build, merge_sets, to_plain
from mtmc.errors import ended_in_words
from reid_models.data.registry import DATASETS, load_split
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.names import ENCODINGS


def build_parser() -> argparse.ArgumentParser:
    """All options of `fit_encoding`."""
    parser = argparse.ArgumentParser(
        prog="fit_encoding.py", description="Fit an encoding without labels (codebook, whitening) on pictures.",
        epilog="Labels are not looked at. --dataset run reads the crops of a run folder; then give the file to "
               "run_cameras or evaluate_reid with --embedder NAME --weights FILE.")
    add = parser.add_argument
    add("--encoding", required=True, choices=ENCODINGS, metavar="NAME", help=", ".join(ENCODINGS))
    add("--dataset", default="run", choices=DATASETS, metavar="NAME", help=f"{', '.join(DATASETS)} (default: run)")
    add("--data", required=True, type=Path, metavar="DIR", help="its folder")
    add("--split", default="train", help="which part (default: train)")
    add("--out", required=True, type=Path, metavar="FILE", help="the .safetensors file to write")
    add("--backbone", type=Path, metavar="FILE", help="weights of the network whose maps are read (default: the one "
        "that ships); keep it beside the file that is written")  # fmt: skip
    add("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets",
        help="a setting of reid_models/encodings/config.py, as in words=32; may be repeated")
    add("--device", default="auto", help="auto, cpu, cuda:0 … (default: auto)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; an expected error is one line on stderr and its exit code."""
    arguments = build_parser().parse_args(argv)
    return ended_in_words(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> None:
    config = encoding_config(arguments.encoding, arguments.sets)
    paths = load_split(arguments.dataset, arguments.data, arguments.split).paths
    from reid_models.data.images import read_image_rgb
    from reid_models.encodings.fitting import evenly, fit_to_file
    from reid_models.encodings.registry import build_extractor
    from reid_models.registry import SHIPPED_WEIGHTS

    extractor = build_extractor(config, arguments.backbone or SHIPPED_WEIGHTS, device=arguments.device)
    chosen = evenly(paths)
    told = f"{len(chosen)} of {len(paths)} pictures of {arguments.dataset} {arguments.split}, labels unused"
    info = fit_to_file(arguments.out, arguments.encoding, config, extractor,
                       [read_image_rgb(path) for path in chosen], told)
    print(f"{info.name} fitted on {told}: {info.dimension} dimensions; wrote {arguments.out}")


def encoding_config(name: str, sets: Sequence[str] = ()) -> EncodingConfig:
    """The encoding's own defaults under `key=value` settings. Raises `ConfigError` for what cannot be used."""
    from reid_models.encodings.registry import encoding_class

    default = encoding_class(name).default
    given = merge_sets({}, sets)
    return build(EncodingConfig, to_plain(default) | given, "--set") if given else replace(default)

"""`export`: the embedder as an ONNX file, compared with torch; and a look at what a detector's ONNX file holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mtmc.cli import SuggestingParser
from mtmc.errors import ConfigError, ended_in_words

_EPILOG = """the file: input "images", uint8 (batch, height, width, 3) RGB, any batch size, not normalised;
output "embeddings", float32 (batch, D), rows of unit length. Neither torch nor onnx is needed to write it.

examples:
  export.py --out embedder.onnx                      the weights that ship
  export.py --weights best.safetensors --out best.onnx
  export.py --detector yolox_nano.onnx               how run_cameras would read it

exit codes: 0 done, 2 usage, weights that do not fit or vectors that differ from torch's, 4 cannot write"""


def build_parser() -> argparse.ArgumentParser:
    """All options of `export`."""
    parser = SuggestingParser(
        prog="export.py", description="Write the embedder as ONNX and compare it with torch.", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    add = parser.add_argument
    add("--out", type=Path, metavar="FILE", help="the ONNX file to write")
    add("--weights", metavar="FILE", default="", help="embedder weights (.safetensors; default: those that ship)")
    add("--mirror", action="store_true", help="each vector stands for the crop and its mirror image: twice the time")
    add("--batch-size", type=int, default=32, metavar="N", help="to compare and time with (default: 32)")
    add("--threads", type=int, default=1, metavar="N", help="to time with (default: 1)")
    add("--detector", type=Path, metavar="FILE", help="an ONNX detector to look at; may stand alone")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = build_parser().parse_args(argv)

    def work() -> None:
        if arguments.out is None and arguments.detector is None:
            raise ConfigError("export", "--out FILE or --detector FILE", "neither")
        if arguments.detector is not None:
            _show_detector(arguments.detector, arguments.threads)
        if arguments.out is not None:
            _export(arguments)

    return ended_in_words(work)


def _show_detector(path: Path, threads: int) -> None:
    from detectors.registry import DetectorConfig, build_detector, resolve_detector

    detector = build_detector(resolve_detector(str(path), path.parent, None), DetectorConfig(threads=threads))
    print(f"detector {detector.name}: {detector.fingerprint}, {detector.batch_size} pictures at a time")


def _export(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from mtmc.files import sha256_of, write_bytes
    from reid_models.backends import PACKAGES, choose, installed
    from reid_models.onnx_graph import onnx_bytes
    from reid_models.registry import SHIPPED_WEIGHTS, EmbedderConfig

    weights = Path(arguments.weights) if arguments.weights else SHIPPED_WEIGHTS
    config = EmbedderConfig("multilevel", str(weights), arguments.batch_size, "cpu", threads=arguments.threads)
    write_bytes(arguments.out, onnx_bytes(weights, arguments.mirror))
    print(f"{arguments.out}  {arguments.out.stat().st_size / 1e6:.1f} MB  sha256 {sha256_of(arguments.out)}")
    for backend, package in PACKAGES.items():
        if not installed(backend):
            print(f"{package}: not installed")
            continue
        choice = choose(weights, replace(config, backend=backend))
        print(f"{package}: agrees with torch for 1, 2 and {config.batch_size + 1} crops (cosine 0.999 or more), "
              f"{choice.precision}, {choice.milliseconds:.1f} ms of processor time a crop")

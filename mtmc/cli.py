"""`run_cameras`: arguments in, a run folder out, an exit code back.

Heavy libraries are imported only once it is sure that there is work for them: `--help` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from mtmc.errors import (
    EXIT_CANNOT_WRITE,
    EXIT_SIGINT,
    EXIT_SIGTERM,
    EXIT_USAGE,
    ConfigError,
    MtmcError,
    mask_credentials,
)
from reid_models.encodings.names import ENCODINGS

_EPILOG = """examples:
  run_cameras.py --videos cams/                                  all videos in cams/, one per camera
  run_cameras.py --videos cams/ --detector motion                no detector weights needed (fixed cameras)
  run_cameras.py --videos cams/ --detections det/                boxes from another tool (MOT or CityFlow det.txt)
  run_cameras.py --videos cams/ --set matching.min_probability=0.8
  run_cameras.py --videos cams/ --dry-run                        show what would be done

exit codes: 0 complete, 2 usage, 3 some cameras failed, 4 cannot write, 5 integrity, 130 and 143 signals
Live streams are not read; record them to files first."""


class SuggestingParser(argparse.ArgumentParser):
    """An `ArgumentParser` that answers an unknown option with the nearest known one."""

    def error(self, message: str) -> NoReturn:
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            known = [option for action in self._actions for option in action.option_strings]
            for word in message.removeprefix(prefix).split():
                near = difflib.get_close_matches(word.split("=")[0], known, n=1, cutoff=0.5)
                if word.startswith("-") and near:
                    message += f" (did you mean {near[0]}?)"
                    break
        self.exit(EXIT_USAGE, f"{self.prog}: {mask_credentials(message)}\nTry {self.prog} --help\n")


class _Terminated(BaseException):
    """SIGTERM, as an exception, so that every `finally` on the way out runs."""


def build_parser() -> argparse.ArgumentParser:
    """All options of `run_cameras`."""
    parser = SuggestingParser(
        prog="run_cameras.py", description="From a folder of camera videos to cross-camera matches.", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    inputs = parser.add_argument_group("input")
    inputs.add_argument("--videos", type=Path, required=True, metavar="PATH",
                        help="folder of videos (one per camera), one file, or a CityFlow / AI City folder")
    inputs.add_argument("--cameras", type=Path, metavar="FILE",
                        help="cameras.yaml: clocks, regions of interest, allowed transitions and travel times")
    inputs.add_argument("--detections", type=Path, metavar="DIR",
                        help="recorded boxes (MOTChallenge or CityFlow det.txt) instead of a detector")
    inputs.add_argument("--truth", type=Path, metavar="FILE",
                        help="ground truth in AI City form: the score is shown at the end and in the report")
    models = parser.add_argument_group("models")
    models.add_argument("--detector", default="auto", metavar="NAME|FILE",
                        help="auto (best weights in the weights folder, else motion), motion, a .pt or .onnx file, "
                             "a name such as yolo26n or fasterrcnn_resnet50_fpn_v2 (default: auto)")
    models.add_argument("--weights", metavar="FILE", help="embedder weights (.safetensors) instead of the default")
    models.add_argument("--embedder", choices=("auto", "multilevel", "colour-texture", *ENCODINGS), metavar="NAME",
                        help="auto, multilevel, colour-texture (needs no weights), or an encoding without labels, "
                             f"fitted first on the run's own crops where --weights names none: {', '.join(ENCODINGS)} "
                             "(default: auto)")
    models.add_argument("--attributes", metavar="FILE",
                        help="add type, make, model or colour to tracklets.csv: a CSV of labelled pictures (path, "
                             "type, make, model, colour) or a network with attribute heads (.safetensors)")
    models.add_argument("--verifier", metavar="FILE",
                        help="let a pair verifier speak for and against links: the *_verifier.safetensors that lies "
                             "beside the --weights of a training with loss.verification_weight")
    models.add_argument("--weights-dir", type=Path, default=Path("weights"), metavar="DIR",
                        help="where detector weights are looked for (default: weights/)")
    models.add_argument("--download", default="", metavar="NAME",
                        help="fetch these detector weights, e.g. yolo26n; nothing is downloaded without this option")
    models.add_argument("--download-sha256", default="", metavar="HASH", help="what the downloaded file must hash to")
    models.add_argument("--backend", choices=("auto", "torch", "onnx", "openvino"),
                        help="what runs the embedder's network (default: auto, on a CPU the fastest that is there and "
                             "agrees with torch, on a GPU torch)")
    models.add_argument("--stride", choices=("every", "adaptive"),
                        help="adaptive: a detector's network is not asked about pictures in which nothing changed "
                             "(default: every)")
    models.add_argument("--decode", choices=("software", "cuda"),
                        help="cuda: NVDEC, where PyAV and the machine have it, else software (default: software)")
    models.add_argument("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 … (default: auto)")
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, metavar="DIR",
                        help="run folder (default: runs/<name of the videos folder>); an existing one is continued")
    output.add_argument("--new", action="store_true", help="start a numbered sibling instead of continuing")
    output.add_argument("--no-crops", action="store_true", help="keep no pictures of vehicles")
    output.add_argument("--encrypt", action="store_true",
                        help="store features and pictures encrypted (AES-256-GCM); the key is that of --key-file, "
                             "MTMC_KEY_FILE or MTMC_KEY")
    output.add_argument("--key-file", type=Path, metavar="FILE",
                        help="for --encrypt: 32 random bytes in hex or base64 (never given as an option itself)")
    output.add_argument("--shuffle-bits", action="store_true",
                        help="ShuffleBits under the encryption: an extra layer of obfuscation, see docs/privacy.md")
    output.add_argument("--render", action="store_true", help="annotated videos per camera and mosaic.mp4")
    output.add_argument("--cvat", action="store_true", help="also write CVAT XML, one file a camera")
    settings = parser.add_argument_group("settings")
    settings.add_argument("--config", type=Path, metavar="FILE", help="YAML file with settings that differ")
    settings.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="sets",
                          help="one setting; may be repeated")
    settings.add_argument("--min-probability", type=float, metavar="P",
                          help="a link needs at least this (default: 0.5)")
    settings.add_argument("--workers", type=_workers, metavar="N|auto",
                          help="camera processes (default: auto, as many as cores and memory are enough for)")
    settings.add_argument("--executor", choices=("local", "ray"),
                          help="local: processes on this machine (default); ray: tasks on a Ray cluster, see "
                               "docs/scaling.md")
    settings.add_argument("--dry-run", action="store_true", help="show what would be done, write nothing")
    settings.add_argument("--show-config", action="store_true", help="print the resolved settings as YAML and stop")
    settings.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code of DESIGN section 4."""
    arguments = build_parser().parse_args(argv)
    try:
        with _sigterm_as_exception():
            return _run(arguments)
    except MtmcError as error:
        return _failed(str(error), error.exit_code)
    except MemoryError:
        return _failed("out of memory; what was finished is kept, and the same command continues", EXIT_CANNOT_WRITE)
    except OSError as error:  # of this machine: too many open files, a failing disk
        return _failed(mask_credentials(f"the machine refused: {error}"), EXIT_CANNOT_WRITE)
    except KeyboardInterrupt:
        return _interrupted("interrupted", EXIT_SIGINT)
    except _Terminated:
        return _interrupted("terminated", EXIT_SIGTERM)


def _run(arguments: argparse.Namespace) -> int:
    if not 0 <= (arguments.min_probability if arguments.min_probability is not None else 0.5) <= 1:
        raise ConfigError("--min-probability", "0 to 1", str(arguments.min_probability))
    from mtmc.run_config import load_run_config

    config = load_run_config(arguments.config, [*_shortcuts(arguments), *arguments.sets])
    if arguments.show_config:
        import yaml

        from mtmc.config import to_plain

        _say(lambda: print(yaml.safe_dump(to_plain(config), sort_keys=False), end=""))
        return 0
    from mtmc.plan import RunRequest, make_plan
    from mtmc.summary import print_plan, print_summary

    request = RunRequest(
        arguments.videos, arguments.out, arguments.new, arguments.cameras,
        "recorded" if arguments.detections else arguments.detector, arguments.detections, arguments.weights_dir,
        arguments.download, arguments.download_sha256, config, not arguments.no_crops, arguments.render,
        arguments.cvat, arguments.truth, arguments.quiet, arguments.encrypt, arguments.key_file,
        arguments.shuffle_bits,
    )  # fmt: skip
    if config.embedder.is_encoding and not config.embedder.weights:
        from mtmc.encoding_fit import with_fitted_encoding

        request = with_fitted_encoding(request, arguments.dry_run, lambda line: _say(lambda: print(line)))
    plan = make_plan(request)
    _say(lambda: print_plan(plan, full=arguments.dry_run))
    if arguments.dry_run:
        return 0
    from mtmc.pipeline import run_cameras

    summary = run_cameras(plan)
    _say(lambda: print_summary(plan, summary))
    return summary.exit_code


def _shortcuts(arguments: argparse.Namespace) -> list[str]:
    """The options that are short names of settings, as `--set` items; a later `--set` wins over them."""
    pairs = (
        ("embedder.weights", arguments.weights), ("embedder.name", arguments.embedder),
        ("embedder.backend", arguments.backend), ("detector.stride", arguments.stride),
        ("video.decode", arguments.decode),
        ("embedder.device", arguments.device), ("detector.device", arguments.device),
        ("matching.min_probability", arguments.min_probability), ("process.workers", arguments.workers),
        ("process.executor", arguments.executor), ("attributes.source", arguments.attributes),
        ("verifier.file", arguments.verifier),
    )  # fmt: skip
    import json

    return [f"{key}={json.dumps(value)}" for key, value in pairs if value is not None]


def _workers(text: str) -> int:
    try:
        return 0 if text == "auto" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected auto or a whole number, found {text!r}") from None


@contextlib.contextmanager
def _sigterm_as_exception() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread: the caller's business
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(speak: Callable[[], None]) -> None:
    """Print, whatever the terminal's encoding; a reader that went away (`| head`) does not end a run of hours."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        speak()
        if sys.stdout is not None:  # closed from the start (`>&-`)
            sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _failed(sentence: str, code: int) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return code


def _interrupted(word: str, code: int) -> int:
    print(f"{word}: what was finished is kept; the same command continues", file=sys.stderr)
    return code

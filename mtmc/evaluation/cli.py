"""`evaluate_mtmc`: a truth and a prediction in, the score out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mtmc.cli import SuggestingParser
from mtmc.errors import ConfigError, ended_in_words

_MODES = ("aicity", "sequences", "one-camera")
_FORMATS = ("auto", "aicity", "mot", "run")
_EPILOG = """what is read: an AI City / CityFlow file (or a .zip or .tar.gz with it), a MOT file, a folder of MOT files
(one a camera), a run folder of run_cameras or link_tracklets

examples:
  evaluate_mtmc.py --truth ground_truth.txt --prediction runs/cams
  evaluate_mtmc.py --truth gt.txt --prediction mine.txt --mode one-camera
  evaluate_mtmc.py --truth train/S01 --prediction submission.zip --rois train/S01 --json score.json

exit codes: 0 scored, 2 usage or unusable input, 4 cannot write"""


def build_parser() -> argparse.ArgumentParser:
    """All options of `evaluate_mtmc`."""
    parser = SuggestingParser(
        prog="evaluate_mtmc.py",
        description="Score identities over cameras against a truth.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--truth", type=Path, required=True, metavar="FILE", help="true boxes with identities: file or folder")
    add("--prediction", type=Path, required=True, metavar="FILE|RUN", help="predicted ones: file, folder or run")
    add("--json", type=Path, metavar="FILE", help="also write the whole score as JSON")
    add("--mode", choices=_MODES, help="aicity: one set of identities over all cameras, by the challenge's rules; "
        "sequences: each camera has its own; one-camera: a single one, whatever its name "
        "(default: aicity, one-camera where both sides have one)")  # fmt: skip
    add("--truth-format", choices=_FORMATS, default="auto", help="default: told from the content")
    add("--prediction-format", choices=_FORMATS, default="auto", help="default: told from the content")
    add("--first-frame", type=int, choices=(0, 1), default=1, help="number of the files' first frame (default: 1)")
    add("--truth-first-frame", type=int, choices=(0, 1), help="the same for the truth alone")
    add("--prediction-first-frame", type=int, choices=(0, 1), help="the same for the prediction alone")
    add("--rois", type=Path, metavar="DIR", help="region images, <camera>.jpg or <camera>/roi.jpg: predicted boxes "
        "with a corner outside are left out, as the challenge does")  # fmt: skip
    add("--keep-single-camera", action="store_true", help="also count predicted identities seen in one camera only")
    add("--frame-rate", action="append", default=[], metavar="[CAMERA=]HZ",
        help="to give errors in seconds where the files have frames only; may be repeated")  # fmt: skip
    add("--worst", type=int, default=20, metavar="N", help="errors to list (default: 20)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = build_parser().parse_args(argv)
    return ended_in_words(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    from mtmc import files
    from mtmc.evaluation.frame_clock import with_frame_rates
    from mtmc.evaluation.mtmc_score import Mode
    from mtmc.evaluation.roi_masks import read_rois
    from mtmc.evaluation.score import pair, score
    from mtmc.evaluation.tables import headline, score_plain, score_table
    from mtmc.results.read_boxes import read_boxes

    rates = _frame_rates(arguments.frame_rate)
    first_t = arguments.first_frame if arguments.truth_first_frame is None else arguments.truth_first_frame
    first_p = arguments.first_frame if arguments.prediction_first_frame is None else arguments.prediction_first_frame
    truth = read_boxes(arguments.truth, arguments.truth_format, first_t, is_truth=True)
    prediction = read_boxes(
        arguments.prediction, arguments.prediction_format, first_p, cameras=truth.boxes.camera_ids
    )
    timed = with_frame_rates(truth.boxes, rates, rates.get("", 0.0)) if rates else truth.boxes
    one_each = len(truth.boxes.camera_ids) == 1 and len(prediction.boxes.camera_ids) == 1
    mode: Mode = arguments.mode or ("one-camera" if one_each else "aicity")
    boxes_t, boxes_p = pair(timed, prediction.boxes, mode, prediction.camera_numbers)
    with_boxes = [boxes_p.camera_ids[row] for row in sorted(set(boxes_p.camera_rows.tolist()))]
    result = score(
        boxes_t,
        boxes_p,
        mode,
        rois=read_rois(arguments.rois, with_boxes) if arguments.rois else None,
        drop_single_camera=not arguments.keep_single_camera,
        worst=arguments.worst,
    )
    sources = {"truth": truth.description, "prediction": prediction.description}
    print(f"truth      {sources['truth']}\nprediction {sources['prediction']}\n\n{score_table(result)}")
    if arguments.json:
        files.write_json(arguments.json, {**score_plain(result), **sources})
    print(headline(result))
    return 0


def _frame_rates(given: Sequence[str]) -> dict[str, float]:
    """camera → rate in Hz; "" for the rate without a camera."""
    rates = {}
    for item in given:
        camera, _, number = item.rpartition("=")
        try:
            rates[camera] = float(number)
        except ValueError:
            rates[camera] = 0.0
        if not 0 < rates[camera] < float("inf"):
            raise ConfigError(f"--frame-rate {item}", "a rate over 0 in Hz, as in 10 or c015=8", number)
    return rates

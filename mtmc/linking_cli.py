"""`link_tracklets`: somebody's tracklets and features in, the tables of a run out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mtmc.cli import SuggestingParser
from mtmc.errors import ConfigError, ended_in_words

_EPILOG = """tracklets.csv: columns camera_id, track_id, start_s, end_s; more are welcome (see docs/formats.md)
features.npy: row i is the vector of row i of the table
image features: (tracklets, images, D), or (all images, D) in the table's order

examples:
  link_tracklets.py --tracklets tracklets.csv --features features.npy --out linked
  link_tracklets.py --tracklets t.csv --features f.npy --boxes tracks.txt --cameras cameras.yaml --out linked

exit codes: 0 linked, 2 usage or unusable input, 4 cannot write"""


def build_parser() -> argparse.ArgumentParser:
    """All options of `link_tracklets`."""
    parser = SuggestingParser(prog="link_tracklets.py", description="Link tracklets across cameras.", epilog=_EPILOG,
                              formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("--tracklets", type=Path, required=True, metavar="FILE", help="table of tracklets, CSV")
    add("--features", type=Path, required=True, metavar="FILE", help="one vector a tracklet, .npy")
    add("--image-features", type=Path, metavar="FILE", help="vectors of single images, .npy")
    add("--boxes", type=Path, metavar="FILE|DIR", help="boxes in AI City or MOT form, ids are track ids: places in the "
        "picture for the matcher, and cityflow.txt")  # fmt: skip
    add("--box-format", choices=("auto", "aicity", "mot", "run"), default="auto", help="default: told from the content")
    add("--first-frame", type=int, choices=(0, 1), default=1, help="number of the first frame in --boxes (default: 1)")
    add("--cameras", type=Path, metavar="FILE", help="cameras.yaml: clocks, allowed transitions and travel times")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the tables")
    add("--min-probability", type=float, metavar="P", help="links need at least this probability (default: 0.5)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the matcher, as in "
        "use_positions=false; may be repeated")  # fmt: skip
    add("--quiet", action="store_true", help="print nothing but errors")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = build_parser().parse_args(argv)
    return ended_in_words(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    from mtmc.config import build, merge_sets
    from mtmc.linking import read_input, write_links
    from mtmc.matching.matcher import MatchingConfig, match

    sets = list(arguments.set)
    if arguments.min_probability is not None:
        sets.append(f"min_probability={float(arguments.min_probability)}")
    config = build(MatchingConfig, merge_sets({}, sets), "--set")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise ConfigError(f"--out {arguments.out}", "a folder", "a file")
    given = read_input(arguments.tracklets, arguments.features, arguments.image_features, arguments.boxes,
                       arguments.cameras, arguments.box_format, arguments.first_frame)
    matches = match(given.gallery, given.rules, config)
    names = write_links(arguments.out, given, matches)
    if not arguments.quiet:
        vehicles = len(set(matches.global_ids.tolist()))
        print(f"{len(given.gallery)} tracklets of {len(given.gallery.tracklets.camera_ids)} cameras: "
              f"{len(matches.links)} links, {vehicles} vehicles")
        print(f"written to {arguments.out}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}")
    return 0

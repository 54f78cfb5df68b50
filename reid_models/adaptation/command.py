"""`tools/adapt_reid.py RUN`: fine-tune the embedder on a run's own tracklets; keep the result only if it is better."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtmc.config import build, merge_sets, read_yaml, to_plain
from mtmc.errors import ended_in_words
from mtmc.files import atomic_path, no_space_is_an_output_error, write_json
from reid_models.registry import SHIPPED_WEIGHTS

if TYPE_CHECKING:
    from reid_models.adaptation.adapting import Adaptation


def parser() -> argparse.ArgumentParser:
    """The arguments of `tools/adapt_reid.py`."""
    result = argparse.ArgumentParser(
        prog="adapt_reid.py", description="Fine-tune the embedder on a run's own tracklets, without labels, and show "
        "by a held-out part of the run whether it helped. Weights that were better are never replaced.")
    add = result.add_argument
    add("run", type=Path, help="folder that run_cameras left, with its crops")
    add("--weights", type=Path, default=SHIPPED_WEIGHTS, help="where to begin (default: the weights that ship)")
    add("--out", type=Path, help="folder for the result (default: the run's folder with -adapted behind its name)")
    add("--config", type=Path, help="YAML of settings that differ from the defaults (mining, holdout_share, training)")
    add("--set", action="append", default=[], metavar="section.key=value", help="one setting; may be repeated")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0 whether the new weights were kept or not; an expected error is one line and its exit code."""
    arguments = parser().parse_args(argv)
    return ended_in_words(lambda: run(arguments), "adapt_reid")


def run(arguments: argparse.Namespace) -> int:
    """Adapt as the arguments say. Heavy imports wait until the files have been looked at."""
    from reid_models.adaptation.adapting import ADAPTED, AdaptConfig, adapt
    from reid_models.training.cli import stop_on_signals

    values = merge_sets(read_yaml(arguments.config) if arguments.config else {}, arguments.set)
    config = _over_defaults(AdaptConfig(), values, str(arguments.config or "--set"))
    folder = Path(os.path.realpath(arguments.run))  # other than `resolve`, not stopped by links in a circle
    out = arguments.out or folder.with_name(f"{folder.name}-adapted")
    with no_space_is_an_output_error(out):
        out.mkdir(parents=True, exist_ok=True)
    kept = out / ADAPTED
    kept.unlink(missing_ok=True)  # of an earlier go with other settings
    found = adapt(arguments.run, arguments.weights, out, config, stop_on_signals())
    for line in lines(found):
        print(line)
    if found.comparison.helped:
        with atomic_path(kept) as temporary:
            shutil.copyfile(found.weights, temporary)
        print(f"better: use it with --weights {kept}")
    else:
        print(f"not shown to be better: {arguments.weights.name} stays the one to use")
    write_json(out / "adaptation.json", facts(found, to_plain(config)))
    return 0


def lines(found: Adaptation) -> list[str]:
    """What was learned from and what came of it, for people."""
    lesson, c = found.lesson, found.comparison
    vehicles = len(set(lesson.samples.identities.tolist()))
    return [
        f"learned from {len(lesson.samples)} crops of {lesson.tracklets} tracklets as {vehicles} vehicles "
        f"({lesson.groups} mined groups, pairs nearer than {lesson.threshold:.3f}); "
        f"{lesson.available - lesson.tracklets} tracklets left out as doubtful",
        f"held out {found.held_out} later tracklets",
        f"other cameras, {c.queries} crops: mAP {100 * c.old_map:.1f} -> {100 * c.new_map:.1f} "
        f"({100 * c.gain.mean:+.1f}, 95 % {100 * c.gain.low:+.1f} to {100 * c.gain.high:+.1f}), "
        f"R-1 {100 * c.old_r1:.1f} -> {100 * c.new_r1:.1f}, better in {100 * c.sureness:.1f} % of draws",
        f"sure pairs, {c.sure_queries} crops: mAP {100 * c.old_sure_map:.1f} -> {100 * c.new_sure_map:.1f}",
    ]


def facts(found: Adaptation, config: Any) -> dict[str, Any]:
    """The result as plain values; null where a number does not exist."""
    lesson = found.lesson
    comparison = {**asdict(found.comparison), "helped": found.comparison.helped}
    return _without_nan({
        "config": config, "comparison": comparison, "held_out_tracklets": found.held_out,
        "lesson": {"threshold": lesson.threshold, "groups": lesson.groups, "tracklets": lesson.tracklets,
                   "available": lesson.available, "crops": len(lesson.samples)},
    })


def _over_defaults(defaults: Any, values: dict[str, Any], source: str) -> Any:
    """`build` fills what is not named from the class's own defaults; the training here has others."""
    return build(type(defaults), _merged(to_plain(defaults), values), source)


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}
    return above


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value

"""`tools/privacy_audit.py RUN`: which attributes, and how much of the pictures, can be read from a run's features?"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtmc.errors import ConfigError, ended_in_words
from mtmc.files import write_json
from mtmc.privacy.attribute_attack import METHODS, AttackConfig, AttackResult, attack
from mtmc.privacy.opening import vault_of_run
from mtmc.privacy.reconstruction_attack import ReconstructionResult, reconstruct
from mtmc.privacy.run_attributes import read_stored

if TYPE_CHECKING:
    from mtmc.privacy.inversion_attack import InversionResult

_HEAD = ("attribute", "classes", "tracklets", "vehicles", "accuracy", "interval", "chance", "")
_FEWEST_VEHICLES = 5  # that a decoder of pictures can be judged on


@dataclass(frozen=True)
class Audit:
    """What was read from M tracklets' features of D dimensions. reconstruction: None where no pictures are kept or
    there are fewer than five vehicles. inversion: None where no generator was asked for."""

    tracklets: int
    dimensions: int
    attributes: tuple[AttackResult, ...]
    reconstruction: ReconstructionResult | None
    inversion: InversionResult | None = None


def audit_run(folder: Path, key_file: Path | None = None, config: AttackConfig | None = None,
              generator_steps: int = 0, own_pictures: Path | None = None) -> Audit:
    """Attack the features of the run in `folder`.

    generator_steps: of training of the conditional GAN; 0 leaves it out. own_pictures: what it learns from (see
    `invert_run`). Raises what `vault_of_run`, `read_stored` and `invert_run` raise.
    """
    stored = read_stored(folder, vault_of_run(folder, key_file))
    results = tuple(
        attack(name, stored.features, labels, stored.vehicles, config) for name, labels in stored.attributes.items()
    )
    rows, vehicles = stored.picture_rows, stored.vehicles[stored.picture_rows]
    pictures = None
    if len(np.unique(vehicles)) >= _FEWEST_VEHICLES:
        pictures = reconstruct(stored.features[rows], stored.pictures, vehicles)
    inversion = None
    if generator_steps:
        from mtmc.privacy.inversion_training import InversionConfig
        from mtmc.privacy.run_inversion import invert_run

        inversion, _ = invert_run(folder, stored, InversionConfig(steps=generator_steps), own_pictures)
    return Audit(len(stored.features), stored.features.shape[1], results, pictures, inversion)


def audit_lines(audit: Audit) -> list[str]:
    """The audit as a table for people."""
    lines = [f"{audit.tracklets} tracklets, {audit.dimensions} dimensions; balanced accuracy on vehicles that the "
             "reader never saw, with its 95 % interval", ""]  # fmt: skip
    rows: list[tuple[str, ...]] = [_HEAD]
    rows += [_row(result) for result in audit.attributes]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for result in audit.attributes:
        if result.left_out:
            lines.append(f"{result.attribute}: too few vehicles of {', '.join(result.left_out)}")
    lines.append("")
    if audit.reconstruction is None:
        lines.append("pictures: none kept, or too few vehicles to try")
    else:
        share, count = audit.reconstruction.explained, audit.reconstruction.rows
        lines.append(f"pictures: a linear decoder explains {share:.0%} of the variance of {count} pictures "
                     "(a lower bound: a trained generator does better)")  # fmt: skip
    return [*lines, *([] if audit.inversion is None else inversion_lines(audit.inversion))]


def inversion_lines(found: InversionResult) -> list[str]:
    """What the generator reached, between knowing nothing and having the picture."""
    distances = {"the drawn picture": found.drawn, "the true picture": found.true,
                 "the attacker's mean picture": found.mean_picture, "other true pictures": found.other}  # fmt: skip
    return [
        f"pictures: a generator learned from {found.learned_from} pairs and drew {found.rows} others; mean cosine "
        "distance from the stored vector to the vector of",
        "  " + ", ".join(f"{words} {value:.3f}" for words, value in distances.items()),
        f"  {found.recovered:.0%} of the way from the mean picture to the true one; mean squared error of pixels "
        f"{found.error:.4f}, of the mean picture {found.error_of_mean:.4f}",
    ]


def _row(result: AttackResult) -> tuple[str, ...]:
    counts = str(len(result.classes)), str(result.rows), str(result.groups)
    if math.isnan(result.balanced_accuracy):
        return (result.attribute, *counts, "", "", "", "fewer than two classes with enough vehicles")
    interval = f"{result.low:.3f} to {result.high:.3f}"
    verdict = "can be read" if result.readable else "not shown to be readable"
    return result.attribute, *counts, f"{result.balanced_accuracy:.3f}", interval, f"{result.chance:.3f}", verdict


def to_json(audit: Audit) -> dict[str, Any]:
    """The audit as plain values; null where a number does not exist."""
    attributes = [
        {**asdict(result), "chance": result.chance, "readable": result.readable} for result in audit.attributes
    ]
    pictures = audit.reconstruction
    explained = None if pictures is None else {**asdict(pictures), "explained": pictures.explained}
    drawn = audit.inversion
    return {"tracklets": audit.tracklets, "dimensions": audit.dimensions,
            "attributes": [_without_nan(a) for a in attributes], "reconstruction": explained,
            "inversion": None if drawn is None else {**asdict(drawn), "recovered": drawn.recovered}}  # fmt: skip


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in values.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 whatever was found, the code of the error where a run cannot be read."""
    parser = argparse.ArgumentParser(prog="privacy_audit.py", description="What can be read from a run's features?")
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="the key of an encrypted run (or MTMC_KEY_FILE)")
    parser.add_argument("--method", default="exact", choices=tuple(METHODS),
                        help="how the reader is fitted: exactly, or by the published schedule (default: exact)")
    parser.add_argument("--generator", type=int, default=0, metavar="STEPS",
                        help="also train the conditional GAN that draws pictures from features, so many steps (about "
                             "a second each on one core; default: 0, leave it out)")
    parser.add_argument("--own-pictures", type=Path, metavar="DIR",
                        help="what --generator learns from: pictures about which the run's model is asked (default: "
                             "four fifths of the run's own vehicles)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    arguments = parser.parse_args(argv)

    def work() -> None:
        if arguments.generator < 0 or (arguments.own_pictures and not arguments.generator):
            raise ConfigError("--generator", "steps of 1 or more beside --own-pictures", str(arguments.generator))
        audit = audit_run(arguments.run, arguments.key_file, AttackConfig(method=arguments.method),
                          arguments.generator, arguments.own_pictures)
        for line in audit_lines(audit):
            print(line)
        if arguments.json:
            write_json(arguments.json, to_json(audit))

    return ended_in_words(work)

"""The command `attributes`: a table of labelled pictures out of a data set, or the accuracy of one table on another."""

from __future__ import annotations

import argparse
import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtmc.errors import InputError, ended_in_words
from mtmc.files import write_text
from reid_models.data.registry import DATASETS, load_split
from reid_models.encodings.names import ENCODINGS


def build_parser() -> argparse.ArgumentParser:
    """Both forms of the command."""
    parser = argparse.ArgumentParser(
        prog="attributes.py", description="Tables of labelled pictures for run_cameras --attributes.")
    forms = parser.add_subparsers(dest="form", required=True, metavar="table|score")
    table = forms.add_parser("table", help="write a table of a data set's pictures with their types",
                             description="Write a CSV (path, type) of the pictures whose kind a data set tells.")
    table.add_argument("--dataset", required=True, choices=DATASETS, metavar="NAME", help=", ".join(DATASETS))
    table.add_argument("--data", required=True, type=Path, metavar="DIR", help="its folder")
    table.add_argument("--split", default="train", help="which part (default: train)")
    table.add_argument("--out", required=True, type=Path, metavar="FILE", help="the CSV to write")
    score = forms.add_parser("score", help="how well one table recognises the pictures of another",
                             description="Recognise every picture of one table by the exemplars of another.")
    score.add_argument("--exemplars", required=True, type=Path, metavar="FILE", help="CSV that is learned from")
    score.add_argument("--pictures", required=True, type=Path, metavar="FILE", help="CSV that is recognised")
    score.add_argument("--embedder", default="auto", metavar="NAME",
                       help=f"auto, multilevel, colour-texture, {', '.join(ENCODINGS)} (default: auto)")
    score.add_argument("--weights", default="", metavar="FILE", help="its weights (default: the one that ships)")
    score.add_argument("--neighbours", type=int, default=1, help="nearest exemplars asked (default: 1)")
    score.add_argument("--per-class", type=int, default=100, help="exemplars of each class (default: 100)")
    score.add_argument("--seed", type=int, default=0, help="of their choice (default: 0)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; an expected error is one line on stderr and its exit code."""
    arguments = build_parser().parse_args(argv)
    return ended_in_words(lambda: _table(arguments) if arguments.form == "table" else _score(arguments))


def _table(arguments: argparse.Namespace) -> None:
    samples = load_split(arguments.dataset, arguments.data, arguments.split)
    rows = [(path, kind) for path, kind in zip(samples.paths, samples.kinds, strict=True) if kind]
    if not rows:
        raise InputError(f"{arguments.dataset} {arguments.split}", "pictures whose kind is known", "none")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "type"))
    here = arguments.out.resolve().parent
    writer.writerows((os.path.relpath(path.resolve(), here), kind) for path, kind in rows)
    write_text(arguments.out, text.getvalue())
    print(f"{len(rows)} pictures of {len({kind for _, kind in rows})} types: {arguments.out}")


def _score(arguments: argparse.Namespace) -> None:
    from reid_models.attributes.exemplars import class_accuracy, recognise
    from reid_models.attributes.reading import read_exemplars
    from reid_models.registry import EmbedderConfig, build_embedder

    embedder = build_embedder(EmbedderConfig(name=arguments.embedder, weights=arguments.weights))
    exemplars = read_exemplars(arguments.exemplars, embedder, arguments.per_class, arguments.seed)
    pictures = read_exemplars(arguments.pictures, embedder, per_class=1 << 31)
    print(f"{embedder.name}: {len(exemplars.vectors)} exemplars, {len(pictures.vectors)} pictures")
    for name in (name for name in exemplars.labels.names if name in pictures.labels.words):
        found = recognise(pictures.vectors, exemplars, name, arguments.neighbours)
        answers = [found.words[place] for place in found.shares.argmax(axis=1)]
        by_class = class_accuracy(pictures.labels.told()[name], answers)
        counts = np.array([count for count, _ in by_class.values()])
        shares = np.array([share for _, share in by_class.values()])
        for word, (count, share) in by_class.items():
            print(f"{name} {word}: {100 * share:.1f} % of {count}")
        whole = float(counts @ shares) / counts.sum()
        print(f"{name}: {100 * whole:.1f} % of all, {100 * shares.mean():.1f} % mean over classes")

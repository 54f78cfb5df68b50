"""`tools/evaluate_reid.py`: score an embedder on a data set."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtmc.config import to_plain
from mtmc.errors import ConfigError, ended_in_words
from mtmc.files import write_json, write_text
from reid_models.data.registry import DATASETS, load_tasks, tasks_of
from reid_models.data.relevance import JUNK_RULES, judge
from reid_models.data.samples import ReidTask
from reid_models.embedder import Embedder
from reid_models.encodings.names import ENCODINGS
from reid_models.evaluation.evaluate import ProtocolScores, evaluate_protocol
from reid_models.evaluation.features import ImageVectors, embed_tasks
from reid_models.evaluation.picture import write_picture
from reid_models.evaluation.protocols import IMAGE_TO_IMAGE, PROTOCOLS, apply_protocol, protocols_for
from reid_models.evaluation.report import query_table, render_report, to_json
from reid_models.evaluation.submission import write_submission
from reid_models.registry import EmbedderConfig, build_embedder
from reid_models.reranking import RerankConfig

ALL_PROTOCOLS = "all"
SUBMISSION_NAME = "track2.txt"  # the name that the AI City server asks for


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; errors a user can act on are one line on stderr and their exit code."""
    arguments = build_parser().parse_args(argv)
    return ended_in_words(lambda: run(arguments))


def build_parser() -> argparse.ArgumentParser:
    splits = "; ".join(f"{name}: {', '.join(tasks_of(name)) or 'as its table names them'}" for name in DATASETS)
    parser = argparse.ArgumentParser(
        prog="evaluate_reid.py", description="Score a re-identification embedder on a data set.",
        epilog=f"Splits that can be scored: {splits}.")
    parser.add_argument("--dataset", required=True, choices=DATASETS, metavar="NAME", help=", ".join(DATASETS))
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="its folder (csv: or the file itself)")
    parser.add_argument("--split", required=True, help="which part; see below")
    parser.add_argument("--weights", default="", metavar="FILE", help="safetensors file (default: the one that ships)")
    parser.add_argument("--embedder", default="auto", choices=("auto", "multilevel", "colour-texture", *ENCODINGS),
                        metavar="NAME", help="auto (default; prefers weights), multilevel, colour-texture (needs no "
                        f"weights), or an encoding fitted with tools/fit_encoding.py: {', '.join(ENCODINGS)}")
    parser.add_argument("--protocol", nargs="+", default=[IMAGE_TO_IMAGE], choices=(*PROTOCOLS, ALL_PROTOCOLS),
                        metavar="NAME",
                        help=f"{', '.join(PROTOCOLS)}, or all that the data allow (default: {IMAGE_TO_IMAGE})")
    parser.add_argument("--junk-rule", choices=JUNK_RULES, help="judge by this rule in place of the data set's own")
    parser.add_argument("--rerank", action="store_true", help="k-reciprocal re-ranking (uses the whole test set)")
    parser.add_argument("--rerank-values", nargs=3, type=float, metavar=("K1", "K2", "LAMBDA"),
                        help="of --rerank (default: 20 6 0.3)")
    parser.add_argument("--no-renormalise", action="store_true", help="leave means over tracks at their own length")
    parser.add_argument("--flip", action="store_true", help="average each image with its mirror image")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda:0 … (default: auto)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="images per network call")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores as JSON")
    parser.add_argument("--queries", type=Path, metavar="FILE", help="write a CSV with a row a query")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write ranked retrievals as .jpg or .png")
    parser.add_argument("--submission", type=Path, metavar="FILE", default=Path(SUBMISSION_NAME),
                        help=f"AI City answers to a test without public labels (default: {SUBMISSION_NAME})")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Load, embed, score and write. Raises `MtmcError`s."""
    tasks = [_with_rule(task, arguments.junk_rule)
             for task in load_tasks(arguments.dataset, arguments.data, arguments.split)]
    rerank = _rerank_config(arguments)
    protocols = _protocols(arguments.protocol, tasks[0])
    if not tasks[0].labelled:
        _refuse_scores(arguments, protocols, tasks[0])
    embedder = build_embedder(_embedder_config(arguments))
    started = time.perf_counter()
    vectors = embed_tasks(embedder, tasks, _show_progress if sys.stderr.isatty() else lambda done, total: None)
    print(f"embedder: {embedder.name}; {len(vectors.vectors):,} images in {time.perf_counter() - started:.1f} s")
    if not tasks[0].labelled:
        write_submission(arguments.submission, protocols[0], tasks[0], vectors, not arguments.no_renormalise, rerank)
        print(f"{tasks[0].name}: {tasks[0].note}, so there is no score. Answers to hand in: {arguments.submission}")
        return
    results = [evaluate_protocol(protocol, tasks, vectors, not arguments.no_renormalise, rerank)
               for protocol in protocols]
    method = embedder.name + (" + re-ranking" if rerank else "")
    print(render_report(tasks, results, method))
    _write_files(arguments, tasks, results, vectors, embedder, rerank)


def _write_files(arguments: argparse.Namespace, tasks: list[ReidTask], results: list[ProtocolScores],
                 vectors: ImageVectors, embedder: Embedder, rerank: RerankConfig | None) -> None:
    renormalise = not arguments.no_renormalise
    if arguments.json:
        about = {"dataset": arguments.dataset, "split": arguments.split, "embedder": embedder.name,
                 "fingerprint": embedder.fingerprint, "renormalise": renormalise,
                 "rerank": to_plain(rerank) if rerank else None}
        write_json(arguments.json, to_json(tasks, results, about))
    if arguments.queries:
        write_text(arguments.queries, query_table(tasks, results))
    if arguments.picture:
        task, best = tasks[0], results[0]
        retrieval = apply_protocol(best.protocol, task, vectors.of(task.query), vectors.of(task.gallery), renormalise)
        title = f"{task.name}, {best.protocol}: query, then its nearest (green right, red wrong)"
        first_task = best.scores.select(np.arange(len(task.query)))
        write_picture(arguments.picture, title, task, retrieval, first_task, rerank)
    for path in (arguments.json, arguments.queries, arguments.picture):
        if path:
            print(f"wrote {path}")


def _embedder_config(arguments: argparse.Namespace) -> EmbedderConfig:
    config = EmbedderConfig(name=arguments.embedder, weights=arguments.weights, device=arguments.device,
                            flip_at_test=arguments.flip)
    return config if arguments.batch_size is None else replace(config, batch_size=arguments.batch_size)


def _protocols(asked: list[str], task: ReidTask) -> tuple[str, ...]:
    return protocols_for(task) if ALL_PROTOCOLS in asked else tuple(dict.fromkeys(asked))


def _with_rule(task: ReidTask, rule: str | None) -> ReidTask:
    if rule is None or not task.labelled:
        return task
    relevance = judge(task.query.identities, task.gallery.identities, task.query.cameras, task.gallery.cameras, rule)
    return replace(task, relevance=relevance, junk_rule=rule)


def _rerank_config(arguments: argparse.Namespace) -> RerankConfig | None:
    if not arguments.rerank:
        if arguments.rerank_values:
            raise ConfigError("--rerank-values", "--rerank beside it", "none")
        return None
    if not arguments.rerank_values:
        return RerankConfig()
    k1, k2, weight = arguments.rerank_values
    if k1 != int(k1) or k2 != int(k2):
        raise ConfigError("--rerank-values", "whole numbers for K1 and K2", f"{k1} and {k2}")
    return RerankConfig(int(k1), int(k2), weight)


def _refuse_scores(arguments: argparse.Namespace, protocols: tuple[str, ...], task: ReidTask) -> None:
    for name in ("json", "queries", "picture"):
        if getattr(arguments, name):
            raise ConfigError(f"--{name}", "a data set with public answers", f"{task.name}, for which {task.note}",
                              "Leave it out: a file of answers is written in place of a score.")
    if len(protocols) > 1 and ALL_PROTOCOLS not in arguments.protocol:
        raise ConfigError("--protocol", "one, for one file of answers", ", ".join(protocols))


def _show_progress(done: int, total: int) -> None:
    print(f"\rembedding {done:,} of {total:,} images", end="\n" if done == total else "", file=sys.stderr, flush=True)

"""The score of a run against a truth file, for `--truth`, the report and the demo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mtmc.errors import InputError
from mtmc.evaluation.score import MtmcScore, score, score_answers
from mtmc.evaluation.tables import headline
from mtmc.gallery import RunTracklets
from mtmc.results.read_boxes import read_boxes
from mtmc.results.track_boxes import TrackBoxes


def score_run(truth: Path, run: RunTracklets, global_ids: np.ndarray, numbers: Mapping[str, int]) -> MtmcScore:
    """The whole score of a run under one vehicle per tracklet, int64 (M,), by AI City rules.

    numbers: camera → its AI City number, for truths that have only those. Raises `InputError` for a truth that
    does not fit.
    """
    return score(read_truth(truth), _boxes(run, global_ids), camera_numbers=numbers)


def compare_answers(
    truth: Path, run: RunTracklets, answers: Mapping[str, np.ndarray], numbers: Mapping[str, int]
) -> dict[str, float]:
    """Name → cross-camera IDF1 of several ways to link the same tracklets; boxes are compared once."""
    places = np.arange(len(run.tracklets))
    found = score_answers(read_truth(truth), _boxes(run, places), answers, camera_numbers=numbers)
    return {name: link.identity.idf1 for name, link in found.items()}


def read_truth(path: Path) -> TrackBoxes:
    """A truth in any form that `tools/evaluate_mtmc.py` reads. Raises `InputError` for any other, and for none."""
    boxes = read_boxes(path, is_truth=True).boxes
    if not len(boxes):
        raise InputError(path, "at least one box of ground truth", "none")
    return boxes


def score_lines(result: MtmcScore) -> tuple[str, ...]:
    """What a person wants to read first; `tools/evaluate_mtmc.py` says more."""
    identity, pairs = result.identity, result.pairs
    alone = ", ".join(f"{camera.camera_id} {camera.identity.idf1:.2f}" for camera in result.cameras)
    return (
        f"{headline(result)} (IDP {identity.idp:.2f}, IDR {identity.idr:.2f})",
        f"links right {pairs.precision:.2f}, links found {pairs.recall:.2f}",
        f"IDF1 of each camera alone, against the vehicles of the truth: {alone}",
    )


def _boxes(run: RunTracklets, ids: np.ndarray) -> TrackBoxes:
    return TrackBoxes.of_tracklets(run.tracklets, ids, run.gallery.tracklets.camera_ids)

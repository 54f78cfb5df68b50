"""The score of predicted boxes with identities against true ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mtmc.errors import InputError
from mtmc.evaluation import aicity_rules
from mtmc.evaluation.aicity_rules import MATCH_IOU
from mtmc.evaluation.camera_pairing import pair_cameras, pair_one_camera
from mtmc.evaluation.clear import ClearScore, clear_score
from mtmc.evaluation.frame_clock import FrameClock
from mtmc.evaluation.hota import HotaScore, hota_score
from mtmc.evaluation.identity import IdentityScore, identity_score
from mtmc.evaluation.mtmc_score import CameraScore, LeftOut, LinkScore, Mode, MtmcScore, ScoreRules
from mtmc.evaluation.overlaps import Overlaps, find_overlaps
from mtmc.evaluation.pair_score import PairScore, pair_score
from mtmc.evaluation.track_contents import track_contents
from mtmc.evaluation.worst_errors import ERROR_KINDS, find_errors
from mtmc.results.track_boxes import TrackBoxes


def score(
    truth: TrackBoxes,
    prediction: TrackBoxes,
    mode: Mode = "aicity",
    *,
    rois: Mapping[str, np.ndarray] | None = None,
    drop_single_camera: bool = True,
    worst: int = 20,
    camera_numbers: Mapping[str, int] | None = None,
) -> MtmcScore:
    """Score `prediction` against `truth`.

    rois: camera → uint8 (H, W), 255 inside, by the names of the truth where both sides have different ones;
    None = no region rule. camera_numbers: the prediction's cameras in AI City numbers, where the truth has
    only those. The rest is explained at `ScoreRules`.
    Raises `InputError` for a truth without boxes and for cameras that cannot be paired.
    """
    compared = compare(truth, prediction, mode, rois, camera_numbers)
    return compared.score(compared.prediction.ids, ScoreRules(mode, drop_single_camera, worst))


def compare(
    truth: TrackBoxes,
    prediction: TrackBoxes,
    mode: Mode = "aicity",
    rois: Mapping[str, np.ndarray] | None = None,
    camera_numbers: Mapping[str, int] | None = None,
) -> Comparison:
    """Pair cameras, apply the region rule and find overlaps: all that does not depend on predicted identities."""
    if not len(truth):
        raise InputError("truth", "at least one box", "none")
    truth, prediction = pair(truth, prediction, mode, camera_numbers)
    first = aicity_rules.first_of_repeated(truth)
    kept = truth[first]
    inside = np.ones(len(prediction), dtype=bool)
    if rois is not None:
        inside = aicity_rules.inside_region(prediction, rois)
    return Comparison(kept, prediction, inside, find_overlaps(kept, prediction), int((~first).sum()))


def pair(
    truth: TrackBoxes, prediction: TrackBoxes, mode: Mode, camera_numbers: Mapping[str, int] | None = None
) -> tuple[TrackBoxes, TrackBoxes]:
    """Both over the same list of cameras; rows keep their order. Raises `InputError` where cameras cannot be paired."""
    if ScoreRules(mode).mode == "one-camera":
        return pair_one_camera(truth, prediction)
    return pair_cameras(truth, prediction, camera_numbers)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Truth and prediction over the same cameras, ready to be scored under any predicted identities.

    truth: without repeated rows, of which there were `repeated_in_truth`. prediction: N boxes, in the order in which
    they were given. inside: bool (N,), rule 1. overlaps: between the two.
    """

    truth: TrackBoxes
    prediction: TrackBoxes
    inside: np.ndarray
    overlaps: Overlaps
    repeated_in_truth: int

    def score(self, ids: np.ndarray, rules: ScoreRules) -> MtmcScore:
        """The whole score of the predicted boxes under the identities `ids`, int64 (N,)."""
        shown, counted, left_out = self._masks(ids, rules)
        seen = self.prediction.with_ids(ids)[shown]
        overlaps = self.overlaps.among(np.ones(len(self.truth), dtype=bool), shown)
        shared = rules.mode == "aicity"
        cameras = camera_scores(self.truth, seen, overlaps)
        overall = _together(cameras)
        contents = track_contents(self.truth, seen, overlaps.at_least(MATCH_IOU).one_to_one())
        clock = FrameClock.of(self.prediction, self.truth)
        errors = find_errors(contents, self.truth.camera_ids, clock, links=shared)
        counted_ids = ids[counted]
        return MtmcScore(
            mode=rules.mode,
            truth_boxes=len(self.truth),
            predicted_boxes=len(counted_ids),
            truth_identities=_number_of_identities(self.truth, np.ones(len(self.truth), dtype=bool), shared),
            predicted_identities=_number_of_identities(self.prediction.with_ids(ids), counted, shared),
            left_out=left_out,
            identity=self._identity(ids, counted) if shared else overall.identity,
            pairs=pair_score(contents) if shared else PairScore(),
            overall=overall,
            cameras=cameras,
            error_counts={kind: sum(e.kind == kind for e in errors) for kind in ERROR_KINDS},
            errors=tuple(errors[: rules.worst]),
        )

    def links(self, ids: np.ndarray, drop_single_camera: bool = True) -> LinkScore:
        """The part of the score that says how well boxes were linked, under the identities `ids`, int64 (N,)."""
        shown, counted, _ = self._masks(ids, ScoreRules("aicity", drop_single_camera))
        matched = self.overlaps.at_least(MATCH_IOU).among(np.ones(len(self.truth), dtype=bool), shown)
        contents = track_contents(self.truth, self.prediction.with_ids(ids)[shown], matched.one_to_one())
        return LinkScore(self._identity(ids, counted), pair_score(contents))

    def _identity(self, ids: np.ndarray, counted: np.ndarray) -> IdentityScore:
        matched = self.overlaps.at_least(MATCH_IOU).among(np.ones(len(self.truth), dtype=bool), counted)
        return identity_score(self.truth.ids, ids[counted], matched.truth_rows, matched.prediction_rows)

    def _masks(self, ids: np.ndarray, rules: ScoreRules) -> tuple[np.ndarray, np.ndarray, LeftOut]:
        """bool (N,) twice: boxes of the scores of single cameras, and those of the headline; what was left out."""
        renamed = self.prediction.with_ids(ids)
        several = self.inside.copy()
        if rules.mode == "aicity" and rules.drop_single_camera:
            several[several] = aicity_rules.seen_in_two_cameras(renamed[several])
        once = self.inside.copy()
        once[once] = aicity_rules.first_of_repeated(renamed[once])
        known = aicity_rules.in_cameras_of_truth(renamed, self.truth)
        left_out = LeftOut(
            outside_region=int((~self.inside).sum()),
            repeated=int((self.inside & ~once).sum()),
            single_camera=int((once & ~several).sum()),
            camera_not_in_truth=int((once & several & ~known).sum()),
            repeated_in_truth=self.repeated_in_truth,
        )
        return once & known, once & known & several, left_out


def score_answers(
    truth: TrackBoxes,
    tracklet_boxes: TrackBoxes,
    answers: Mapping[str, np.ndarray],
    *,
    rois: Mapping[str, np.ndarray] | None = None,
    drop_single_camera: bool = True,
    camera_numbers: Mapping[str, int] | None = None,
) -> dict[str, LinkScore]:
    """Several ways of linking the same M tracklets, each scored as a run with that answer would be.

    tracklet_boxes: N boxes whose ids are the tracklets' rows, 0 to M - 1 (`TrackBoxes.of_tracklets(tracklets,
    range(M))`, or `read_run(folder).boxes`). answers: name → global ids, int64 (M,). Boxes are compared once.
    """
    compared = compare(truth, tracklet_boxes, "aicity", rois, camera_numbers)
    rows = compared.prediction.ids
    return {name: compared.links(np.asarray(ids)[rows], drop_single_camera) for name, ids in answers.items()}


def camera_scores(truth: TrackBoxes, prediction: TrackBoxes, overlaps: Overlaps) -> tuple[CameraScore, ...]:
    """Every camera in which the truth has boxes, alone."""
    scores = []
    for row in np.unique(truth.camera_rows):
        here_t, here_p = truth.camera_rows == row, prediction.camera_rows == row
        scores.append(_camera_score(truth.camera_ids[row], truth[here_t], prediction[here_p],
                                    overlaps.among(here_t, here_p)))
    return tuple(scores)


def _camera_score(camera_id: str, truth: TrackBoxes, prediction: TrackBoxes, overlaps: Overlaps) -> CameraScore:
    matched = overlaps.at_least(MATCH_IOU)
    return CameraScore(
        camera_id,
        len(truth),
        len(prediction),
        identity_score(truth.ids, prediction.ids, matched.truth_rows, matched.prediction_rows),
        clear_score(truth, prediction, overlaps),
        hota_score(truth, prediction, overlaps),
    )


def _together(cameras: tuple[CameraScore, ...]) -> CameraScore:
    return CameraScore(
        "all cameras",
        sum(camera.truth_boxes for camera in cameras),
        sum(camera.predicted_boxes for camera in cameras),
        sum((camera.identity for camera in cameras), IdentityScore()),
        sum((camera.clear for camera in cameras), ClearScore()),
        HotaScore.total(camera.hota for camera in cameras),
    )


def _number_of_identities(boxes: TrackBoxes, keep: np.ndarray, shared: bool) -> int:
    keys = [boxes.ids[keep]] if shared else [boxes.ids[keep], boxes.camera_rows[keep]]
    return len(np.unique(np.stack(keys, axis=1), axis=0))

"""A score as plain values for JSON and as text for people."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from mtmc.evaluation.mtmc_score import CameraScore, MtmcScore

_COLUMNS = ("camera", "HOTA", "DetA", "AssA", "MOTA", "IDF1", "recall", "precision", "switches", "truth", "predicted")


def headline(score: MtmcScore) -> str:
    """The one figure: `cross-camera IDF1 0.91`, or plainly `IDF1 0.91` where cameras share no identities."""
    return f"{'cross-camera IDF1' if score.mode == 'aicity' else 'IDF1'} {score.idf1:.2f}"


def score_table(score: MtmcScore) -> str:
    """The whole score as text, the worst errors last."""
    lines = [
        f"IDF1 {score.idf1:.4f}  IDP {score.idp:.4f}  IDR {score.idr:.4f}   {_meaning(score)}",
        f"truth      {score.truth_boxes} boxes, {score.truth_identities} identities",
        f"predicted  {score.predicted_boxes} boxes, {score.predicted_identities} identities{_left_out(score)}",
    ]
    if score.mode == "aicity":
        pairs = score.pairs
        lines.append(
            f"links      precision {pairs.precision:.3f}  recall {pairs.recall:.3f}   "
            f"({pairs.right} right, {pairs.wrong} wrong, {pairs.unmatched} with no vehicle of the truth; "
            f"{pairs.found} of {pairs.truth} true pairs found)"
        )
    rows = [_row(camera) for camera in score.cameras]
    rows += [_row(score.overall)] if len(score.cameras) > 1 else []
    lines += ["", *_aligned([_COLUMNS, *rows]), "", *_errors(score)]
    return "\n".join(lines) + "\n"


def score_plain(score: MtmcScore) -> dict[str, Any]:
    """The score as nested dicts of plain values, ready for JSON: headline first, unknown times null."""
    return {
        "mode": score.mode,
        "idf1": score.idf1,
        "idp": score.idp,
        "idr": score.idr,
        "identity": asdict(score.identity),
        "truth_boxes": score.truth_boxes,
        "predicted_boxes": score.predicted_boxes,
        "truth_identities": score.truth_identities,
        "predicted_identities": score.predicted_identities,
        "left_out": asdict(score.left_out),
        "pairs": {**asdict(score.pairs), "precision": score.pairs.precision, "recall": score.pairs.recall},
        "overall": _camera_plain(score.overall),
        "cameras": {camera.camera_id: _camera_plain(camera) for camera in score.cameras},
        "error_counts": dict(score.error_counts),
        "errors": [_without_nan({**asdict(error), "text": str(error)}) for error in score.errors],
    }


def _camera_plain(camera: CameraScore) -> dict[str, Any]:
    return {
        "hota": camera.hota.hota,
        "det_a": camera.hota.det_a,
        "ass_a": camera.hota.ass_a,
        "mota": camera.clear.mota,
        "motp": camera.clear.motp,
        "precision": camera.clear.precision,
        "recall": camera.clear.recall,
        "idf1": camera.identity.idf1,
        "idp": camera.identity.idp,
        "idr": camera.identity.idr,
        "identity": asdict(camera.identity),
        "clear": asdict(camera.clear),
        "truth_boxes": camera.truth_boxes,
        "predicted_boxes": camera.predicted_boxes,
    }


def _meaning(score: MtmcScore) -> str:
    if score.mode == "aicity":
        return f"identities over {len(score.cameras)} cameras, AI City rules"
    return "one camera" if score.mode == "one-camera" else f"{len(score.cameras)} sequences, identities of their own"


def _left_out(score: MtmcScore) -> str:
    reasons = {
        "outside the region": score.left_out.outside_region,
        "of identities in one camera": score.left_out.single_camera,
        "repeated": score.left_out.repeated,
        "in cameras that the truth does not have": score.left_out.camera_not_in_truth,
    }
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return f" (left out: {told})" if told else ""


def _row(camera: CameraScore) -> tuple[str, ...]:
    hota, clear = camera.hota, camera.clear
    shares = (hota.hota, hota.det_a, hota.ass_a, clear.mota, camera.identity.idf1, clear.recall, clear.precision)
    counts = (camera.clear.switches, camera.truth_boxes, camera.predicted_boxes)
    return (camera.camera_id, *(f"{share:.3f}" for share in shares), *map(str, counts))


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return ["  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                      for column, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows]


def _errors(score: MtmcScore) -> list[str]:
    told = ", ".join(f"{count} {kind}" for kind, count in score.error_counts.items() if count)
    if not told:
        return ["no errors"]
    return [f"errors: {told}", *(f"  {error}" for error in score.errors)]


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value

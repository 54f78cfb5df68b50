"""Which camera of the truth is which of the prediction: by name, or by the numbers of AI City files."""

from __future__ import annotations

from collections.abc import Mapping

from mtmc.errors import InputError
from mtmc.results.aicity import camera_numbers
from mtmc.results.track_boxes import TrackBoxes


def pair_cameras(
    truth: TrackBoxes, prediction: TrackBoxes, prediction_numbers: Mapping[str, int] | None = None
) -> tuple[TrackBoxes, TrackBoxes]:
    """Both over the same list of cameras, the union of the two.

    Cameras pair by name. Where one side has numbers for names, as AI City files do, the other's cameras are
    known by their numbers: `prediction_numbers`, or those of `camera_numbers`.
    Raises `InputError` where no camera of the truth is among the prediction's.
    """
    if _numbered(truth) != _numbered(prediction):
        if _numbered(truth):
            numbers = prediction_numbers or camera_numbers(prediction.camera_ids)
            prediction = prediction.with_camera_names({c: str(numbers[c]) for c in prediction.camera_ids})
        else:
            prediction = _named_like(prediction, truth)
    if len(prediction) and not set(truth.camera_ids) & set(prediction.camera_ids):
        raise InputError(
            "cameras of the prediction",
            f"some of {', '.join(truth.camera_ids) or 'those of a truth that has boxes'}",
            ", ".join(prediction.camera_ids),
            "Name the cameras alike, or score one camera with --mode one-camera.",
        )
    return _over_union(truth, prediction)


def pair_one_camera(truth: TrackBoxes, prediction: TrackBoxes) -> tuple[TrackBoxes, TrackBoxes]:
    """The one camera of each side, whatever the two are called. Raises `InputError` where a side has more."""
    for side, boxes in (("truth", truth), ("prediction", prediction)):
        if len(boxes.camera_ids) > 1:
            found = ", ".join(boxes.camera_ids)
            raise InputError(f"{side} with --mode one-camera", "boxes of one camera", found, "Choose another --mode.")
    if truth.camera_ids and prediction.camera_ids:
        prediction = prediction.with_camera_names({prediction.camera_ids[0]: truth.camera_ids[0]})
    return _over_union(truth, prediction)


def _numbered(boxes: TrackBoxes) -> bool:
    """Whether all names are numbers (true of no camera at all, which fits with everything)."""
    return all(camera.isascii() and camera.isdigit() for camera in boxes.camera_ids)


def _named_like(prediction: TrackBoxes, truth: TrackBoxes) -> TrackBoxes:
    """A numbered prediction with the truth's names where a number is one of the truth's."""
    name_of = {str(number): camera for camera, number in camera_numbers(truth.camera_ids).items()}
    return prediction.with_camera_names({c: name_of.get(c.lstrip("0") or "0", c) for c in prediction.camera_ids})


def _over_union(truth: TrackBoxes, prediction: TrackBoxes) -> tuple[TrackBoxes, TrackBoxes]:
    cameras = sorted(set(truth.camera_ids) | set(prediction.camera_ids))
    return truth.over_cameras(cameras), prediction.over_cameras(cameras)

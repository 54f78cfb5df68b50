"""Holding images back for validation: a whole scene where cameras fall apart into several, else identities."""

from __future__ import annotations

import numpy as np

from mtmc.errors import InputError
from reid_models.data.samples import UNKNOWN, ReidSamples

# A scene is held back whole only if it has at most this many times the identities asked for: CityFlow's scenes differ
# so much in size that giving one away could cost most of the training.
LARGEST_SCENE = 2.0


def hold_out(samples: ReidSamples, share: float, fold: int, seed: int = 0) -> tuple[ReidSamples, ReidSamples]:
    """(training, validation) images; no identity is in both, and no camera either where a scene could be held back.

    A scene is a group of cameras linked by shared identities. Fold f holds back the f-th of the scenes small enough
    (in random order), or, where there are not so many, the f-th share of the identities. Images of unknown identity
    go to neither. share 0 holds nothing back. Raises `InputError` where nothing would be left on one side.
    """
    known = samples.select(samples.identities != UNKNOWN)
    if not share:
        return known, known.select(np.zeros(len(known), dtype=bool))
    inside = _scene(known, share, fold, seed)
    if inside is None:
        inside = np.isin(known.identities, _identities(known, share, fold, seed))
    return known.select(~inside), known.select(inside)


def _scene(known: ReidSamples, share: float, fold: int, seed: int) -> np.ndarray | None:
    """Mask of the images of one scene, None where there is none that is small enough."""
    scenes = scenes_of(known)
    total = len(np.unique(known.identities))
    values = np.random.default_rng([seed, 4]).permutation(np.unique(scenes))
    small = [value for value in values
             if len(np.unique(known.identities[scenes == value])) <= LARGEST_SCENE * share * total]
    return scenes == small[fold] if len(values) > 1 and fold < len(small) else None


def _identities(known: ReidSamples, share: float, fold: int, seed: int) -> np.ndarray:
    values = np.unique(known.identities)
    count = max(1, round(len(values) * share))
    chosen = np.random.default_rng([seed, 5]).permutation(values)[fold * count : (fold + 1) * count]
    if not len(chosen) or len(chosen) == len(values):
        raise InputError("training images", f"enough identities to hold back fold {fold} of {share:.0%}",
                         str(len(values)))
    return chosen


def scenes_of(samples: ReidSamples) -> np.ndarray:
    """int64 (N,): the smallest camera number among those linked to an image's camera by shared identities, directly
    or through others. Cameras that are unknown are one scene."""
    scene = {int(camera): int(camera) for camera in np.unique(samples.cameras)}

    def root(camera: int) -> int:
        while scene[camera] != camera:
            camera = scene[camera]
        return camera

    order = np.argsort(samples.identities, kind="stable")
    identities, cameras = samples.identities[order], samples.cameras[order]
    for i in np.flatnonzero((identities[1:] == identities[:-1]) & (identities[1:] != UNKNOWN)):
        one, two = sorted((root(int(cameras[i])), root(int(cameras[i + 1]))))
        scene[two] = one
    return np.array([root(int(camera)) for camera in samples.cameras], dtype=np.int64)

"""Cameras: which video belongs to which, where its first frame lies on the common clock, what it sees."""

from __future__ import annotations

import logging
import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtmc.camera_rules import CameraRules
from mtmc.errors import InputError

VIDEO_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".ts")
# What lies beside videos as a matter of course; anything else is listed as skipped.
_SIDE_SUFFIXES = (".csv", ".jpeg", ".jpg", ".json", ".md", ".png", ".txt", ".xml", ".yaml", ".yml")
_RULES_NAME = "cameras.yaml"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Camera:
    """One camera and its recording.

    camera_id: its name, unique in a run. video: the file. start_s: seconds on the common clock of the
    video's first frame. clock_rate: seconds of the common clock per second of the video's own clock
    (1 unless the clock drifts). roi: bool (H, W), True where vehicles count; shape (0, 0) stands for
    the full frame. frame_rate_hz: 0 unless the data set says it (used only where a container
    has no usable times). homography: float64 (3, 3), ground plane → image pixels as the data set gives it;
    zeros where there is none.
    """

    camera_id: str
    video: Path
    start_s: float
    clock_rate: float
    roi: np.ndarray
    frame_rate_hz: float
    homography: np.ndarray


@dataclass(frozen=True)
class SkippedFile:
    """A file in the videos folder that is no camera, and why."""

    path: Path
    reason: str


def plain_camera(camera_id: str, video: Path) -> Camera:
    """A camera of which nothing is known but its video."""
    return Camera(camera_id, Path(video), 0.0, 1.0, np.zeros((0, 0), bool), 0.0, np.zeros((3, 3)))


def discover_cameras(
    videos: Path, rules_file: Path | None = None
) -> tuple[tuple[Camera, ...], CameraRules, tuple[SkippedFile, ...]]:
    """The cameras in `videos`, sorted by name, what the user says of them, and what was passed over.

    videos: a folder of .mp4 .avi .mkv .mov .ts files, each a camera named by its stem; one such file; or the
    CityFlow layout (`mtmc.cityflow`): a camera's folder, a scenario's, or one above. rules_file: a cameras.yaml
    (default: `cameras.yaml` in the folder, where there is one). No video is opened but those with a region of interest:
    a file that is broken, a pipe or a folder with a video's name fails when it is read, and stops no other.
    Raises `InputError` where there is nothing to read, `ConfigError` for rules that cannot be used.
    """
    from mtmc import cameras_yaml, cityflow

    videos = Path(videos)
    folder = videos if _is_folder(videos) else None
    skipped: tuple[SkippedFile, ...] = ()
    if folder is None:
        cameras = cityflow.cameras_of_file(videos) or _single_file(videos)
    else:
        cameras, skipped = _flat_folder(folder)
        cameras = cityflow.cameras_below(folder) or cameras if _only_vdo(cameras) else cameras
    if not cameras:
        raise InputError(
            videos, f"at least one video ({' '.join(VIDEO_SUFFIXES)})", _what_was_found(skipped),
            "Name a folder with one video a camera, a single video, or a CityFlow folder (S0x/c0xx/vdo.avi).",
        )  # fmt: skip
    if rules_file is None and folder is not None and (folder / _RULES_NAME).is_file():
        rules_file = folder / _RULES_NAME
        _log.info("using the rules in %s", rules_file)
    rules = CameraRules()
    if rules_file is not None:
        cameras, rules = cameras_yaml.apply_rules(cameras, Path(rules_file))
    return tuple(sorted(cameras, key=lambda camera: camera.camera_id)), rules, skipped


def unique_names(wanted: Sequence[tuple[str, str]]) -> list[str]:
    """Names for cameras, all different: the short one of each (short, long) pair, the long one where several share the
    short one, and a number behind it where even those are equal."""
    shorts = Counter(short for short, _ in wanted)
    names: list[str] = []
    for short, long in wanted:
        base = name = short if shorts[short] == 1 else long
        number = 2
        while name in names:
            name, number = f"{base}_{number}", number + 1
        if name != short:
            _log.warning("several videos are called %s; this one becomes camera %s", short, name)
        names.append(name)
    return names


def printable_name(name: str) -> str:
    """`name` fit for file names, tables and terminals: control characters and broken UTF-8 become `_`."""
    return "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name)


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as error:
        found = error.strerror or str(error)
        raise InputError(path, "a folder of videos or one video", found, "Check the path after --videos.") from error


def _single_file(video: Path) -> list[Camera]:
    if video.suffix.lower() not in VIDEO_SUFFIXES:
        return []
    return [plain_camera(printable_name(video.stem), video)]


def _flat_folder(folder: Path) -> tuple[list[Camera], tuple[SkippedFile, ...]]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(folder, "a folder that can be read", error.strerror or str(error)) from error
    videos = [entry for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES]
    others = [entry for entry in entries if entry not in videos and entry.suffix.lower() not in _SIDE_SUFFIXES]
    names = unique_names([(printable_name(video.stem), printable_name(video.name)) for video in videos])
    skipped = [SkippedFile(entry, "a folder" if entry.is_dir() else "not a video by its ending") for entry in others]
    return [plain_camera(name, video) for name, video in zip(names, videos, strict=True)], tuple(skipped)


def _only_vdo(cameras: Sequence[Camera]) -> bool:
    """Whether a folder may be CityFlow's: without videos of its own, or with a camera's `vdo.avi` alone."""
    return all(camera.video.stem.lower() == "vdo" for camera in cameras)


def _what_was_found(skipped: Sequence[SkippedFile]) -> str:
    if not skipped:
        return "none"
    return f"none, but {len(skipped)} other{'s' if len(skipped) > 1 else ''} such as {skipped[0].path.name}"

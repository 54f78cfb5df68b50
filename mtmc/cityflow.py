"""The folder layout of CityFlow / AI City: `S0x/c0xx/vdo.avi` with `roi.jpg`, `calibration.txt` and, beside the
scenarios, `cam_timestamp/S0x.txt` (formats as in the data set's ReadMe of 2022)."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtmc.cameras import VIDEO_SUFFIXES, Camera, plain_camera, printable_name, unique_names
from mtmc.errors import InputError
from mtmc.files import require_regular
from mtmc.regions import fit_mask, read_mask

# All cameras of the data set run at 10 Hz but this one.
_ODD_RATES_HZ = {"c015": 8.0}
# train/S01/c001: no deeper, so that a link in a circle ends.
_MAX_DEPTH = 3
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

_log = logging.getLogger(__name__)


def cameras_below(folder: Path) -> list[Camera]:
    """The cameras of a camera's folder, a scenario's folder or one above; empty where the layout is another."""
    # Not `resolve`: a link keeps its own name.
    found = sorted(_camera_folders(Path(os.path.abspath(folder)), _MAX_DEPTH), key=lambda pair: len(pair[0].parts))
    # Links may lead to one camera twice; the shortest way to it counts.
    folders = sorted({os.path.realpath(video): (path, video) for path, video in reversed(found)}.values())
    scenarios = sorted({_scenario(path) for path, _ in folders})
    names = unique_names([(_name(path), f"{_scenario(path)}_{_name(path)}") for path, _ in folders])
    if len(scenarios) > 1:
        _log.warning("scenarios %s run together: their clocks start apart, matches between them mean nothing",
                     ", ".join(scenarios))  # fmt: skip
    starts = {path.parent: _start_times(path.parent) for path, _ in folders}
    return [_camera(name, path, video, starts[path.parent]) for name, (path, video) in zip(names, folders, strict=True)]


def cameras_of_file(video: Path) -> list[Camera]:
    """The camera of one `…/c0xx/vdo.avi` that lies in CityFlow's layout; empty for any other file."""
    folder = Path(os.path.abspath(video)).parent
    beside = [folder / "roi.jpg", folder / "calibration.txt"]
    if video.stem.lower() != "vdo" or not any(path.is_file() for path in beside):
        return []
    return [replace(camera, video=Path(video)) for camera in cameras_below(folder)]


def read_homography(path: Path) -> np.ndarray:
    """float64 (3, 3) of a calibration.txt: GPS (latitude, longitude, 1) → image pixels. Raises `InputError`."""
    try:
        require_regular(path)
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(path, "a calibration that can be read", error.strerror or str(error)) from error
    lines = [line for line in text.splitlines() if "homography" in line.lower()] or text.splitlines()[:1]
    rows = [[float(n) for n in _NUMBER.findall(row)] for row in "".join(lines[:1]).split(":")[-1].split(";")]
    if len(rows) != 3 or any(len(row) != 3 for row in rows):
        raise InputError(path, "a line 'Homography matrix: a b c;d e f;g h i'", repr("".join(lines[:1])[:80]),
                         "Mend or remove the file.")  # fmt: skip
    return np.array(rows, np.float64)


def _camera_folders(folder: Path, depth: int) -> Iterator[tuple[Path, Path]]:
    """(folder, video) of every camera at or below `folder`, sorted."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return  # a folder that cannot be entered holds no cameras for us
    videos = [entry for entry in entries if entry.stem.lower() == "vdo" and entry.suffix.lower() in VIDEO_SUFFIXES]
    if videos:
        yield folder, videos[0]
    elif depth:
        for entry in entries:
            if entry.is_dir():
                yield from _camera_folders(entry, depth - 1)


def _name(folder: Path) -> str:
    return printable_name(folder.name)


def _scenario(folder: Path) -> str:
    return printable_name(folder.parent.name)


def _camera(name: str, folder: Path, video: Path, starts: dict[str, float]) -> Camera:
    camera = plain_camera(name, video)
    own_name = _name(folder)
    rate_hz = _ODD_RATES_HZ.get(own_name, 0.0)
    if rate_hz:
        _log.info("camera %s: %g pictures a second, as the data set says", name, rate_hz)
    if starts and own_name not in starts:
        _log.warning("camera %s has no line in cam_timestamp; its video starts at 0 s", name)
    homography = folder / "calibration.txt"
    camera = replace(
        camera, start_s=starts.get(own_name, 0.0), frame_rate_hz=rate_hz,
        homography=read_homography(homography) if homography.is_file() else camera.homography,
    )  # fmt: skip
    roi = folder / "roi.jpg"
    return replace(camera, roi=fit_mask(camera, read_mask(roi), roi)) if roi.is_file() else camera


def _start_times(scenario: Path) -> dict[str, float]:
    """Camera → start in seconds, from `cam_timestamp/<scenario>.txt` beside the scenario or one folder further up."""
    places = [scenario / "cam_timestamp", *(parent / "cam_timestamp" for parent in list(scenario.parents)[:2])]
    files = [place / f"{scenario.name}.txt" for place in places]
    found = next((file for file in files if file.is_file()), None)
    return {} if found is None else dict(_start_lines(found))


def _start_lines(path: Path) -> Sequence[tuple[str, float]]:
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            camera, start_s = words[0], float(words[1])
        except (IndexError, ValueError):
            start_s = math.nan
        if not math.isfinite(start_s):
            raise InputError(f"{path}, line {number}", "a camera and its start in seconds", repr(line[:80]))
        pairs.append((camera, start_s))
    return pairs

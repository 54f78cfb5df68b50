"""Reads cameras.yaml: clocks, regions of interest, allowed transitions and travel times. All of it is optional.

    cameras:
      c001: {start_s: 0.0, clock_rate: 1.0, roi: c001_roi.png}   # or roi: [[x, y], …] in pixels; white counts
    transitions:
      - {from: c001, to: c002, min_s: 3, max_s: 60}
      - {from: c001, to: c003, allowed: false}
    only_listed_transitions: false
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtmc.camera_rules import CameraRules, TransitRule
from mtmc.cameras import Camera
from mtmc.config import build, did_you_mean, read_yaml
from mtmc.errors import ConfigError
from mtmc.regions import fit_mask, polygon_mask, read_mask


@dataclass(frozen=True)
class CameraSettings:
    """What may be said of one camera; None leaves what the data set says. start_s: seconds on the common clock of the
    first frame. clock_rate: seconds of the common clock per second of the video's. roi: a picture or a polygon.
    frame_rate_hz: for files without usable times (AVI)."""

    start_s: float | None = None
    clock_rate: float | None = None
    roi: Path | tuple[tuple[float, float], ...] | None = None
    frame_rate_hz: float | None = None


@dataclass(frozen=True)
class _TravelTime:
    """The part of a transition beside `from` and `to`. Open bounds say nothing."""

    allowed: bool = True
    min_s: float = -math.inf
    max_s: float = math.inf


@dataclass(frozen=True)
class _Rules:
    cameras: dict[str, CameraSettings] = field(default_factory=dict)
    only_listed_transitions: bool = False


def apply_rules(cameras: Sequence[Camera], path: Path) -> tuple[list[Camera], CameraRules]:
    """The cameras as the file `path` changes them, and its rules for transitions.

    Raises `ConfigError` naming the file, the key and the nearest known name. Paths in the file are relative to it.
    """
    values = dict(read_yaml(path))
    listed = values.pop("transitions", None) or []
    known = {"cameras", "transitions", "only_listed_transitions"}
    for key in values:
        if key not in known:
            raise ConfigError(f"{path}: {key}", "a known setting", "none of that name", did_you_mean(str(key), known))
    if values.get("cameras", {}) is None:
        del values["cameras"]  # the word alone, with nothing under it
    by_name = {camera.camera_id: camera for camera in cameras}
    rules = build(_Rules, _with_text_names(values), str(path))
    for name, settings in rules.cameras.items():
        _check_known(name, by_name, f"{path}: cameras.{name}")
        by_name[name] = _changed(by_name[name], settings, path)
    if not isinstance(listed, list):
        raise ConfigError(f"{path}: transitions", "a list", repr(listed))
    transitions = tuple(_transition(item, by_name, f"{path}: transitions[{i}]") for i, item in enumerate(listed))
    _check_each_once(transitions, path)
    return list(by_name.values()), CameraRules(transitions, rules.only_listed_transitions)


def _with_text_names(values: dict[str, Any]) -> dict[str, Any]:
    """YAML reads the camera name 12 as a number; here it is a name."""
    cameras = values.get("cameras")
    if isinstance(cameras, Mapping):
        values["cameras"] = {str(name): {} if given is None else given for name, given in cameras.items()}
    return values


def _check_known(name: str, by_name: Mapping[str, Camera], where: str) -> None:
    if name not in by_name:
        raise ConfigError(where, "the name of a camera", repr(name), did_you_mean(name, sorted(by_name)))


def _changed(camera: Camera, settings: CameraSettings, path: Path) -> Camera:
    where = f"{path}: cameras.{camera.camera_id}"
    for name in ("start_s", "clock_rate", "frame_rate_hz"):
        value = getattr(settings, name)
        if value is None:
            continue
        if not math.isfinite(value) or (name != "start_s" and value <= 0):
            expected = "a finite number" if name == "start_s" else "a finite number above 0"
            raise ConfigError(f"{where}.{name}", expected, f"{value}")
        camera = replace(camera, **{name: value})
    if isinstance(settings.roi, Path):
        picture = path.parent / settings.roi
        return replace(camera, roi=fit_mask(camera, read_mask(picture), picture))
    if settings.roi is not None:
        return replace(camera, roi=polygon_mask(camera, settings.roi, f"{where}.roi"))
    return camera


def _transition(item: Any, by_name: Mapping[str, Camera], where: str) -> TransitRule:
    if not isinstance(item, Mapping):
        raise ConfigError(where, "a mapping with from and to", repr(item))
    ends = []
    for key in ("from", "to"):
        if key not in item:
            raise ConfigError(where, f"a camera under '{key}'", "none", "Write {from: c001, to: c002, max_s: 60}.")
        ends.append(str(item[key]))
        _check_known(ends[-1], by_name, f"{where}.{key}")
    rest = {key: value for key, value in item.items() if key not in ("from", "to")}
    times = build(_TravelTime, rest, where)
    if times.min_s > times.max_s:
        raise ConfigError(where, "min_s of at most max_s", f"{times.min_s} and {times.max_s}")
    if ends[0] == ends[1]:
        raise ConfigError(where, "two different cameras", f"{ends[0]} twice")
    return TransitRule(ends[0], ends[1], times.allowed, times.min_s, times.max_s)


def _check_each_once(transitions: Sequence[TransitRule], path: Path) -> None:
    seen = set()
    for rule in transitions:
        pair = rule.camera_from, rule.camera_to
        if pair in seen:
            raise ConfigError(f"{path}: transitions", "each pair of cameras once", f"{pair[0]} → {pair[1]} twice")
        seen.add(pair)

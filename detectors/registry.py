"""Which detector a run uses: what a user writes after `--detector` → `ResolvedDetector` → a ready `Detector`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from detectors import weights_folder
from detectors.detections import Detector
from detectors.detector_config import DetectorConfig
from detectors.region import Rectangle, RegionDetector, rectangle_of
from mtmc.config import did_you_mean
from mtmc.errors import ConfigError, WeightsError
from mtmc.files import sha256_of

__all__ = ["DetectorConfig", "ResolvedDetector", "build_detector", "for_camera", "resolve_detector", "seen_rectangle"]

Kind = Literal["motion", "recorded", "onnx", "ultralytics", "torchvision"]
NETWORKS: tuple[Kind, ...] = ("onnx", "ultralytics", "torchvision")  # those that need no memory of a camera


@dataclass(frozen=True)
class ResolvedDetector:
    """A detector that was found, not loaded yet; picklable.

    kind: which file of this package runs it. path: weights or folder of boxes, empty for motion. sha256: of the
    weights or of all boxes; for motion the version of its method. announcement: one line for the user. model: the
    torchvision model's name, else empty.
    """

    kind: Kind
    path: str
    sha256: str
    announcement: str
    model: str = ""


def resolve_detector(
    spec: str, weights_dir: Path, detections_dir: Path | None, download: str = "", download_sha256: str = ""
) -> ResolvedDetector:
    """What `spec` means: "auto", "motion", "recorded", a file, or a model's name. Loads no network.

    weights_dir: where weights are looked for. detections_dir: recorded boxes, with "auto" or "recorded". download:
    a model to fetch first, used where `spec` is "auto"; download_sha256: what its file must hash to.
    Raises `ConfigError` for an unknown name, `WeightsError` for weights that are not there, `InputError` for boxes.
    """
    if detections_dir is not None or spec == "recorded":
        return _recorded(spec, detections_dir, download)
    if download_sha256 and not download:
        raise ConfigError("--download-sha256", "--download NAME beside it", "none")
    if download:
        from detectors.weights_download import download_weights

        fetched = download_weights(download, Path(weights_dir), download_sha256)
        if spec == "auto":
            return _from_file(fetched, "detector: ")
    if spec == "motion":
        return _motion("detector: motion")
    if spec == "auto":
        return _auto(Path(weights_dir))
    return _from_file(_find(spec, Path(weights_dir)), "detector: ")


def build_detector(
    resolved: ResolvedDetector, config: DetectorConfig, spare: Callable[[], bool] = lambda: True
) -> Detector:
    """Load what was resolved. Raises `WeightsError` where it is no vehicle detector, `ConfigError` for its settings.

    spare: whether there are cores for calls of an ONNX network side by side, asked at every batch.
    """
    path = Path(resolved.path)
    if resolved.kind == "motion":
        from detectors.motion import MotionDetector

        return MotionDetector(config.motion, config.min_score, config.batch_size)
    if resolved.kind == "recorded":
        from detectors.recorded import RecordedDetector

        return RecordedDetector(path, resolved.sha256, config)
    if resolved.kind == "onnx":
        from detectors.onnx_yolo import OnnxDetector

        return OnnxDetector(path, resolved.sha256, config, spare)
    if resolved.kind == "ultralytics":
        from detectors.ultralytics_yolo import UltralyticsDetector

        return UltralyticsDetector(path, resolved.sha256, config)
    from detectors.torchvision_models import TorchvisionDetector

    return TorchvisionDetector(resolved.model, path, resolved.sha256, config)


def for_camera(
    detector: Detector, resolved: ResolvedDetector, config: DetectorConfig, camera_id: str, roi: np.ndarray
) -> Detector:
    """What finds a camera's boxes from its first frame on: `detector`, asked less often where `config.stride` says so,
    and about the part of the pictures that the region of interest needs (networks alone: the others cost little, and
    motion's settings are shares of the whole picture, of which it has to see every one).

    roi: bool (H, W), as large as the camera's pictures, or (0, 0) for none.
    """
    own = detector.for_camera(camera_id)
    if resolved.kind not in NETWORKS:
        return own
    if config.stride == "adaptive":
        from detectors.adaptive_stride import AdaptiveStride

        own = AdaptiveStride(own, config.still)
    rectangle = seen_rectangle(resolved, config, roi)
    return own if rectangle is None else RegionDetector(own, rectangle, (roi.shape[0], roi.shape[1]))


def seen_rectangle(resolved: ResolvedDetector, config: DetectorConfig, roi: np.ndarray) -> Rectangle | None:
    """The part of a camera's pictures that its detector is shown; None for whole pictures."""
    return rectangle_of(roi, config.region) if resolved.kind in NETWORKS else None


def _recorded(spec: str, folder: Path | None, download: str) -> ResolvedDetector:
    if folder is None:
        raise ConfigError("--detector recorded", "--detections DIR beside it", "none")
    if spec not in ("auto", "recorded") or download:
        other = f"--download {download}" if download else f"--detector {spec}"
        raise ConfigError("--detections", "no other detector beside it", other, "Leave one of the two out.")
    from detectors.recorded import digest_of, find_files

    line = f"detector: recorded boxes, {len(find_files(folder))} files in {folder}"
    return ResolvedDetector("recorded", str(folder), digest_of(folder), line)


def _motion(announcement: str) -> ResolvedDetector:
    from detectors.motion import METHOD_VERSION

    return ResolvedDetector("motion", "", f"motion-{METHOD_VERSION}", announcement)


def _auto(weights_dir: Path) -> ResolvedDetector:
    best = weights_folder.best_weights(weights_dir)
    if best is None:
        return _motion(f"detector: motion, for fixed cameras (no weights in {weights_dir}; "
                       "a network sees more: --download yolo26n, or --detector FILE)")
    others = [path.name for path in weights_folder.candidates(weights_dir) if path != best]
    chosen = f"best of {len(others) + 1} in {weights_dir}; choose with --detector" if others else f"from {weights_dir}"
    precision = weights_folder.average_precision(best)
    better = "; --download yolo26n sees more" if precision and precision < weights_folder.KNOWN_AP["yolo26n"] else ""
    return _from_file(best, "detector: ", f" ({chosen}{better})")


def _find(spec: str, weights_dir: Path) -> Path:
    """The file that a path or a name stands for."""
    path = Path(spec)
    if path.suffix.lower() in (".yaml", ".yml"):
        raise WeightsError(spec, "trained weights (.pt, .onnx)", "the plan of a network, whose weights would be random",
                           "Name trained weights, or --download yolo26n.")
    if path.is_file():
        return path
    named = weights_folder.find_named(weights_dir, spec) if path.name == spec else None
    if named is not None:
        return named
    if path.name != spec or path.suffix in (".pt", ".onnx", ".pth"):
        known = [p.name for p in weights_folder.candidates(path.parent if path.name != spec else weights_dir)]
        raise WeightsError(spec, "a weights file", "a folder" if path.is_dir() else "nothing there",
                           did_you_mean(path.name, known) if known else "Check the path.")
    names = weights_folder.known_names(weights_dir)
    if spec not in names:
        raise ConfigError("--detector", "auto, motion, a file or a model's name", spec, did_you_mean(spec, names))
    file = weights_folder.TORCHVISION_FILES.get(spec, f"{spec}.pt or {spec}.onnx")
    raise WeightsError(f"--detector {spec}", f"{file} in {weights_dir}", "no such file", _how_to_get(spec, weights_dir))


def _how_to_get(name: str, weights_dir: Path) -> str:
    from detectors.weights_download import can_download

    if can_download(name):
        return f"Fetch it with --download {name}, or put the file there."
    return f"Put the file into {weights_dir}, or name another with --detector FILE."


def _from_file(path: Path, before: str, after: str = "") -> ResolvedDetector:
    model = weights_folder.torchvision_name(path)
    kinds: dict[str, Kind] = {".onnx": "onnx", ".pt": "ultralytics", ".pth": "torchvision"}
    kind = kinds.get(path.suffix.lower())
    if kind is None or (kind == "torchvision" and not model):
        names = ", ".join(weights_folder.TORCHVISION_FILES)
        expected = f"a .pth named after one of {names}" if kind else "a detector's weights (.pt, .onnx)"
        raise WeightsError(path, expected, path.name, "Export it to ONNX, or rename it.")
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise WeightsError(path, "a file that can be read", error.strerror or str(error)) from error
    return ResolvedDetector(kind, str(path), digest, f"{before}{path.name}{after}", model)

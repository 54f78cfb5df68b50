"""What a run will do, decided before it does anything: cameras, models, keys. `--dry-run` shows it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from detectors.registry import ResolvedDetector, resolve_detector
from mtmc.camera_job import STAGES, CameraJob, WorkerSetup, stage_keys
from mtmc.camera_rules import CameraRules
from mtmc.cameras import Camera, SkippedFile, discover_cameras
from mtmc.config import to_plain
from mtmc.embedder_choice import settle
from mtmc.enrichment import check_sources
from mtmc.errors import InputError, OutputError, VideoError, WeightsError
from mtmc.executors.executor import network_in_worker
from mtmc.files import sha256_of
from mtmc.machine import fitting_workers, usable_cores, usable_memory_mib
from mtmc.manifest import Manifest, digest
from mtmc.privacy.opening import vault_for_run
from mtmc.results.aicity import camera_numbers
from mtmc.run_config import RunConfig
from mtmc.run_store import RunStore, next_sibling
from mtmc.scoring import read_truth
from mtmc.video import cuda_refusal
from mtmc.video_files import examine
from reid_models.registry import weight_free_method, weights_of

_BLOCK_BYTES, _MAX_BLOCKS = 1 << 20, 64
_LIBRARIES = ("av", "numpy", "opencv-python", "onnxruntime", "scipy", "torch", "torchvision", "trackers", "ultralytics")


@dataclass(frozen=True)
class RunRequest:
    """What a user asks for. videos: a folder, a file or a CityFlow layout. out: the run folder (None: `runs/<name of
    videos>`). new: make a numbered sibling. cameras_yaml, detections, truth: None where not given."""

    videos: Path
    out: Path | None = None
    new: bool = False
    cameras_yaml: Path | None = None
    detector: str = "auto"
    detections: Path | None = None
    weights_dir: Path = Path("weights")
    download: str = ""
    download_sha256: str = ""
    config: RunConfig = field(default_factory=RunConfig)
    keep_crops: bool = True
    render: bool = False
    cvat: bool = False
    truth: Path | None = None
    quiet: bool = False
    encrypt: bool = False
    key_file: Path | None = None
    shuffle_bits: bool = False


@dataclass(frozen=True, eq=False)
class RunPlan:
    """C cameras in sorted order, each with its job; `refused` are those that no look inside is needed to refuse, with
    the reason; `done` those whose work is complete already."""

    request: RunRequest
    store: RunStore
    rules: CameraRules
    setup: WorkerSetup
    jobs: tuple[CameraJob, ...]
    fingerprints: dict[str, str]
    skipped: tuple[SkippedFile, ...]
    refused: dict[str, str]
    done: frozenset[str]
    workers: int
    announcements: tuple[str, ...]
    embedder: dict[str, str] = field(default_factory=dict)  # which runtime, of which weights: a run keeps to it

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The cameras that can be worked through, sorted by name."""
        return tuple(job.camera for job in self.jobs)

    @property
    def camera_numbers(self) -> dict[str, int]:
        """Camera → its number in AI City files, also of cameras that cannot be read: numbers must not shift."""
        return camera_numbers([*(camera.camera_id for camera in self.cameras), *self.refused])


def make_plan(request: RunRequest) -> RunPlan:
    """Find the cameras and models and see what is already done. Reads only; raises `MtmcError` kinds."""
    cameras, rules, skipped = discover_cameras(request.videos, request.cameras_yaml)
    if not cameras:
        raise InputError(
            request.videos, "at least one video (.mp4 .avi .mkv .mov .ts)", "none",
            "Name a folder with one video per camera, a single file, or a CityFlow folder.",
        )  # fmt: skip
    if request.truth is not None:
        read_truth(request.truth)  # a truth that cannot be read should not be found out after hours
    check_sources(request.config, request.keep_crops)
    out = request.out or Path("runs") / (request.videos.resolve().name or "run")
    _refuse_address(out)
    store = RunStore(next_sibling(out) if request.new else out)
    detector = resolve_detector(
        request.detector, request.weights_dir, request.detections, request.download, request.download_sha256
    )
    threads = request.config.process.threads or max(1, usable_cores() // len(cameras))
    config, decoding = _with_decoder(_with_threads(request.config, threads))
    embedder = settle(config.embedder, store.read_run_json())
    config = replace(config, embedder=embedder.config)
    vault, said = vault_for_run(store, request.encrypt, request.key_file, request.shuffle_bits, request.render)
    setup = WorkerSetup(detector, config, threads, request.keep_crops, vault)
    fingerprints, refused = _look_at_all(cameras)
    versions = library_versions()
    # As the user set them: a number of threads that follows from the number of cameras must redo nothing when a camera
    # is added.
    settled = replace(request.config.embedder, backend=embedder.config.backend, precision=embedder.config.precision)
    asked = replace(request.config, embedder=settled)
    looks_key = digest(embedder_fingerprint(asked), asked.process.threads, versions, embedder.facts)
    jobs = []
    for camera in (camera for camera in cameras if camera.camera_id in fingerprints):
        boxes_key = digest(detector_key(detector, asked, camera.camera_id), asked.process.threads, versions)
        keys = stage_keys(camera, fingerprints[camera.camera_id], boxes_key, looks_key, setup)
        jobs.append(CameraJob(camera, store.camera_folder(camera.camera_id), keys))
    done = frozenset(job.camera.camera_id for job in jobs if is_done(job))
    workers = request.config.process.workers or fitting_workers(
        len(jobs), usable_cores(), usable_memory_mib(), network_in_worker(setup)
    )
    lines = (detector.announcement, *embedder.lines, *decoding, *said)
    return RunPlan(
        request, store, rules, setup, tuple(jobs), fingerprints, skipped, refused, done, workers, lines, embedder.facts
    )


def _refuse_address(out: Path) -> None:
    """`s3://bucket/run` would silently become the folder `s3:` here."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.\-]+:/", str(out)) and not out.exists():
        raise OutputError(out, "a folder", "the address of a store",
                          "Results need a file system with renames and locks: see docs/scaling.md.")  # fmt: skip


def is_done(job: CameraJob) -> bool:
    """Whether an earlier run finished this very job (its files are checked when they are read)."""
    manifest = Manifest.load(job.folder, STAGES)
    return manifest.key("tracklets") == job.keys["tracklets"] and manifest.is_complete("tracklets")


def fingerprint_of(path: Path) -> str:
    """Size and SHA-256 of up to 64 blocks of a MiB, spread evenly over the file, ends included: changes with the
    content, not with a copy or a touch, and a terabyte of footage is not read twice. Files to 64 MiB are hashed whole.
    """
    size = path.stat().st_size
    blocks = -(-size // _BLOCK_BYTES)
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        for number in range(min(blocks, _MAX_BLOCKS)):
            at = number * _BLOCK_BYTES
            if blocks > _MAX_BLOCKS:
                at = number * (size - _BLOCK_BYTES) // (_MAX_BLOCKS - 1)
            file.seek(at)
            hashed.update(file.read(_BLOCK_BYTES))
    return f"{size}-{hashed.hexdigest()}"


def detector_key(detector: ResolvedDetector, config: RunConfig, camera_id: str) -> str:
    """What a camera's boxes depend on: the detector's kind, its file's SHA-256 (of recorded boxes, the camera's own)
    and its settings."""
    sha256 = detector.sha256
    if detector.kind == "recorded":
        from detectors.recorded import file_of_camera

        with contextlib.suppress(InputError, OSError):  # its absence is the camera's trouble, told when it is needed
            sha256 = sha256_of(file_of_camera(Path(detector.path), camera_id, config.detector.recorded_name))
    return digest(detector.kind, sha256, to_plain(config.detector))


def embedder_fingerprint(config: RunConfig) -> str:
    """What the embeddings depend on: weights' SHA-256, the method beside or instead of them, settings."""
    weights = weights_of(config.embedder)
    settings = to_plain(replace(config.embedder, weights="", name="auto"))
    try:
        return digest("" if weights is None else sha256_of(weights), weight_free_method(config.embedder), settings)
    except OSError as error:
        raise WeightsError(str(weights), "a weights file (.safetensors)", error.strerror or str(error),
                           "Name another with --weights, or leave it out for the embedder that needs none.") from error


def library_versions() -> dict[str, str]:
    """Versions of everything whose change may change a result."""
    versions = {"python": platform.python_version()}
    for name in ("mtmc-vehicle-reid", *_LIBRARIES):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _with_decoder(config: RunConfig) -> tuple[RunConfig, tuple[str, ...]]:
    """`config` with a decoder that is there, and a line for the user where it is not the one asked for. Under Ray the
    other machines find out for themselves."""
    if config.video.decode == "software" or config.process.executor == "ray":
        return config, ()
    refusal = cuda_refusal()
    if not refusal:
        return config, ()
    return replace(config, video=replace(config.video, decode="software")), (f"decode: in software, as {refusal}",)


def _with_threads(config: RunConfig, threads: int) -> RunConfig:
    """The networks' own thread settings follow `threads` where the user did not set them."""
    detector = config.detector if config.detector.threads else replace(config.detector, threads=threads)
    embedder = config.embedder if config.embedder.threads else replace(config.embedder, threads=threads)
    return replace(config, detector=detector, embedder=embedder)


def _look_at_all(cameras: Sequence[Camera]) -> tuple[dict[str, str], dict[str, str]]:
    """Camera → fingerprint of its video, and camera → why it cannot be one. Nothing is decoded here: a crafted file may
    cost the worker that opens it, never this process."""
    fingerprints, refused = {}, {}
    for camera in cameras:
        try:
            examine(camera.video)
            fingerprints[camera.camera_id] = fingerprint_of(camera.video)
        except VideoError as error:
            refused[camera.camera_id] = str(error)
        except OSError as error:
            reason = VideoError(camera.video, "a file that can be read", error.strerror or str(error))
            refused[camera.camera_id] = str(reason)
    return fingerprints, refused

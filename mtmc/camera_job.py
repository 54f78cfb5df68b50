"""One camera's work, from its video to embedded tracklets in its folder; resumable, alone in its process.

    video ─► detector ─► tracker ─► cutter ─► embedder ─► joining ─► boxes, tracklets, features, crops

Detections and embedded pieces are committed every few seconds. A resumed job decodes the video again from its
start and replays the committed detections through the tracker, which gives the same pieces in the same order;
pieces whose embeddings are already committed are not embedded again. So no tracker state is ever stored.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.detections import Detections, Detector
from detectors.registry import ResolvedDetector, for_camera, seen_rectangle
from mtmc import files
from mtmc.cameras import Camera
from mtmc.commit_logs import DetectionLog, PieceLog
from mtmc.config import to_plain
from mtmc.cutting import TrackletCutter
from mtmc.embedding import EmbeddedBatch, encode_jpeg
from mtmc.embedding_queue import EmbeddingQueue
from mtmc.final_tracklets import FRAME_TIMES_NAME, finish_camera
from mtmc.machine import give_back_memory
from mtmc.manifest import Manifest, digest
from mtmc.model_service.clients import ServiceAddress
from mtmc.model_service.models import models_for
from mtmc.overlap import ahead, always
from mtmc.privacy.vault import PLAIN, Vault
from mtmc.run_config import RunConfig
from mtmc.run_store import lock_file
from mtmc.stopwatch import Stopwatch
from mtmc.tracking import CameraTracker
from mtmc.tracklets import CutTracklet
from mtmc.video import DecodeReport, Frame, read_frames
from mtmc.workers import Progress
from reid_models.embedder import Embedder

VIEW_WIDTH_PX = 480
_GIVE_BACK_EVERY_S = 30.0  # 35 ms of work
_TELL_EVERY_S = 0.2  # a line a picture would cost worker and command half a millisecond each
# Up to five batches are on their way through a camera's threads: four pictures of 1080p, one of 4K.
_BATCH_BYTES = 32 << 20
STAGES = ("detections", "pieces", "tracklets")
_OWN_FILES = ("*.parquet*", "*.npy*", "view.jpg*", "crops/*")


@dataclass(frozen=True)
class WorkerSetup:
    """What every worker of a run needs; picklable. service: of the process that has the networks, if there is one.
    spare: whether cores are idle beside the run's processes, asked again and again."""

    detector: ResolvedDetector
    config: RunConfig
    threads: int
    keep_crops: bool
    vault: Vault = PLAIN
    service: ServiceAddress | None = None
    spare: Callable[[], bool] = always


@dataclass(frozen=True)
class CameraJob:
    """One camera to be worked through. keys: of each stage of `STAGES`, as `stage_keys` gives them."""

    camera: Camera
    folder: Path
    keys: dict[str, str]


def stage_keys(camera: Camera, video: str, detector: str, embedder: str, setup: WorkerSetup) -> dict[str, str]:
    """The key of each stage: a digest of everything that its files depend on, earlier stages included.

    `video`, `detector` and `embedder` are the fingerprints of what will be used.
    """
    config = setup.config
    rectangle = seen_rectangle(setup.detector, config.detector, camera.roi)
    detections = digest(video, detector, to_plain(config.video), *(rectangle or ()))
    roi = [camera.roi.shape, digest(camera.roi.tobytes().hex())]
    place = [camera.start_s, camera.clock_rate, camera.frame_rate_hz, roi]
    parts = [to_plain(part) for part in (config.tracking, config.cutting, config.crops)]
    pieces = digest(detections, place, parts, embedder, setup.keep_crops, *setup.vault.file_key)
    tracklets = digest(pieces, to_plain(config.joining), to_plain(config.gates), *setup.vault.array_key)
    return {"detections": detections, "pieces": pieces, "tracklets": tracklets}


class CameraWorker:
    """The job of `workers.run_jobs`; holds the models, which are loaded once a process."""

    def __init__(self, setup: WorkerSetup) -> None:
        limit_threads(setup.threads)
        self._setup = setup
        self._detector, self._embedder = models_for(setup.detector, setup.config, setup.service, setup.spare)
        gc.freeze()  # a hundred thousand objects of libraries: the collector need not look at them again and again

    def __call__(self, job: CameraJob, progress: Progress) -> dict[str, Any]:
        """Work through one camera and return its facts (counters, decode report, seconds by stage)."""
        with files.no_space_is_an_output_error(job.folder):
            job.folder.mkdir(parents=True, exist_ok=True)
        # A worker of a run that was killed may still be on its way out: wait for it a little.
        with lock_file(job.folder / ".lock", wait_s=20.0):
            files.remove_leftovers(job.folder)
            manifest = Manifest.load(job.folder, STAGES)
            for stage in STAGES:
                manifest.begin(stage, job.keys[stage])
                if manifest.is_complete(stage) and manifest.first_bad_file(stage) is not None:
                    manifest.reopen(stage)
            manifest.remove_unnamed(_OWN_FILES)
            if manifest.is_complete("tracklets"):
                return manifest.facts("tracklets")
            if not manifest.is_complete("pieces"):
                _Watch(job, self._setup, manifest, self._detector, self._embedder, progress).run()
            return finish_camera(manifest, job.camera.camera_id, self._setup.config, self._setup.vault)


class _Watch:
    """One pass over one camera's video."""

    def __init__(
        self, job: CameraJob, setup: WorkerSetup, manifest: Manifest, detector: Detector, embedder: Embedder,
        progress: Progress,
    ) -> None:  # fmt: skip
        self._job, self._setup, self._manifest, self._progress = job, setup, manifest, progress
        self._detector = for_camera(
            detector, setup.detector, setup.config.detector, job.camera.camera_id, job.camera.roi
        )
        self._embedder = embedder
        self._detections = DetectionLog(manifest, self._detector.stateful)
        self._pieces = PieceLog(manifest, job.camera.camera_id, setup.vault)
        self._tracker = CameraTracker(setup.config.tracking)
        self._cutter = TrackletCutter(
            job.camera.camera_id, setup.config.cutting, setup.config.crops, embedder.input_hw, job.camera.roi,
            manifest.folder,
        )
        self._report, self._watch = DecodeReport(), Stopwatch()
        self._committed_at = self._gave_back_at = time.monotonic()
        self._told_at = -np.inf
        self._image_size_wh = (0, 0)
        self._view: np.ndarray | None = None
        self._frames = self._frames_with_detections = self._non_finite = 0

    def run(self) -> None:
        """Watch the whole video; afterwards the stages "detections" and "pieces" are complete.

        Decoding, detecting and embedding each have a thread while cores are spare, so that one camera can keep more
        than one core busy; what is handed over, and in which order, does not depend on their timing.
        """
        batches, spare = batched(self._decode(), self._detector.batch_size), self._setup.spare
        with (
            EmbeddingQueue(self._embedder, self._setup.keep_crops, self._watch, spare) as looks,
            ahead(batches, spare=spare) as decoded, ahead(self._detected(decoded), spare=spare) as detected,
        ):  # fmt: skip
            for batch, known, found in detected:
                self._note(batch, known, found)
                for frame, detections in zip(batch, found, strict=True):
                    with self._watch.running("track"):
                        closed = self._cutter.add(frame, detections, self._tracker.update(detections, frame.time_s))
                    self._embed(looks, closed)
                self._commit_now_and_then()
                self._tell(batch[-1])
            with self._watch.running("track"):
                closed = self._cutter.finish()
            self._embed(looks, closed)
            self._keep(looks.rest(self._image_size_wh))
        self._close()

    def _decode(self) -> Iterator[Frame]:
        frames = read_frames(self._job.camera, self._setup.config.video, self._report)
        while True:
            with self._watch.running("decode"):
                frame = next(frames, None)
                if frame is None:
                    return
                _ = frame.image  # pictures are converted when first looked at: count it here
            yield frame

    def _detected(self, batches: Iterator[list[Frame]]) -> Iterator[tuple[list[Frame], list[bool], list[Detections]]]:
        """Each batch with its detections, and whether an earlier run had found those."""
        for batch in batches:
            known = [self._detections.known(frame.index) for frame in batch]
            found = [detections for detections in known if detections is not None]
            if len(found) < len(batch):
                with self._watch.running("detect"):
                    images, times = [frame.image for frame in batch], [frame.time_s for frame in batch]
                    new = self._detector.detect(images, [frame.index for frame in batch], times)
                found = [fresh if old is None else old for old, fresh in zip(known, new, strict=True)]
            yield batch, [old is not None for old in known], found

    def _note(self, batch: list[Frame], known: list[bool], found: list[Detections]) -> None:
        height, width = batch[0].image.shape[:2]
        self._image_size_wh = (width, height)
        if self._view is None:
            self._view = shrink(batch[0].image, VIEW_WIDTH_PX)
        for frame, old, detections in zip(batch, known, found, strict=True):
            if not old:
                self._detections.add(frame.index, detections)
        self._frames += len(batch)
        self._frames_with_detections += sum(1 for detections in found if len(detections))

    def _embed(self, looks: EmbeddingQueue, closed: Iterable[CutTracklet]) -> None:
        """Queue what closed and is not known; embedded crops leave memory."""
        looks.add(cut for cut in closed if not self._pieces.knows(cut.tracklet.track_id))
        self._keep(looks.finished(self._image_size_wh))

    def _keep(self, done: EmbeddedBatch) -> None:
        self._pieces.add(done.pieces)
        self._non_finite += done.non_finite

    def _commit_now_and_then(self) -> None:
        if time.monotonic() - self._committed_at >= self._setup.config.process.commit_s:
            wrote = [log.write_waiting() for log in (self._detections, self._pieces)]
            if any(wrote):
                self._manifest.save()
            self._committed_at = time.monotonic()
            if self._committed_at - self._gave_back_at >= _GIVE_BACK_EVERY_S:
                give_back_memory()
                self._gave_back_at = self._committed_at

    def _close(self) -> None:
        indices, times_s = self._cutter.frame_times()
        frame_times = np.stack([indices.astype(np.float64), times_s])
        files.write_array(self._job.folder / FRAME_TIMES_NAME, frame_times, sync_folder=False)
        self._detections.close({})
        self._pieces.close(
            {
                "decode": to_plain(asdict(self._report)),
                "frames": self._frames,
                "frames_with_detections": self._frames_with_detections,
                "cutting": asdict(self._cutter.counts),
                "non_finite_crops": self._non_finite,
                "seconds": self._watch.rounded(),
            },
            [FRAME_TIMES_NAME, *self._write_view()],
        )

    def _write_view(self) -> list[str]:
        """`view.jpg`: what the camera sees, for the report; like crops it can be left out."""
        if not self._setup.keep_crops or self._view is None:
            return []
        path = self._job.folder / "view.jpg"
        files.write_bytes(path, self._setup.vault.to_store(path, encode_jpeg(self._view)))
        return ["view.jpg"]

    def _tell(self, frame: Frame) -> None:
        if time.monotonic() - self._told_at < _TELL_EVERY_S:
            return
        self._told_at = time.monotonic()
        seconds = frame.time_s - self._job.camera.start_s
        length_s = self._report.header_duration_s
        self._progress({"frames": self._frames, "video_s": seconds, "length_s": length_s})


def batched(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    """Lists of up to `size` frames, of fewer where pictures are large; a list ends early
    where the picture's size changes."""
    batch: list[Frame] = []
    for frame in frames:
        full = len(batch) >= min(size, max(1, _BATCH_BYTES // frame.image.nbytes))
        if batch and (full or frame.image.shape != batch[0].image.shape):
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


def shrink(image_rgb: np.ndarray, width_px: int) -> np.ndarray:
    """A copy of a picture, not wider than `width_px`."""
    import cv2

    height, width = image_rgb.shape[:2]
    if width <= width_px:
        return image_rgb.copy()
    size = (width_px, max(1, round(height * width_px / width)))
    return np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA))


def limit_threads(threads: int) -> None:
    """Keep OpenCV to `threads` threads in this process; networks are told theirs in their configuration."""
    import cv2

    cv2.setNumThreads(threads)

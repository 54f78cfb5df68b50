"""Writes a made-up world to a folder: videos, clocks, truth and recorded boxes, as a data set would bring them.

    cams/c001.mp4 …        what `--videos` takes            det/c001.txt …         noisy boxes for `--detections`
    ground_truth.txt       vehicles seen by two cameras     ground_truth_all.txt   all vehicles (AI City format)
    cameras.json           name, fps, offset                transits.csv           true links and travel times
    world.json             kind, seed, sizes, vehicles
Equal arguments give equal bytes, whatever the number of processes.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import numpy as np

from mtmc.errors import OutputError
from mtmc.files import write_json, write_text
from mtmc.results.video_writer import writing_video
from mtmc.worlds.rendering import RenderSettings, camera_view, frame_count, render_camera
from mtmc.worlds.traffic import BODIES, Traffic, simulate

_MISSING, _JITTER = 0.05, 0.025  # of recorded boxes: share left out, noise as a share of the box
_REPORT_EVERY = 25  # frames

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class CameraTruth:
    """What one camera shows: frames int64 (N,), 0-based; vehicle_ids int64 (N,); boxes_xywh int64 (N, 4)."""

    frames: np.ndarray
    vehicle_ids: np.ndarray
    boxes_xywh: np.ndarray


def write_world(folder: Path, kind: str, seed: int, settings: RenderSettings | None = None, workers: int = 1,
                progress: Progress | None = None, **sizes: object) -> Traffic:
    """Render a world of `kind` (see docs/worlds.md) into `folder` and return its traffic.

    `sizes`: fields of `networks.Sizes` that differ, `duration_s` for one. `workers`: processes, a camera each.
    `progress` is called with (camera name, frames done, frames in all). Raises `ConfigError` for unknown kinds and
    sizes and `OutputError` where the folder cannot be written.
    """
    folder, settings = Path(folder), settings or RenderSettings()
    traffic = simulate(kind, seed, **sizes)
    _make_folders(folder)
    rows = range(len(traffic.camera_ids))
    if workers <= 1 or len(rows) == 1:
        truths = [_write_camera(traffic, row, folder, settings, progress) for row in rows]
    else:
        truths = _write_cameras(traffic, folder, settings, min(workers, len(rows)), progress)
    _write_truth(folder, traffic, truths)
    _write_about(folder, traffic)
    return traffic


def _make_folders(folder: Path) -> None:
    try:
        for name in ("cams", "det"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, "a folder that can be made", str(error), "Choose another one.") from error


def _write_cameras(traffic: Traffic, folder: Path, settings: RenderSettings, workers: int,
                   progress: Progress | None) -> list[CameraTruth]:
    """A process a camera, `workers` at a time; forking would copy the locks of OpenCV's threads."""
    context = multiprocessing.get_context("spawn")
    waiting = list(range(len(traffic.camera_ids)))
    running: dict[Connection, tuple[int, SpawnProcess]] = {}
    truths: dict[int, CameraTruth] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                row = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(theirs, traffic, row, folder, settings), daemon=True)
                process.start()
                theirs.close()
                running[ours] = (row, process)
            for ready in wait(list(running)):
                message = _received(ready, traffic.camera_ids[running[ready][0]])  # type: ignore[arg-type, index]
                if isinstance(message, CameraTruth):
                    row, process = running.pop(ready)  # type: ignore[call-overload]
                    truths[row] = message
                    process.join()
                elif progress:
                    progress(*message)
    finally:
        for _, process in running.values():
            process.terminate()
    return [truths[row] for row in sorted(truths)]


def _received(connection: Connection, name: str) -> CameraTruth | tuple[str, int, int]:
    """The next message of a worker; its error is raised here."""
    try:
        message = connection.recv()
    except EOFError as error:
        raise OutputError(f"camera {name}", "a worker that renders it", "it died", "Use fewer workers.") from error
    if isinstance(message, Exception):
        raise message
    return message  # type: ignore[no-any-return]


def _work(connection: Connection, traffic: Traffic, row: int, folder: Path, settings: RenderSettings) -> None:
    """One camera in a process of its own: its progress, then its truth or its error, go through `connection`."""
    try:
        truth = _write_camera(traffic, row, folder, settings, lambda *report: connection.send(report))
        connection.send(truth)
    except Exception as error:
        connection.send(OutputError(f"camera {traffic.camera_ids[row]}", found=f"{type(error).__name__}: {error}"))


def _write_camera(traffic: Traffic, row: int, folder: Path, settings: RenderSettings,
                  progress: Progress | None) -> CameraTruth:
    """Render and encode one camera, write its recorded boxes, return its truth."""
    name, total = traffic.camera_ids[row], frame_count(traffic, row)
    frames: list[np.ndarray] = []
    ids: list[np.ndarray] = []
    boxes: list[np.ndarray] = []
    quality = camera_view(traffic, row, settings).grading.quality
    with writing_video(folder / "cams" / f"{name}.mp4", settings.size_wh, quality) as writer:
        for index, frame in enumerate(render_camera(traffic, row, settings)):
            writer.write(frame.image, index / float(traffic.frame_rates_hz[row]))
            frames.append(np.full(len(frame.vehicle_ids), index, dtype=np.int64))
            ids.append(frame.vehicle_ids)
            boxes.append(frame.boxes_xywh)
            if progress and ((index + 1) % _REPORT_EVERY == 0 or index + 1 == total):
                progress(name, index + 1, total)
    nothing = np.zeros(0, dtype=np.int64)
    truth = CameraTruth(np.concatenate([nothing, *frames]), np.concatenate([nothing, *ids]),
                        np.concatenate([nothing.reshape(0, 4), *boxes]))
    write_text(folder / "det" / f"{name}.txt", _recorded_boxes(truth, traffic.seed, row))
    return truth


def _recorded_boxes(truth: CameraTruth, seed: int, row: int) -> str:
    """What a fair detector would have found, in MOTChallenge form: boxes that tremble, some missing."""
    rng = np.random.default_rng([seed, 7007, row])
    kept = np.flatnonzero(rng.random(len(truth.frames)) >= _MISSING)
    size = np.tile(truth.boxes_xywh[kept, 2:], 2)
    boxes = truth.boxes_xywh[kept] + rng.normal(size=(len(kept), 4)) * _JITTER * size
    scores = rng.uniform(0.5, 0.98, len(kept))
    return "".join(f"{frame + 1},-1,{x:.1f},{y:.1f},{w:.1f},{h:.1f},{score:.3f},-1,-1,-1\n"
                   for frame, (x, y, w, h), score in zip(truth.frames[kept].tolist(), boxes.tolist(), scores.tolist(),
                                                         strict=True))


def _write_truth(folder: Path, traffic: Traffic, truths: list[CameraTruth]) -> None:
    """AI City rows: `camera id frame x y w h -1 -1`, frames from 1, sorted by camera, vehicle, frame."""
    rows: list[tuple[int, ...]] = []
    for row, truth in enumerate(truths):
        number = int(traffic.camera_ids[row][1:])
        columns = zip(truth.vehicle_ids.tolist(), truth.frames.tolist(), truth.boxes_xywh.tolist(), strict=True)
        rows += [(number, vehicle, frame + 1, *box) for vehicle, frame, box in columns]
    seen_by: dict[int, set[int]] = {}
    for number, vehicle, *_ in rows:
        seen_by.setdefault(vehicle, set()).add(number)
    rows.sort()
    for name, chosen in (("ground_truth_all.txt", rows),
                         ("ground_truth.txt", [row for row in rows if len(seen_by[row[1]]) > 1])):
        write_text(folder / name, "".join(" ".join(map(str, row)) + " -1 -1\n" for row in chosen))


def _write_about(folder: Path, traffic: Traffic) -> None:
    """Clocks, true links, and what the world is made of."""
    cameras = [{"name": name, "fps": float(traffic.frame_rates_hz[row]), "offset": float(traffic.clock_offsets_s[row]),
                "clock_rate": float(traffic.clock_rates[row])} for row, name in enumerate(traffic.camera_ids)]
    write_json(folder / "cameras.json", cameras)
    passages = traffic.recorded()
    links = traffic.transits(passages)
    lines = ["vehicle,camera_from,camera_to,leave_s,enter_s,travel_s,recording_travel_s"]
    for i in range(len(links.from_rows)):
        a, b = int(links.from_rows[i]), int(links.to_rows[i])
        times = (passages.leave_s[a], passages.enter_s[b], links.travel_s[i], links.recording_travel_s[i])
        names = (traffic.camera_ids[links.camera_from[i]], traffic.camera_ids[links.camera_to[i]])
        lines.append(",".join([str(passages.vehicle_ids[a]), *names, *(f"{time_s:.3f}" for time_s in times)]))
    write_text(folder / "transits.csv", "\n".join(lines) + "\n")
    vehicles = [{"vehicle": v + 1, "look": int(traffic.look_ids[v]), "body": BODIES[traffic.body_rows[v]].name}
                for v in range(len(traffic.look_ids))]
    write_json(folder / "world.json", {"kind": traffic.kind, "seed": traffic.seed, "sizes": asdict(traffic.sizes),
                                       "vehicles": vehicles})

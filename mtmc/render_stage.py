"""`--render`: annotated videos of every camera and the mosaic, made from a run's finished tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mtmc.cameras import Camera
from mtmc.config import to_plain
from mtmc.errors import VideoError
from mtmc.gallery import RunTracklets
from mtmc.manifest import Manifest, digest
from mtmc.results.mosaic import render_mosaic
from mtmc.results.render import RenderConfig, render_camera
from mtmc.results.track_boxes import TrackBoxes
from mtmc.results.tracklets_csv import read_tracklets_csv
from mtmc.run_store import folder_name
from mtmc.video import VideoConfig

STAGE = "render"


def render_run(
    folder: Path, tables_key: str, cameras: Sequence[Camera], run: RunTracklets, config: RenderConfig,
    video: VideoConfig, quiet: bool,
) -> None:  # fmt: skip
    """Write `render/<camera>.mp4` and `mosaic.mp4` into the run folder, unless they stand there already.

    A camera that cannot be read again is left out; the mosaic shows it dark.
    """
    # A manifest of its own: videos depend on the tables alone, and the report on neither.
    manifest = Manifest.load(folder / "render", (STAGE,))
    manifest.begin(STAGE, digest(tables_key, to_plain(config)))
    if manifest.is_complete(STAGE) and manifest.first_bad_file(STAGE) is None:
        return
    global_ids = read_tracklets_csv(folder / "tracklets.csv").global_ids
    boxes = TrackBoxes.of_tracklets(run.tracklets, global_ids, run.gallery.tracklets.camera_ids)
    names = [f"{folder_name(camera.camera_id)}.mp4" for camera in cameras]
    written = []
    with tqdm(total=len(cameras) + 1, desc="render", unit="video", disable=quiet or not sys.stderr.isatty()) as bar:
        for camera, name in zip(cameras, names, strict=True):
            if _try_camera(camera, boxes, manifest.folder / name, config, video):
                written.append(name)
            bar.update()
        if written:
            render_mosaic(cameras, boxes, folder / "mosaic.mp4", config, video)
            written.append("../mosaic.mp4")
        bar.update()
    manifest.replace(STAGE, written, {"pictures_of": int(np.unique(boxes.camera_rows).size)})


def _try_camera(camera: Camera, boxes: TrackBoxes, path: Path, config: RenderConfig, video: VideoConfig) -> bool:
    try:
        render_camera(camera, boxes, path, config, video)
    except VideoError:
        return False
    return True

"""One good file of every kind that a user may bring, to be changed at random by `fuzz.py`."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults import footage
from tests.running import run_command

CONTAINERS = ("mp4", "fragmented.mp4", "mkv", "ts", "avi", "hevc.mkv")
TEXTS = ("settings.yaml", "cameras.yaml", "det.txt", "truth.txt", "mot.txt", "tracklets.csv", "calibration.txt",
         "starts.txt", "manifest.json")  # fmt: skip
BINARIES = ("weights.safetensors", "roi.png", "truth.zip", "truth.tar.gz", "run")


def write_sources(folder: Path) -> None:
    """One good file of every kind."""
    import cv2

    small: dict[str, Any] = {"width": 160, "height": 96}
    footage.clip(folder / "mp4", 24, container="mp4", container_options={"movflags": "+faststart"}, gop=8, **small)
    footage.clip(folder / "fragmented.mp4", 24, container="mp4", gop=8,
                 container_options={"movflags": "frag_keyframe+empty_moov"}, **small)  # fmt: skip
    footage.clip(folder / "mkv", 24, container="matroska", gop=8, b_frames=2, **small)
    footage.clip(folder / "ts", 24, container="mpegts", gop=8, **small)
    footage.clip(folder / "avi", 24, container="avi", codec="mpeg4", gop=8, **small)
    footage.clip(folder / "hevc.mkv", 24, container="matroska", codec="libx265", gop=8, **small)
    from mtmc.config import to_plain
    from mtmc.run_config import RunConfig

    (folder / "settings.yaml").write_text(_yaml(to_plain(RunConfig())))
    (folder / "cameras.yaml").write_text(
        "cameras:\n  a: {start_s: 1.5, clock_rate: 1.0, roi: [[0, 0], [150, 0], [150, 90]]}\n  b: {frame_rate_hz: 10}\n"
        "transitions:\n  - {from: a, to: b, min_s: 3, max_s: 60}\n  - {from: b, to: a, allowed: false}\n"
        "only_listed_transitions: false\n"
    )
    footage.boxes(folder / "det.txt", 40)
    keys = [(camera, vehicle, frame) for camera in (1, 2) for vehicle in (1, 2) for frame in range(1, 10)]
    truth = "".join(f"{camera} {vehicle} {frame} 10 20 30 40 -1 -1\n" for camera, vehicle, frame in keys)
    (folder / "truth.txt").write_text(truth)
    mot = [f"{frame},{vehicle},10,20,30.5,40,1,-1,-1,-1\n" for vehicle in (1, 2) for frame in range(1, 20)]
    (folder / "mot.txt").write_text("".join(mot))
    rows = [f"a,{track},{track}.5,{track + 2}.25\n" for track in range(9)]
    (folder / "tracklets.csv").write_text("camera_id,track_id,start_s,end_s\n" + "".join(rows))
    (folder / "calibration.txt").write_text("Homography matrix: 1.5 2 3;4 5.25 -6;7e-3 8 1\nReprojection error: 2.5\n")
    (folder / "starts.txt").write_text("c001 0\nc002 1.640\nc003 2.049\n")
    file = {"name": "a.npy", "bytes": 3, "sha256": "0" * 64}
    stage = {"key": "k", "complete": True, "files": [file], "facts": {"n": 1}}
    manifest = {"format": 1, "stages": {"detections": stage, "pieces": stage}}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    cv2.imwrite(str(folder / "roi.png"), np.full((96, 160), 255, np.uint8))
    _archives(folder)
    (folder / "weights.safetensors").write_bytes(_weights())
    _run(folder / "run")


def _run(out: Path) -> None:
    """A finished run over two cameras."""
    with tempfile.TemporaryDirectory(prefix="fuzz-run-") as name:
        for camera in "ab":
            footage.clip(Path(name) / "cams" / f"{camera}.mp4", 30)
            footage.boxes(Path(name) / "det" / f"{camera}.txt", 30)
        done = run_command("--videos", Path(name) / "cams", "--detections", Path(name) / "det", "--out", out,
                           *footage.SETTINGS)  # fmt: skip
    assert done.returncode == 0, done.stderr


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False))


def _weights() -> bytes:
    import torch
    from safetensors.torch import save

    from mtmc.config import to_plain
    from reid_models.multilevel_resnet import ModelConfig, MultilevelResNet
    from reid_models.weights import FORMAT, WeightsInfo, stored_tensors

    torch.manual_seed(0)
    config = ModelConfig(backbone="resnet18", taps=(1,), embedding_dim=4, input_hw=(32, 32))
    return save(stored_tensors(MultilevelResNet(config)), {FORMAT: json.dumps(to_plain(WeightsInfo(config)))})


def _archives(folder: Path) -> None:
    text = (folder / "truth.txt").read_bytes()
    with zipfile.ZipFile(folder / "truth.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("track1.txt", text)
    member = tarfile.TarInfo("track1.txt")
    member.size = len(text)
    with tarfile.open(folder / "truth.tar.gz", "w:gz") as archive:
        archive.addfile(member, io.BytesIO(text))

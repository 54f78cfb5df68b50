"""The end of one camera's work: pieces are joined, poor ones dropped, and the rest written for matching."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mtmc import camera_store, files
from mtmc.camera_store import EmbeddedPiece
from mtmc.joining import JoinedCamera, PieceCrops, join_camera
from mtmc.manifest import Manifest
from mtmc.privacy.vault import PLAIN, Vault
from mtmc.run_config import RunConfig
from reid_models.temporal import pool

FRAME_TIMES_NAME = "frame_times.npy"


def finish_camera(
    manifest: Manifest, camera_id: str, config: RunConfig, vault: Vault = PLAIN
) -> dict[str, Any]:
    """Join the committed pieces of a camera and commit `boxes.parquet`, `tracklets.parquet`, `features.npy`,
    `image_features.npy` and `crops/`. Returns the facts of the camera, which are stored with them."""
    folder = manifest.folder
    (name,) = (n for n in manifest.files("pieces") if n.endswith(".parquet"))
    pieces = camera_store.read_pieces(camera_id, folder / name, vault)
    crops = _stack_crops(pieces)
    frame_times = np.load(folder / FRAME_TIMES_NAME)
    joined = join_camera(
        [piece.tracklet for piece in pieces], crops, (frame_times[0].astype(np.int64), frame_times[1]),
        config.joining, config.gates, config.crops.per_tracklet,
    )  # fmt: skip
    names = _write_tables(folder, joined, crops, vault) + _write_crops(folder, folder / name, joined, crops, vault)
    sizes = {piece.image_size_wh for piece in pieces}
    facts = {
        **manifest.facts("pieces"),
        "image_size_wh": list(max(sizes, default=(0, 0))),
        "joining": asdict(joined.counts),
        "tracklets": len(joined.tracklets),
        "boxes": sum(len(t) for t in joined.tracklets),
    }
    manifest.replace("tracklets", names, facts)
    return facts


def _stack_crops(pieces: list[EmbeddedPiece]) -> PieceCrops:
    counts = [len(piece.crop_frame_indices) for piece in pieces]
    with_crops = [piece for piece in pieces if len(piece.crop_frame_indices)]

    def stacked(name: str, empty: np.ndarray) -> np.ndarray:
        return np.concatenate([getattr(piece, name) for piece in with_crops]) if with_crops else empty

    return PieceCrops(
        stacked("image_embeddings", np.zeros((0, 1), np.float32)),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        stacked("crop_frame_indices", np.zeros(0, np.int64)),
        stacked("crop_qualities", np.zeros(0, np.float32)),
    )


def _write_tables(folder: Path, joined: JoinedCamera, crops: PieceCrops, vault: Vault) -> list[str]:
    image_features = [crops.embeddings[rows] for rows in joined.crop_rows]
    dimension = crops.embeddings.shape[1]
    features = [pool(images) for images in image_features]
    empty = np.zeros((0, dimension), np.float32)
    camera_store.write_boxes(folder / "boxes.parquet", joined.tracklets)
    camera_store.write_tracklets(folder / "tracklets.parquet", joined.tracklets, [len(r) for r in joined.crop_rows])
    vault.write_array(folder / "features.npy", np.stack(features).astype(np.float32) if features else empty)
    stacked = np.concatenate(image_features).astype(np.float32) if image_features else empty
    vault.write_array(folder / "image_features.npy", stacked)
    return ["boxes.parquet", "tracklets.parquet", "features.npy", "image_features.npy"]


def _write_crops(
    folder: Path, pieces_file: Path, joined: JoinedCamera, crops: PieceCrops, vault: Vault
) -> list[str]:
    """`crops/<track_id>_<k>.jpg`. Not synced one by one: a picture that a power cut spoils fails its checksum
    and the stage, which is cheap, is redone."""
    wanted = {
        int(row): f"crops/{tracklet.track_id:06d}_{k}.jpg"
        for tracklet, rows in zip(joined.tracklets, joined.crop_rows, strict=True)
        for k, row in enumerate(rows)
    }
    (folder / "crops").mkdir(exist_ok=True)
    names = []
    for (_, pictures), first in zip(camera_store.read_crops(pieces_file, vault), crops.offsets[:-1], strict=True):
        for k, picture in enumerate(pictures):
            name = wanted.get(int(first) + k)
            if name is not None:
                with files.no_space_is_an_output_error(folder / name):
                    (folder / name).unlink(missing_ok=True)  # never through a link that lies in the way
                    (folder / name).write_bytes(vault.to_store(folder / name, picture))
                names.append(name)
    return sorted(names)

"""Is one camera's folder whole? Checksums, row counts between its files, and the laws that every count obeys.

    packets demuxed  = ok + bad                    detections = in pieces + unconfirmed + outside ROI + outliers
    frames decoded   = frames processed            pieces     = kept + joined + dropped (by reason)
    seconds expected = covered + missing           kept       = rows of tracklets and features

(reliability.md 2.2.) The first thing that is wrong is raised as an `IntegrityError`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mtmc.camera_job import STAGES
from mtmc.camera_store import EMPTY_FRAME_CLASS, read_piece_ids, read_tracklets
from mtmc.decode_report import FINISHED
from mtmc.errors import IntegrityError
from mtmc.final_tracklets import FRAME_TIMES_NAME
from mtmc.manifest import Manifest
from mtmc.privacy.vault import PLAIN, Vault
from mtmc.tracklet_counts import CutCounts, JoinCounts
from mtmc.tracklets import Tracklet

REMEDY = "Run the same command again to mend the run."
Check = Callable[[str, Any, Any], None]


def checker(owner: str) -> Check:
    """A function (what, found, expected) that raises `IntegrityError` about `owner` where the two differ."""

    def check(what: str, found: Any, expected: Any) -> None:
        if found != expected:
            raise IntegrityError(f"{owner}: {what}", str(expected), str(found), REMEDY)

    return check


def verify_camera(camera: str, folder: Path, facts: dict[str, Any], vault: Vault = PLAIN) -> str:
    """Check one camera's folder against its facts in `run.json`; one sentence."""
    manifest = Manifest.load(folder, STAGES)
    for stage in STAGES:
        if not manifest.is_complete(stage):
            raise IntegrityError(folder, f"the stage {stage} to be complete", "it is not", REMEDY)
        manifest.require_good(stage)
    if manifest.facts("tracklets") != facts:
        raise IntegrityError(folder / "manifest.json", "the facts that run.json holds", "others", REMEDY)
    check = checker(f"camera {camera}")
    _verify_laws(check, facts)
    _verify_detections(check, folder, facts, vault)
    tracklets, crop_counts = read_tracklets(camera, folder)
    _verify_boxes(check, folder, tracklets, facts)
    _verify_features(check, folder, len(tracklets), int(crop_counts.sum()), vault)
    pictures = sum(1 for name in manifest.files("tracklets") if name.startswith("crops/"))
    if pictures:  # none where they are not kept
        check("crops", pictures, int(crop_counts.sum()))
    if vault.sealed:  # whoever changes an encrypted file can change its checksum in the manifest too
        for name in (n for stage in STAGES for n in manifest.files(stage) if n.endswith(".jpg")):
            vault.read(folder / name)
    frames, detections = facts["frames"], facts["cutting"]["detections"]
    return f"{camera}: {frames} frames, {detections} detections, {facts['tracklets']} tracklets"


def _verify_laws(check: Check, facts: dict[str, Any]) -> None:
    decode, cutting, joining = facts["decode"], CutCounts(**facts["cutting"]), JoinCounts(**facts["joining"])
    check("a final status", decode["status"] in FINISHED, True)
    check("packets", decode["packets_demuxed"], decode["packets_ok"] + sum(decode["packets_bad"].values()))
    check("frames processed", facts["frames"], decode["frames_decoded"])
    accounted_s = decode["covered_s"] + decode["gap_s"]
    check("seconds accounted for", abs(accounted_s - decode["expected_s"]) <= 1e-6 * (1 + abs(accounted_s)), True)
    listed_s = sum(gap["to_s"] - gap["from_s"] for gap in decode["gaps"])
    if len(decode["gaps"]) == decode["gap_count"]:  # of very many only the first are listed
        check("seconds of the listed gaps", abs(listed_s - decode["gap_s"]) <= 1e-6 * (1 + listed_s), True)
    check("detections accounted for", cutting.balanced(), True)
    check("pieces accounted for", joining.balanced(), True)
    check("pieces joined", joining.pieces, cutting.pieces)
    check("tracklets kept", facts["tracklets"], joining.kept)


def _verify_detections(check: Check, folder: Path, facts: dict[str, Any], vault: Vault) -> None:
    import polars as pl

    found = pl.read_parquet(folder / "detections.parquet", columns=["frame_index", "class_id"])
    seen = found.filter(pl.col("class_id") != EMPTY_FRAME_CLASS)
    check("frames with stored detections", found["frame_index"].n_unique() if len(found) else 0, facts["frames"])
    check("last frame", found["frame_index"].max() if len(found) else -1, facts["frames"] - 1)
    check("frames that hold vehicles", seen["frame_index"].n_unique(), facts["frames_with_detections"])
    check("stored detections", len(seen), facts["cutting"]["detections"])
    pieces = len(read_piece_ids(folder / "pieces.parquet", vault))
    check("stored pieces", pieces, facts["cutting"]["pieces"])


def _verify_boxes(check: Check, folder: Path, tracklets: list[Tracklet], facts: dict[str, Any]) -> None:
    indices, times_s = np.load(folder / FRAME_TIMES_NAME, allow_pickle=False)
    time_of = dict(zip(indices.astype(np.int64).tolist(), times_s.tolist(), strict=True))
    check("stored tracklets", len(tracklets), facts["tracklets"])
    check("track ids, each once", len({t.track_id for t in tracklets}), len(tracklets))
    check("boxes", sum(len(t) for t in tracklets), facts["boxes"])
    check("frames in order", bool((np.diff(indices) > 0).all() and (np.diff(times_s) > 0).all()), True)
    for tracklet in tracklets:
        own = [time_of.get(index) for index in tracklet.frame_indices.tolist()]
        check(f"times of track {tracklet.track_id}", own, tracklet.times_s.tolist())


def _verify_features(check: Check, folder: Path, tracklets: int, crops: int, vault: Vault) -> None:
    for name, rows in (("features.npy", tracklets), ("image_features.npy", crops)):
        array = vault.load_array(folder / name)
        check(f"rows of {name}", len(array), rows)
        lengths = np.linalg.norm(array.astype(np.float64), axis=1)
        wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-3))  # also NaN
        if len(wrong):
            row, length = int(wrong[0]), float(lengths[wrong[0]])
            raise IntegrityError(folder / name, f"a unit vector in row {row}", f"length {length}", REMEDY)

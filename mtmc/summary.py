"""What a run prints: the plan before, the table after."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mtmc.cameras import Camera
from mtmc.errors import VideoError, mask_credentials
from mtmc.pipeline import RunSummary
from mtmc.plan import RunPlan
from mtmc.video import VideoConfig, probe


def print_plan(plan: RunPlan, full: bool) -> None:
    """The announcements; with `full`, every camera and where the results will lie."""
    for line in plan.announcements:
        print(_plain(line))
    for file in plan.skipped:
        print(f"skipped: {_plain(file.path.name)}: {file.reason}")
    if not full:
        return
    rows: list[tuple[str, ...]] = [("camera", "video", "size", "length", "to do")]
    for job in plan.jobs:
        todo = "done" if job.camera.camera_id in plan.done else "detect, track, embed"
        rows.append(_plan_row(job.camera, plan.setup.config.video, todo))
    rows += [(name, "", "", "", f"cannot be read: {reason}") for name, reason in plan.refused.items()]
    _print_table(rows)
    print(f"workers: {plan.workers}   results: {_plain(str(plan.store.folder))}")


def _plan_row(camera: Camera, config: VideoConfig, todo: str) -> tuple[str, ...]:
    try:
        info = probe(camera, config)
    except VideoError as error:
        return camera.camera_id, "", "", "", f"cannot be read: {error}"
    length = f"{info.duration_s:.0f} s" if info.duration_s == info.duration_s else "?"
    return camera.camera_id, camera.video.name, f"{info.width}x{info.height}", length, todo


def print_summary(plan: RunPlan, summary: RunSummary) -> None:
    """One row a camera, the totals, where things lie, and what failed (on stderr)."""
    rows = [("camera", "frames", "detections", "tracklets", "video", "worked")]
    for job in plan.jobs:
        fact = summary.facts.get(job.camera.camera_id)
        if fact is None:
            continue
        decode = fact["decode"]
        covered = float(decode["covered_s"]) + float(decode["gap_s"])
        seconds = sum(fact["seconds"].values())
        note = "" if decode["status"] == "complete" else f" ({decode['status'].replace('_', ' ')})"
        rows.append((job.camera.camera_id, str(fact["frames"]), str(fact["cutting"]["detections"]),
                     str(fact["tracklets"]), f"{covered:.0f} s{note}", f"{seconds:.1f} s"))  # fmt: skip
    _print_table(rows)
    counts = summary.counts
    print(", ".join(f"{counts.get(name, 0)} {name}" for name in ("tracklets", "links", "vehicles")))
    print("seconds: " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in summary.seconds.items()))
    for line in summary.score_lines:
        print(line)
    for name in ("matches.csv", "report.html", "mosaic.mp4"):
        if plan.store.path(name).exists():
            print(f"{name}: {_plain(str(plan.store.path(name)))}")
    _print_damage(summary)
    for camera, reason in sorted(summary.failures.items()):
        print(f"failed: {_plain(camera)}: {_plain(reason)}", file=sys.stderr)
        if summary.traces.get(camera):
            print(mask_credentials(summary.traces[camera]), file=sys.stderr)
    if summary.failures:
        kept = len(summary.facts)
        print(f"{len(summary.failures)} of {kept + len(summary.failures)} cameras failed; the results of the other "
              f"{kept} are kept. Mend the files and run the same command again.", file=sys.stderr)  # fmt: skip


def _print_damage(summary: RunSummary) -> None:
    """One sentence, on stderr, for every video of which something is missing, and for crops whose vector is none."""
    for camera, fact in sorted(summary.facts.items()):
        decode = fact["decode"]
        if decode["status"] != "complete":
            bad, lost = sum(decode["packets_bad"].values()), decode["packets_without_picture"]
            cause = f" ({decode['cause']})" if decode["cause"] else ""
            print(f"damaged: {_plain(camera)}: {decode['status'].replace('_', ' ')}{cause}: {decode['frames_decoded']} "
                  f"frames read, {max(bad, lost)} packets without a picture, {float(decode['gap_s']):.2f} s missing in "
                  f"{decode['gap_count']} gaps", file=sys.stderr)  # fmt: skip
        if fact["non_finite_crops"]:
            print(f"left out: {_plain(camera)}: {fact['non_finite_crops']} crops for which the embedder gave NaN, "
                  "infinity or nothing", file=sys.stderr)  # fmt: skip


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    rows = [[_plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _plain(text: str) -> str:
    """Printable and without secrets: names may hold newlines, escapes, bytes that are no text, or a password."""
    return mask_credentials("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))

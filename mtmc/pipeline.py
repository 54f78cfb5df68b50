"""The whole road, from a folder of videos to match tables; the only file that knows all of it.

    cameras ─► (a job per camera) ─► tracklets and features in each camera's folder ─► gallery ─► matches ─► tables
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtmc import files
from mtmc.config import to_plain
from mtmc.enrichment import enriched, enrichment_key
from mtmc.errors import EXIT_CANNOT_WRITE, EXIT_COMPLETE, EXIT_PARTIAL, MtmcError, OutputError
from mtmc.evaluation.tables import score_plain
from mtmc.executors.executor import CameraWork
from mtmc.executors.registry import executor_named
from mtmc.gallery import RunTracklets, load_run_tracklets
from mtmc.manifest import Manifest, digest
from mtmc.matching.matcher import match
from mtmc.oddness import odd_rows
from mtmc.plan import RunPlan, library_versions
from mtmc.progress import CameraBars
from mtmc.results.report import ReportFacts, write_report
from mtmc.results.run_tables import write_run_tables
from mtmc.scoring import score_lines, score_run
from mtmc.stopwatch import Stopwatch
from mtmc.workers import Outcome

RUN_STAGES = ("tables", "report")


class SetupError(MtmcError):
    """What every camera needs cannot be had; the sentence and the exit code are those of the cause."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


@dataclass
class RunSummary:
    """How a run ended. facts: of each camera that was finished. failures: camera → one sentence. seconds: wall
    time by stage of this invocation. counts: tracklets, links, vehicles. score_lines: where a truth was given."""

    folder: Path
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    score: dict[str, Any] = field(default_factory=dict)
    score_lines: tuple[str, ...] = ()
    exit_code: int = EXIT_COMPLETE


def run_cameras(plan: RunPlan) -> RunSummary:
    """Carry out a plan. Every camera that can be finished is; what is already done is not done again.

    Raises `OutputError` where the run folder cannot be written or belongs to another process.
    """
    store, watch = plan.store, Stopwatch()
    summary = RunSummary(store.folder, failures=dict(plan.refused))
    store.create()
    with store.locked(), _state_at_the_end(plan, summary):
        files.remove_leftovers(store.folder)
        _write_run_json(plan, summary, "running")
        with watch.running("cameras"):
            watch_cameras(plan, summary)
        with watch.running("matching and tables"), files.no_space_is_an_output_error(store.folder):
            _match_and_write(plan, summary)
        if plan.request.render:
            with watch.running("render"):
                _render(plan, summary)
        summary.seconds = watch.rounded()
        if summary.failures:
            summary.exit_code = EXIT_PARTIAL
        _write_run_json(plan, summary, "partial" if summary.failures else "complete")
    return summary


@contextlib.contextmanager
def _state_at_the_end(plan: RunPlan, summary: RunSummary) -> Iterator[None]:
    """A run that is stopped, or cannot go on, says so in `run.json` as far as it still can be written."""
    try:
        yield
    except BaseException as error:
        stopped = not isinstance(error, Exception)  # a signal
        with contextlib.suppress(OSError):
            if plan.store.folder.is_dir():
                _write_run_json(plan, summary, "interrupted" if stopped else "failed")
        raise


def watch_cameras(plan: RunPlan, summary: RunSummary) -> None:
    """Run every camera's job in the workers; facts and failures go into `summary`.

    Raises the `MtmcError` that would fail every camera alike: models that cannot be used, a disk that is full.
    """
    names = [job.camera.camera_id for job in plan.jobs]
    full: list[str] = []

    def note(outcome: Outcome) -> None:
        bars.finish(outcome.job_number)
        name = names[outcome.job_number]
        if outcome.of_setup:
            raise SetupError(outcome.error, outcome.exit_code)
        if outcome.error:
            summary.failures[name], summary.traces[name] = outcome.error, outcome.trace
            if outcome.exit_code == EXIT_CANNOT_WRITE:
                full.append(outcome.error)
        else:
            summary.facts[name] = outcome.value

    process = plan.setup.config.process
    nothing_to_do = len(plan.done) == len(plan.jobs)
    executor = executor_named("local" if nothing_to_do else process.executor)
    work = CameraWork(plan.setup, plan.jobs, 1 if nothing_to_do else plan.workers, process, plan.store)
    with CameraBars(names, plan.request.quiet) as bars:
        executor.run(work, bars.update, note)
    if full:
        raise OutputError(full[0])


def _match_and_write(plan: RunPlan, summary: RunSummary) -> None:
    """One global step over the cameras that are finished; skipped where its tables stand already."""
    jobs = [job for job in plan.jobs if job.camera.camera_id in summary.facts]
    manifest = Manifest.load(plan.store.folder, RUN_STAGES)
    key = digest([(j.camera.camera_id, j.keys["tracklets"]) for j in jobs], to_plain(plan.setup.config.matching),
                 to_plain(plan.rules), library_versions(), plan.request.cvat,
                 *enrichment_key(plan.setup.config))  # fmt: skip
    manifest.begin("tables", key)
    truth = files.sha256_of(plan.request.truth) if plan.request.truth else ""
    report_key = digest(key, {name: fact["seconds"] for name, fact in summary.facts.items()}, summary.failures, truth)
    manifest.begin("report", report_key)
    if not (_stands(manifest, "tables") and _stands(manifest, "report")):
        folders = {camera.camera_id: plan.store.camera_folder(camera.camera_id) for camera in plan.cameras}
        more = enriched(load_tracklets(plan, summary.facts), folders, plan.setup.config, plan.setup.vault)
        run = more.run
        matches = match(run.gallery, plan.rules, plan.setup.config.matching, more.evidence)
        names = write_run_tables(
            plan.store.folder, run, matches, plan.camera_numbers, plan.request.cvat, more.attributes, more.oddness)
        counts = {
            "tracklets": len(run.tracklets),
            "links": len(matches.links),
            "vehicles": len(set(matches.global_ids.tolist())),
        }
        manifest.replace("tables", names, counts)
        if plan.request.truth:
            score = score_run(plan.request.truth, run, matches.global_ids, plan.camera_numbers)
            summary.score, summary.score_lines = score_plain(score), score_lines(score)
        facts = replace(_report_facts(plan, summary), odd=None if more.oddness is None else odd_rows(more.oddness))
        write_report(plan.store.path("report.html"), run, matches, folders, facts)
        manifest.begin("report", report_key)
        said = {"score": summary.score, "score_lines": list(summary.score_lines)}
        manifest.replace("report", ["report.html"], said)
    summary.counts = manifest.facts("tables")
    summary.score = manifest.facts("report")["score"]
    summary.score_lines = tuple(manifest.facts("report")["score_lines"])


def _render(plan: RunPlan, summary: RunSummary) -> None:
    from mtmc.render_stage import render_run

    run = load_tracklets(plan, summary.facts)
    tables_key = Manifest.load(plan.store.folder, RUN_STAGES).key("tables")
    cameras = [camera for camera in plan.cameras if camera.camera_id in summary.facts]
    config = plan.setup.config
    render_run(plan.store.folder, tables_key, cameras, run, config.render, config.video, plan.request.quiet)


def _stands(manifest: Manifest, stage: str) -> bool:
    return manifest.is_complete(stage) and manifest.first_bad_file(stage) is None


def _report_facts(plan: RunPlan, summary: RunSummary) -> ReportFacts:
    return ReportFacts(
        plan.store.folder.resolve().name, summary.facts, summary.failures, library_versions(), plan.announcements,
        summary.score_lines, pictures=not plan.setup.vault.sealed,
    )  # fmt: skip


def load_tracklets(plan: RunPlan, facts: Mapping[str, Mapping[str, Any]]) -> RunTracklets:
    """The tracklets and features of the cameras that have facts."""
    cameras = [camera for camera in plan.cameras if camera.camera_id in facts]
    folders = {camera.camera_id: plan.store.camera_folder(camera.camera_id) for camera in cameras}
    sizes = {name: tuple(fact["image_size_wh"]) for name, fact in facts.items()}
    return load_run_tracklets(cameras, folders, sizes, plan.setup.vault)


def _write_run_json(plan: RunPlan, summary: RunSummary, state: str) -> None:
    plan.store.write_run_json(
        {
            "state": state,
            "written_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "inputs": {
                job.camera.camera_id: {
                    "video": str(job.camera.video),
                    "fingerprint": plan.fingerprints[job.camera.camera_id],
                    "start_s": job.camera.start_s,
                    "clock_rate": job.camera.clock_rate,
                }
                for job in plan.jobs
            },
            "camera_numbers": plan.camera_numbers,
            "versions": library_versions(),
            "config": to_plain(plan.setup.config),
            "embedder": plan.embedder,
            "detector": {"kind": plan.setup.detector.kind, "sha256": plan.setup.detector.sha256},
            "cameras": summary.facts,
            "failures": summary.failures,
            "seconds": summary.seconds,
            "counts": summary.counts,
            "score": summary.score,
            **plan.setup.vault.facts(),
        }
    )

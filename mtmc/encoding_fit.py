"""An encoding that is given no file is fitted on the run's own crops: the cameras are worked through once with the
weight-free embedder, into `encoding/` inside the run folder, and the encoding is fitted on what that leaves.

It costs the cameras' work a second time. Where that matters, fit once with tools/fit_encoding.py and give --weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mtmc.config import to_plain
from mtmc.errors import ConfigError, WeightsError
from mtmc.manifest import digest
from mtmc.pipeline import run_cameras
from mtmc.plan import RunPlan, RunRequest, make_plan
from mtmc.run_config import RunConfig
from mtmc.run_store import next_sibling
from reid_models.registry import SHIPPED_WEIGHTS, EmbedderConfig

FOLDER = "encoding"


def with_fitted_encoding(request: RunRequest, dry_run: bool, say: Callable[[str], None]) -> RunRequest:
    """The request with the file of its encoding, fitted if it is not there yet; the same videos and settings give the
    same file. With `dry_run` the request of the first pass, which is what would be done first.

    Raises `ConfigError` where no crops may be kept to fit on, and what the fit raises.
    """
    name = request.config.embedder.name
    if request.encrypt or not request.keep_crops:
        raise ConfigError(f"embedder {name} without --weights", "crops to fit on",
                          "--encrypt" if request.encrypt else "--no-crops",
                          f"Fit on other pictures first: tools/fit_encoding.py --encoding {name}, then --weights FILE.")
    out = request.out or Path("runs") / (request.videos.resolve().name or "run")
    out = next_sibling(out) if request.new else out
    first = replace(request, out=out / FOLDER, new=False, config=_first_pass(request.config), render=False, cvat=False,
                    truth=None)
    say(f"{name}: to be fitted on this run's own crops, after a first pass with the weight-free embedder")
    if dry_run:
        return first
    out.mkdir(parents=True, exist_ok=True)
    plan = make_plan(first)
    run_cameras(plan)
    path = out / FOLDER / f"{name}.safetensors"
    say(_fit(path, name, request.config.embedder, plan))
    embedder = replace(request.config.embedder, weights=str(path))
    return replace(request, out=out, new=False, config=replace(request.config, embedder=embedder))


def _first_pass(config: RunConfig) -> RunConfig:
    """The settings that decide which crops there are; of the rest nothing is needed."""
    defaults = RunConfig()
    return replace(config, embedder=EmbedderConfig(name="colour-texture"), aggregation=defaults.aggregation,
                   attributes=defaults.attributes, matching=defaults.matching)


def _fit(path: Path, name: str, embedder: EmbedderConfig, plan: RunPlan) -> str:
    """Write the file unless it is there for these very crops; one line of what was done."""
    from reid_models.data.images import read_image_rgb
    from reid_models.data.run_folder import load_split
    from reid_models.encodings.fitting import evenly, fit_to_file
    from reid_models.encodings.registry import build_extractor, encoding_class
    from reid_models.encodings.storage import load_encoding

    config = encoding_class(name).default
    crops = digest(to_plain(config), [(job.camera.camera_id, job.keys["tracklets"]) for job in plan.jobs])
    told = f"crops of the run itself, {crops[:16]}"
    try:
        if load_encoding(path)[0].training_data == told:
            return f"{name}: fitted before"
    except WeightsError:
        pass  # not there yet, or left half by another version: it is made anew
    extractor = build_extractor(config, SHIPPED_WEIGHTS, embedder.batch_size, embedder.device, embedder.threads)
    chosen = evenly(load_split(plan.store.folder, "all").paths)
    info = fit_to_file(path, name, config, extractor, [read_image_rgb(p) for p in chosen], told)
    return f"{name}: fitted on {len(chosen)} crops of this run, {info.dimension} dimensions"

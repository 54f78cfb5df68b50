"""All settings of a run: one section a stage, each defined beside the code it sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from detectors.registry import DetectorConfig
from mtmc import config
from mtmc.aggregation import AggregationConfig
from mtmc.crops import CropConfig
from mtmc.cutting import CuttingConfig
from mtmc.errors import ConfigError
from mtmc.gates import GateConfig
from mtmc.joining import JoiningConfig
from mtmc.matching.matcher import MatchingConfig
from mtmc.matching.verifier_term import VerifierConfig
from mtmc.oddness import OddConfig
from mtmc.results.render import RenderConfig
from mtmc.tracking import TrackingConfig
from mtmc.tracklet_attributes import AttributesConfig
from mtmc.video import VideoConfig
from reid_models.registry import EmbedderConfig


@dataclass(frozen=True)
class ProcessConfig:
    """How the work is spread over the machine. None of it changes a result, but for `threads` and `shared_models`,
    which may change the last bits of a network's output."""

    workers: int = 0  # camera processes; 0 = as many as cores and memory are enough for, at most one a camera
    threads: int = 0  # threads of the networks in a worker; 0 = cores ÷ cameras, at least 1, whatever `workers` is
    commit_s: float = 5.0  # seconds of work that a crash may cost; a commit is three small synced files
    hang_s: float = 180.0  # a worker that is silent for so long is stopped; loading a big model takes up to a minute
    # One process with the networks for all camera processes of a machine; auto: where they run on a GPU.
    shared_models: Literal["auto", "always", "never"] = "auto"
    executor: Literal["local", "ray"] = "local"  # processes on this machine, or tasks on a Ray cluster
    ray_address: str = ""  # "host:6379"; empty = RAY_ADDRESS, a cluster that runs here already, else one for this run
    ray_gpus: float = 0.0  # share of a GPU that Ray sets aside for each camera, e.g. 0.25
    attempts: int = 3  # tries of a camera on a cluster, where processes and machines come and go; a bad file kills all

    def __post_init__(self) -> None:
        if self.workers < 0 or self.threads < 0:
            raise ConfigError("process.workers and process.threads", "0 or more", f"{self.workers} and {self.threads}")
        if self.attempts < 1 or not 0 <= self.ray_gpus < float("inf"):
            raise ConfigError("process.attempts and process.ray_gpus", "1 or more and 0 or more",
                              f"{self.attempts} and {self.ray_gpus}")  # fmt: skip
        if self.commit_s < 0 or self.hang_s <= 0:
            raise ConfigError("process.commit_s and process.hang_s", "0 or more and above 0",
                              f"{self.commit_s} and {self.hang_s}")  # fmt: skip


@dataclass(frozen=True)
class RunConfig:
    """Everything that can be set in a YAML file or by `--set section.key=value`."""

    video: VideoConfig = field(default_factory=VideoConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    cutting: CuttingConfig = field(default_factory=CuttingConfig)
    crops: CropConfig = field(default_factory=CropConfig)
    # Streets are seldom like those a network was trained on: colour and texture beside it (docs/results.md).
    embedder: EmbedderConfig = field(default_factory=lambda: EmbedderConfig(colour_share=0.5))
    joining: JoiningConfig = field(default_factory=JoiningConfig)
    gates: GateConfig = field(default_factory=GateConfig)
    aggregation: AggregationConfig = field(default_factory=AggregationConfig)
    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    odd: OddConfig = field(default_factory=OddConfig)
    verifier: VerifierConfig = field(default_factory=VerifierConfig)
    matching: MatchingConfig = field(default_factory=MatchingConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    process: ProcessConfig = field(default_factory=ProcessConfig)


def load_run_config(path: Path | None, sets: Iterable[str]) -> RunConfig:
    """The defaults, under the YAML file `path` (None for no file), under every `section.key=value` of `sets`.

    Raises `ConfigError` that names the file or option and the key.
    """
    values = config.read_yaml(path) if path is not None else {}
    source = str(path) if path is not None else "--set"
    return config.build(RunConfig, config.merge_sets(values, sets), source)

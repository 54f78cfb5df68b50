"""Where a camera process gets its detector and its embedder: made here, or asked of the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from detectors.detections import Detector
from detectors.registry import NETWORKS, ResolvedDetector, build_detector
from mtmc.model_service.clients import ServiceAddress, SharedDetector, SharedEmbedder
from mtmc.run_config import RunConfig
from reid_models.embedder import Embedder
from reid_models.registry import build_embedder, weights_of


@dataclass(frozen=True)
class RunModels:
    """The networks of a run, not loaded yet; picklable."""

    detector: ResolvedDetector
    config: RunConfig

    @property
    def detects(self) -> bool:
        """Whether boxes come from a network."""
        return self.detector.kind in NETWORKS

    @property
    def embeds(self) -> bool:
        """Whether embeddings come from a network."""
        return weights_of(self.config.embedder) is not None

    def __call__(self) -> tuple[Detector | None, Embedder | None]:
        """Load the networks, for the service."""
        return (
            build_detector(self.detector, self.config.detector) if self.detects else None,
            build_embedder(self.config.embedder, compared=True) if self.embeds else None,
        )


def models_for(
    detector: ResolvedDetector, config: RunConfig, service: ServiceAddress | None,
    spare: Callable[[], bool] = lambda: True,
) -> tuple[Detector, Embedder]:  # fmt: skip
    """A camera process's models; `spare`: see `build_detector`. Raises what `build_detector` and `build_embedder`
    raise, from wherever they run."""
    return (
        SharedDetector(service) if service is not None and service.detects
        else build_detector(detector, config.detector, spare),
        SharedEmbedder(service) if service is not None and service.embeds
        else build_embedder(config.embedder, compared=True),
    )  # fmt: skip

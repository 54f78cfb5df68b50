"""What a run may add between its tracklets and the matcher: other vectors for them, attributes, evidence from these.

All of it is off by default, and then nothing of it is imported beyond its settings, read or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtmc import files
from mtmc.aggregation import AggregationConfig, aggregated
from mtmc.config import to_plain
from mtmc.errors import ConfigError
from mtmc.gallery import RunTracklets
from mtmc.matching.matcher import Evidence
from mtmc.matching.verifier_term import require_verifier, verified
from mtmc.oddness import Oddness, find_odd, gated
from mtmc.privacy.vault import Vault
from mtmc.run_config import RunConfig
from mtmc.tracklet_attributes import TrackletAttributes, attributes_of, is_network

if TYPE_CHECKING:
    from reid_models.attributes.labels import AttributeLabels


@dataclass(frozen=True, eq=False)
class Enriched:
    """run: with the vectors that are to be compared. attributes, evidence, oddness: None where off."""

    run: RunTracklets
    attributes: TrackletAttributes | None
    evidence: Evidence | None
    oddness: Oddness | None = None


def check_sources(config: RunConfig, keep_crops: bool) -> None:
    """Read what attributes come from, so that a mistake is not found out after hours. Raises `MtmcError` kinds."""
    attributes = config.attributes
    if config.verifier.file:
        own = config.embedder.weights and not config.embedder.is_encoding
        require_verifier(Path(config.verifier.file), Path(config.embedder.weights) if own else None)
    if attributes.matching_weight and not attributes.source:
        raise ConfigError("attributes.matching_weight", "0 without --attributes", str(attributes.matching_weight))
    if not attributes.source:
        return
    if not is_network(attributes.source):
        _labelled(attributes.source)
        return
    from reid_models.attributes.reading import require_attribute_heads

    require_attribute_heads(Path(attributes.source))
    if not keep_crops:
        raise ConfigError("--attributes FILE.safetensors", "crops to look at", "--no-crops",
                          "Leave that out, or give labelled pictures (a CSV) in place of a network.")


def enrichment_key(config: RunConfig) -> tuple[Any, ...]:
    """What the tables depend on besides; nothing where all is off."""
    parts: list[Any] = []
    if config.aggregation != AggregationConfig():
        parts.append(to_plain(config.aggregation))
    if config.attributes.source:
        source = Path(config.attributes.source)
        pictures = () if is_network(str(source)) else _labelled(str(source))[0]
        parts += [to_plain(replace(config.attributes, source="")), files.sha256_of(source),
                  [files.sha256_of(picture) for picture in pictures]]
    if config.odd.wanted:
        parts.append(to_plain(config.odd))
    if config.verifier.file:
        parts += [to_plain(replace(config.verifier, file="")), files.sha256_of(Path(config.verifier.file))]
    return tuple(parts)


def enriched(run: RunTracklets, folders: Mapping[str, Path], config: RunConfig, vault: Vault) -> Enriched:
    """Everything that `config` asks for. folders: camera → its folder."""
    attributes, evidence = None, _from_verifier(run, config)
    if config.attributes.source:
        attributes = attributes_of(run, folders, config.attributes, config.embedder, vault)
        if config.attributes.matching_weight:
            from mtmc.matching.attribute_term import agreement

            agreeing = partial(agreement, attributes.shares, weight=config.attributes.matching_weight)
            evidence = agreeing if evidence is None else _sum_of(agreeing, evidence)
    oddness = find_odd(run.gallery, config.odd) if config.odd.wanted else None
    gallery = gated(run.gallery, oddness, config.odd.least) if oddness is not None and config.odd.gate else run.gallery
    gallery = aggregated(gallery, config.aggregation)
    shown = oddness if config.odd.flag else None
    return Enriched(run if gallery is run.gallery else replace(run, gallery=gallery), attributes, evidence, shown)


def _from_verifier(run: RunTracklets, config: RunConfig) -> Evidence | None:
    if not config.verifier.file or not len(run.gallery.tracklets):
        return None
    from reid_models.pair_verifier import load_verifier

    return partial(verified, load_verifier(Path(config.verifier.file)), run.gallery.embeddings, config.verifier)


def _sum_of(first: Evidence, second: Evidence) -> Evidence:
    return lambda a, b: first(a, b) + second(a, b)


def _labelled(source: str) -> tuple[tuple[Path, ...], AttributeLabels]:
    from reid_models.attributes.labels import read_attribute_table

    return read_attribute_table(Path(source))

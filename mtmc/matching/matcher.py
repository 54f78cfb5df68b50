"""The matcher: a gallery of tracklets in, links and vehicles out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mtmc.camera_rules import CameraRules
from mtmc.embedding import Gallery
from mtmc.errors import ConfigError
from mtmc.matching.camera_graph import camera_graph
from mtmc.matching.explain import Verdict, candidates, same_vehicle_probability
from mtmc.matching.learning import Learner, LearningConfig
from mtmc.matching.looks import LooksConfig, corrected
from mtmc.matching.matches import Matches
from mtmc.matching.pairs import find_pairs
from mtmc.matching.screened import find_screened_pairs
from mtmc.matching.structure import lag_grid
from mtmc.matching.travel import arrival_rates
from mtmc.matching.vehicles import VehicleGroups, join_links

Evidence = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class MatchingConfig:
    """Settings of `match`; every kind of evidence can be switched off.

    min_probability: a link needs at least this. use_appearance, use_travel_times: without the one the other decides
    alone, without places and neighbours. use_images: image-to-tracklet distances beside the pooled ones.
    use_positions: where vehicles appear and vanish in the picture. use_neighbours: a pair is also judged by
    the looks of those already linked to either side. join_pieces: tracklets of one camera that
    continue each other become one vehicle. neighbours: nearest tracklets listed per other camera.
    adaptive_images: compare with the best mix of a tracklet's images, not with its nearest one (docs/methods.md).
    rerank: k-reciprocal re-ranked distances in place of plain ones; helps corridors, not overlapping views.
    exhaustive: tracklets up to which every pair is looked at; of more only those inside travel times found first.
    """

    min_probability: float = 0.5  # more likely right than wrong
    use_appearance: bool = True
    use_travel_times: bool = True
    use_images: bool = True
    use_positions: bool = True
    use_neighbours: bool = True
    join_pieces: bool = True
    neighbours: int = 3  # what a person would look through
    adaptive_images: bool = False
    rerank: bool = False  # docs/matching.md: what it adds is found by the neighbours' term as well
    exhaustive: int = 2000  # a million or two pairs are looked at in seconds
    looks: LooksConfig = field(default_factory=LooksConfig)
    learning: LearningConfig = field(default_factory=LearningConfig)

    def __post_init__(self) -> None:
        if not 0 < self.min_probability <= 1:
            raise ConfigError("matching.min_probability", "above 0, at most 1", str(self.min_probability))
        if self.neighbours < 1:
            raise ConfigError("matching.neighbours", "1 or more", str(self.neighbours))
        if not (self.use_appearance or self.use_travel_times):
            raise ConfigError("matching.use_appearance, use_travel_times", "at least one of them", "neither")


def match(gallery: Gallery, rules: CameraRules, config: MatchingConfig | None = None,
          evidence: Evidence | None = None) -> Matches:
    """Links between the tracklets of different cameras; the same result whatever the order of the cameras.

    evidence: log likelihood ratios (P,) of pairs of rows a, b (int64 (P,) each) from elsewhere, as attributes give;
    shown with the term of places.
    """
    config = config or MatchingConfig()
    table, travel = gallery.tracklets, config.learning.travel
    looks = corrected(gallery, config.looks)
    if len(table) <= config.exhaustive:
        pairs = find_pairs(table, looks, rules, travel.max_travel_s, config.use_images, config.join_pieces,
                           config.adaptive_images, config.rerank)
    elif config.adaptive_images or config.rerank:
        raise ConfigError("matching.adaptive_images and rerank", f"at most {config.exhaustive} tracklets",
                          str(len(table)),
                          "Leave it out, or raise matching.exhaustive.")
    else:
        pairs = find_screened_pairs(table, looks, rules, arrival_rates(table, config.learning.rate_window_s),
                                    lag_grid(travel), travel.max_travel_s, config.use_images, config.join_pieces)
    both = config.use_appearance and config.use_travel_times
    learner = Learner(table, pairs, config.learning, config.use_appearance, config.use_travel_times,
                      config.use_positions and both, config.use_neighbours and both)
    if evidence is not None:
        learner.follows = learner.follows + evidence(pairs.a, pairs.b)
    learned = learner.learn()
    groups = VehicleGroups(table.camera_rows, table.start_s, table.end_s)
    accepted, conflict = join_links(groups, pairs.a, pairs.b, learned.next_probability, config.min_probability)
    same = same_vehicle_probability(pairs, learned.next_probability, len(table))
    verdict = Verdict(accepted, conflict, same, groups.global_ids())
    listed = candidates(gallery, rules, pairs, learned, verdict, config.neighbours, travel.max_travel_s,
                        config.min_probability)
    graph = camera_graph(table, rules, learned, verdict.global_ids)
    return Matches(listed, np.flatnonzero(listed.accepted), verdict.global_ids, graph)

"""What links are, learned from the footage: looks, travel times, who goes where, all at once.

Expectation and maximisation in turn: the probability of every pair given what is believed of looks, times and
places, then those beliefs given the probabilities. First every pair of cameras by itself; then all together, where a
tracklet has one next and one previous appearance over all cameras.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mtmc.matching import appearance
from mtmc.matching.competition import link_probabilities
from mtmc.matching.connections import UNCONNECTED_SHARE, Connections, in_one_window
from mtmc.matching.neighbours import links, none_between, support_along, support_of
from mtmc.matching.pairs import Pairs
from mtmc.matching.places import Places, continuity
from mtmc.matching.positions import position_log_ratio
from mtmc.matching.thinning import thinned
from mtmc.matching.travel import TravelConfig, arrival_rates, learned_density, piece_density, prior_density
from mtmc.tracklets import TrackletTable

STAYS_AT_LEAST = 0.1  # chance that a vehicle is not seen again, whatever was learned
TIME_GATE = 0.005  # a travel time two hundred times likelier by chance than on the way is refused, whatever the looks
PIECE_SHARE = 0.02  # of the tracklets that are followed by a piece of the same passage


@dataclass(frozen=True)
class LearningConfig:
    """alone_rounds: rounds with every pair of cameras by itself; structure_rounds: those that look again for travel
    times. together_rounds: rounds over all cameras, of which the last own_support_rounds hear the neighbours found in
    them, the earlier ones those of the rounds alone. unconnected: what a link between cameras that share no vehicle
    still counts. place_prior: tracklets' worth of the camera's mean behind a place's own shares."""

    alone_rounds: int = 6
    structure_rounds: tuple[int, ...] = (2, 4)
    together_rounds: int = 10
    own_support_rounds: int = 6
    unconnected: float = 0.03
    share_prior: float = 2.0
    place_prior: float = 1.0
    rate_window_s: float = 15.0
    travel: TravelConfig = field(default_factory=TravelConfig)


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned. next_probability: (P,) that b is where a's vehicle appears next. log_terms: (P, 4) log
    likelihood ratios of looks, neighbours, travel time, and places. solo: (P,) probability without rivals.
    edges: (E,) code from × C + to. connected: (E,) probability that vehicles pass. edge_rows: (P,) index into edges.
    """

    next_probability: np.ndarray
    log_terms: np.ndarray
    solo: np.ndarray
    edges: np.ndarray
    connected: np.ndarray
    edge_rows: np.ndarray


class Learner:
    """The state of the beliefs over the pairs of one gallery."""

    def __init__(self, table: TrackletTable, pairs: Pairs, config: LearningConfig, use_appearance: bool,
                 use_travel_times: bool, use_positions: bool, use_neighbours: bool) -> None:
        self.table, self.pairs, self.config = table, pairs, config
        self.use_appearance, self.use_travel_times = use_appearance, use_travel_times
        self.use_neighbours = use_neighbours and use_appearance
        self.cameras = table.camera_rows
        self.count = len(table.camera_ids)
        self.from_camera, self.to_camera = self.cameras[pairs.a], self.cameras[pairs.b]
        self.same = pairs.same_camera
        self._left_slots = np.unique(pairs.a * self.count + self.to_camera, return_inverse=True)[1]
        self._right_slots = np.unique(pairs.b * self.count + self.from_camera, return_inverse=True)[1]
        self.places = Places(table, use_positions)
        self.sizes = np.array([len(rows) for rows in self.places.rows])
        self.rates = arrival_rates(table, config.rate_window_s)
        self.connections = Connections(table, pairs, self.places, config.travel)
        self.prior = np.where(self.same, piece_density(pairs.travel_s), self._travel_prior())
        self.density = self.prior.copy()
        self.follows = np.zeros(len(pairs))
        if use_positions and self.same.any():
            self.follows[self.same] = continuity(table, pairs.a[self.same], pairs.b[self.same])
        if use_positions:
            other = ~self.same
            self.follows[other] = position_log_ratio(table, pairs.a[other], pairs.b[other], pairs.travel_s[other])
        self.goes = np.full((len(table), self.count), 0.5)  # chance that each tracklet's vehicle goes to each camera
        self.comes = np.full((len(table), self.count), 0.5)
        self.comes_mean = np.full((self.count, self.count), 0.5)
        self.log_looks = np.zeros(len(pairs))
        self.log_neighbours = np.zeros(len(pairs))
        self._left_out = 0.0, 0.0  # pairs too unlike to be among `pairs`: how many, and their mean ratio of looks

    def learn(self) -> Learned:
        """All rounds."""
        if self.use_appearance:
            self.log_looks = appearance.start_log_ratio(self.pairs.likeness, *self.pairs.between_cameras())
        if not self.use_travel_times:
            return self._without_times()
        self._find_connections(first=True, probability=None)
        probability = self._alone()
        together = self._together(probability)
        odds, parts = self._odds_together()
        refused = (parts[0] < TIME_GATE) & ~self.same & ~self.pairs.given
        return self._answer(np.where(refused, 0.0, together), np.where(refused, 0.0, odds), parts)

    def _without_times(self) -> Learned:
        """Looks alone: every pair of cameras by itself, any lag as likely as any other."""
        span = max(float(self.table.end_s.max() - self.table.start_s.min()), 1.0) if len(self.table) else 1.0
        self.density = self.prior = np.full(len(self.pairs), 1.0 / span)
        self.rates = self.sizes[self.cameras] / span
        for _ in range(self.config.alone_rounds):
            # Shares stay at one half: without times they and the probabilities would pull each other down.
            self._learn_looks(self._probability_alone())
        return self._answer(self._probability_alone(), *self._odds_alone())

    def _alone(self) -> np.ndarray:
        for number in range(self.config.alone_rounds):
            probability = self._probability_alone()
            self._learn_shares(probability, together=False)
            self._learn_looks(probability)
            if number in self.config.structure_rounds:
                self._find_connections(first=False, probability=probability)
            self._learn_travel(probability, np.zeros(len(self.pairs)))
        return self._probability_alone()

    def _together(self, alone: np.ndarray) -> np.ndarray:
        probability = alone * none_between(self.table, self.pairs, alone)
        likely = links(self.pairs, alone, len(self.table))
        neighbours = (likely + likely.T).tocsr()
        config = self.config
        for number in range(config.together_rounds):
            self._learn_shares(probability, together=True)
            self._learn_travel(probability, np.clip(alone - probability, 0.0, 1.0))
            if number:
                self._learn_looks(probability)
            if self.use_neighbours and number >= 2:
                own = number >= config.together_rounds - config.own_support_rounds
                asked, mass = thinned(probability)
                support, count = support_along(self.cameras, self.pairs, asked, probability) if own else support_of(
                    self.cameras, self.pairs, asked, neighbours)
                log_ratios = appearance.add_support(self.log_looks, asked, mass, support, count, probability[asked],
                                                    self._left_out)
                self.log_neighbours = log_ratios - self.log_looks
            probability = self._probability_together()
        return probability

    def _learn_looks(self, probability: np.ndarray) -> None:
        if self.use_appearance:
            other = ~self.same
            slopes, constant = appearance.fit_log_ratio(
                self.pairs.likeness[other], probability[other], self.pairs.false_likeness, self.pairs.false_weights)
            self.log_looks = self.pairs.likeness @ slopes + constant  # pieces in one camera are judged by the same rule
            if not self.pairs.complete and len(self.pairs.false_weights):
                ratios = np.exp(self.pairs.false_likeness @ slopes + constant)
                weights = self.pairs.false_weights
                self._left_out = float(weights.sum()), float(np.average(ratios, weights=weights))

    def _log_appearance(self) -> np.ndarray:
        return appearance.clipped(self.log_looks + self.log_neighbours)

    def _probability_alone(self) -> np.ndarray:
        odds, _ = self._odds_alone()
        return link_probabilities(odds, self._left_slots, self._right_slots)

    def _odds_alone(self) -> tuple[np.ndarray, np.ndarray]:
        a, b = self.pairs.a, self.pairs.b
        goes = np.minimum(self.goes[a, self.to_camera], 0.95)
        comes = np.minimum(self.comes[b, self.from_camera], 0.95)
        mean = np.maximum(self.comes_mean[self.from_camera, self.to_camera], 1e-4)
        times = self._connection() * self.density / self.rates[b]
        places = goes / (1 - goes) * comes / (1 - comes) / mean
        return times * places * np.exp(self._log_appearance() + self.follows), np.stack([times, places])

    def _probability_together(self) -> np.ndarray:
        return link_probabilities(self._odds_together()[0], self.pairs.a, self.pairs.b)

    def _odds_together(self) -> tuple[np.ndarray, np.ndarray]:
        a, b = self.pairs.a, self.pairs.b
        leaves = np.maximum(1 - self.goes.sum(axis=1), STAYS_AT_LEAST)
        is_new = np.maximum(1 - self.comes.sum(axis=1), STAYS_AT_LEAST)
        mean = np.maximum(self.comes_mean[self.from_camera, self.to_camera], 1e-4)
        times = self._connection() * self.density / self.rates[b]
        places = self.goes[a, self.to_camera] / leaves[a] * self.comes[b, self.from_camera] / mean / is_new[b]
        return times * places * np.exp(self._log_appearance() + self.follows), np.stack([times, places])

    def _connection(self) -> np.ndarray:
        floor = self.config.unconnected
        connected = self.connections.connected
        return (connected + floor * (1 - connected))[self.connections.edge_rows]

    def _learn_shares(self, probability: np.ndarray, together: bool) -> None:
        n, c, config = len(self.table), self.count, self.config
        went = np.bincount(self.pairs.a * c + self.to_camera, probability, n * c).reshape(n, c)
        came = np.bincount(self.pairs.b * c + self.from_camera, probability, n * c).reshape(n, c)
        sums = np.bincount(self.from_camera * c + self.to_camera, probability, c * c).reshape(c, c)
        belief = np.zeros((c, c))
        for (source, target), connected in zip(self.connections.ends, self.connections.connected, strict=True):
            belief[source, target] = PIECE_SHARE * self.sizes[source] if source == target else (
                connected * config.share_prior / max(c - 1, 1))
        total = self.sizes + 0.5 * config.share_prior
        goes = (sums + belief) / (total + belief.sum(axis=1) * together)[:, None]
        self.comes_mean = (sums + belief) / (total + belief.sum(axis=0) * together)[None]
        for camera, rows in enumerate(self.places.rows):
            if len(rows):
                self.goes[rows] = self.places.exit_shares(camera, went[rows], goes[camera], config.place_prior)
                self.comes[rows] = self.places.entry_shares(
                    camera, came[rows], self.comes_mean[:, camera], config.place_prior)

    def _travel_prior(self) -> np.ndarray:
        return prior_density(self.pairs.travel_s, self.config.travel)

    def _learn_travel(self, probability: np.ndarray, indirect: np.ndarray) -> None:
        """indirect: (P,) probability that a pair is one vehicle without being neighbours on its way."""
        travel_s, config = self.pairs.travel_s, self.config.travel
        pooled, other = self.prior.copy(), ~self.same
        sure = (probability * self.connections.in_window[self.connections.edge_rows])[other]
        pooled[other] = learned_density(travel_s[other], sure, self.prior[other], 10.0, config.bandwidth) if (
            other.any()) else pooled[other]
        for edge, rows in enumerate(self.connections.members):
            if not self.same[rows].all():
                in_window = self.connections.in_window[edge]
                weights = probability[rows] * in_window + indirect[rows] * (1 - probability[rows])
                belief = 0.5 * pooled[rows] + 0.5 * self.prior[rows]
                self.density[rows] = learned_density(travel_s[rows], weights, belief, config.prior_links,
                                                     config.bandwidth)

    def _find_connections(self, first: bool, probability: np.ndarray | None) -> None:
        """What the travel times of all pairs show; the first time also who goes where."""
        found = self.connections.find(self._log_appearance(), self.rates, probability)
        if first:
            self.goes[:], self.comes[:], self.comes_mean[:] = 0.0, 0.0, 1e-4
        for edge, structure in found.items():
            members, in_window = self.connections.members[edge], in_one_window(structure)
            if first or self.connections.in_window[edge] < 0.5:
                self.density[members] = self.connections.density(edge, structure, self.prior[members], in_window)
            self.connections.in_window[edge] = in_window
            if first:
                source, target = self.connections.ends[edge]
                goes, comes = self.connections.first_shares(edge, structure)
                self.goes[self.places.rows[source], target] = goes
                self.comes[self.places.rows[target], source] = comes
        for camera, rows in enumerate(self.places.rows if first else ()):
            self.goes[rows, camera] = self.comes[rows, camera] = UNCONNECTED_SHARE
            if len(rows):
                self.comes_mean[:, camera] = np.maximum(self.comes[rows].mean(axis=0), 1e-4)

    def _answer(self, probability: np.ndarray, odds: np.ndarray, parts: np.ndarray) -> Learned:
        looks = appearance.clipped(self.log_looks)
        terms = np.stack([looks, self._log_appearance() - looks, np.log(np.maximum(parts[0], 1e-12)),
                          np.log(np.maximum(parts[1], 1e-12)) + self.follows], axis=1)
        return Learned(probability, terms, odds / (1 + odds), self.connections.edges,
                       self.connections.connected, self.connections.edge_rows)

"""Which pairs of cameras share vehicles, after how long, and through which of their zones: the state of that belief."""

from __future__ import annotations

import numpy as np
import scipy  # its parts are loaded when they are first used

from mtmc.matching.pairs import Pairs
from mtmc.matching.places import Places
from mtmc.matching.search import query_rows, rows_by_start
from mtmc.matching.structure import BINS, Structure, Ways, both_ways, find_structure, heard, lag_grid
from mtmc.matching.threads import in_threads
from mtmc.matching.travel import TravelConfig, per_second
from mtmc.tracklets import TrackletTable

SETTLED = 100.0  # log Bayes factor of a window beyond which looking again with better looks adds nothing
UNHEARD = 0.1  # a way back that is less surely taken says nothing of the way there
UNCONNECTED_SHARE = 0.03  # of the vehicles, before anything is learned, between cameras that seem to share none


class Connections:
    """Edges are the directed pairs of cameras that have pairs of tracklets, those of a camera with itself included.

    edges: (E,) code from × C + to. edge_rows: (P,) index into it. ends: (from, to) of each. members: rows of the pairs
    of each. connected, in_window: (E,) probability that vehicles pass, and that their times lie in one window.
    """

    def __init__(self, table: TrackletTable, pairs: Pairs, places: Places, config: TravelConfig) -> None:
        self._table, self._pairs, self._places = table, pairs, places
        self._count = len(table.camera_ids)
        code = table.camera_rows[pairs.a] * self._count + table.camera_rows[pairs.b]
        self.edges, self.edge_rows = np.unique(code, return_inverse=True)
        self.ends = [(int(edge) // self._count, int(edge) % self._count) for edge in self.edges]
        order = np.lexsort((pairs.travel_s, self.edge_rows))  # each edge's in order of travel times
        self.members = np.split(order, np.searchsorted(self.edge_rows[order], np.arange(1, len(self.edges))))
        self.connected, self.in_window = np.ones(len(self.edges)), np.ones(len(self.edges))
        self._settled: dict[int, Structure] = {}  # edges that need no second look
        self._prior = 0.25  # of a pair of cameras to share vehicles; learned
        self._sizes = np.array([len(rows) for rows in places.rows])
        self._samples = [query_rows(rows) for rows in rows_by_start(table)]
        self._sample_place = np.full(len(table), -1, np.int64)
        for rows in self._samples:
            self._sample_place[rows] = np.arange(len(rows))
        self._exits, self._entries = np.full((2, len(table)), -1, np.int64)
        for camera, rows in enumerate(places.rows):
            self._exits[rows] = places.exit_zones[camera].labels
            self._entries[rows] = places.entry_zones[camera].labels
        self._grid = lag_grid(config)
        self._between = [e for e, (source, target) in enumerate(self.ends) if source != target]
        place = {ends: e for e, ends in enumerate(self.ends)}
        self._back = [place.get((target, source), -1) for source, target in self.ends]

    def find(self, log_looks: np.ndarray, rates: np.ndarray, probability: np.ndarray | None) -> dict[int, Structure]:
        """The evidence of every edge between two cameras, each having heard what the way back shows.

        log_looks: (P,) log likelihood ratios. rates: (M,), see `arrival_rates`. probability: (P,) of being one vehicle
        as believed so far, None before anything is. Updates `connected`; `in_window` is the caller's to `settle`.
        """
        ratios = np.exp(log_looks) / rates[self._pairs.b]
        beliefs = {edge: belief for edge, belief in self._lag_beliefs(probability).items() if edge not in self._settled}
        structures = in_threads(lambda edge: self._structure(edge, ratios, beliefs[edge]), list(beliefs))
        found = self._settled | dict(zip(beliefs, structures, strict=True))
        found = {edge: found[edge] for edge in self._between}
        known = self._evidence(found)
        for edge, belief in beliefs.items():
            back = self._back[edge]
            if known.get(back, 0.0) > UNHEARD:
                shape = found[back].density * self._grid.step
                found[edge] = self._structure(edge, ratios, heard(belief, shape, known[back]))
        for edge, connected in self._evidence(found).items():
            told = bool(self._pairs.given[self.members[edge]].any())
            self.connected[edge] = 1.0 if told else connected
        self._settled = {edge: structure for edge, structure in found.items() if structure.log_window > SETTLED}
        return found

    def density(self, edge: int, structure: Structure, prior: np.ndarray, in_window: float) -> np.ndarray:
        """Density per second at the travel times of the edge's members: that of the window as far as there is one."""
        travel_s = self._pairs.travel_s[self.members[edge]]
        shape = structure.density[self._grid.bins_of(travel_s)] * per_second(travel_s)
        return in_window * (0.9 * shape + 0.1 * prior) + (1 - in_window) * prior

    def first_shares(self, edge: int, structure: Structure) -> tuple[np.ndarray, np.ndarray]:
        """Shares of the first camera's vehicles that go to the second, a tracklet each, and of the second's that
        come from there."""
        source, target = self.ends[edge]
        connected, other = self.connected[edge], (1 - self.connected[edge]) * UNCONNECTED_SHARE
        goes = connected * structure.exit_shares + other
        comes = connected * structure.entry_shares + other * self._sizes[source] / self._sizes[target]
        return goes[self._exits[self._places.rows[source]]], np.minimum(0.8, comes)[
            self._entries[self._places.rows[target]]]

    def _structure(self, edge: int, ratios: np.ndarray, belief: np.ndarray) -> Structure:
        source, target = self.ends[edge]
        rows = self.members[edge]
        place = self._sample_place[self._pairs.a[rows]]
        asked = rows[place >= 0]
        sample = self._samples[source]
        ways = Ways(self._exits[sample], self._places.exit_zones[source].count, self._entries[self._pairs.b[asked]],
                    self._places.entry_zones[target].sizes, int(self._sizes[target]))
        last_s = float(self._table.end_s[self._places.rows[target]].max())
        return find_structure(self._pairs.travel_s[asked], place[place >= 0], ratios[asked],
                              self._table.end_s[sample], last_s, self._grid, belief, ways)

    def _evidence(self, found: dict[int, Structure]) -> dict[int, float]:
        """Probability of each edge that vehicles pass, its prior learned over all of them."""
        window = np.array([structure.log_window for structure in found.values()])
        anywhere = np.array([structure.log_anywhere for structure in found.values()])
        place = {edge: number for number, edge in enumerate(found)}
        back = np.array([place.get(self._back[edge], -1) for edge in found], np.int64)
        connected = np.zeros(len(found))
        for _ in range(10 if found else 0):
            connected = both_ways(np.logaddexp(window, anywhere) - np.log(2), back, self._prior)
            self._prior = float((connected.sum() + 1) / (len(found) + 4))
        return dict(zip(found, connected.tolist(), strict=True))

    def _lag_beliefs(self, probability: np.ndarray | None) -> dict[int, np.ndarray]:
        """(BINS,) belief of every edge over lags: half what is usual anywhere, half what the other pairs of cameras
        show."""
        if probability is None:
            return dict.fromkeys(self._between, self._grid.prior)
        rows = np.flatnonzero((probability > 0.05) & ~self._pairs.same_camera)
        mass, edge = probability[rows], self.edge_rows[rows]
        lags = self._grid.bins_of(self._pairs.travel_s[rows])
        counts = np.bincount(edge * BINS + lags, mass, len(self.edges) * BINS).reshape(-1, BINS)
        others = counts.sum(axis=0) - counts
        return {edge: self._lag_belief(others[edge]) for edge in self._between}

    def _lag_belief(self, counts: np.ndarray) -> np.ndarray:
        """counts: (BINS,) of links of other pairs of cameras by their lags."""
        total = float(counts.sum())
        if total < 1:
            return self._grid.prior
        middles = (self._grid.edges[1:] + self._grid.edges[:-1]) / 2
        mean = float((middles * counts).sum()) / total
        spread = max(float(np.sqrt((counts * np.square(middles - mean)).sum() / total)), 0.15)
        width = max(0.5 * spread * total**-0.2, 0.12)
        shape = np.exp(-0.5 * np.square((middles[:, None] - middles[None]) / width)) @ counts
        share = 0.7 * total / (total + 10.0)
        return share * shape / max(float(shape.sum()), 1e-300) + (1 - share) * self._grid.prior


def in_one_window(structure: Structure) -> float:
    """Probability that travel times crowd in one window, given that vehicles pass."""
    return float(scipy.special.expit(structure.log_window - structure.log_anywhere))

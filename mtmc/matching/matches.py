"""What the matcher answers: accepted links, every candidate with its reasons, and what it learned of the cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Why a candidate was not accepted. An accepted link has the gate "".
GATE_ACCEPTED = ""
GATE_TIME = "time"  # outside the travel times that are possible between the two cameras
GATE_NO_PASSAGE = "no_passage"  # the user, or what was learned, says that no vehicle passes between the cameras
GATE_RANK = "rank"  # not mutual: one of the two has nearer neighbours
GATE_DISTANCE = "distance"  # too unlike
GATE_PROBABILITY = "probability"  # the calibrated probability is under --min-probability
GATE_TAKEN = "taken"  # one of the two was linked to a better partner in that camera
GATE_CONFLICT = "conflict"  # would put two tracklets of one camera at the same time into one vehicle
GATE_INDIRECT = "indirect"  # the same vehicle, joined through appearances in between: no link of its own


@dataclass(frozen=True, eq=False)
class Candidates:
    """P pairs of tracklets in different cameras that were considered; a starts first (ties by key).

    pairs: int64 (P, 2), rows (a, b) of the gallery. tracklet_distances, image_distances_ab,
    image_distances_ba: float32 (P,), 0 to 2; ab = the nearest of a's images to b's pooled vector.
    ranks_ab: int64 (P,), place of b among a's candidates in b's camera by tracklet distance, from 1;
    ranks_ba likewise. travel_s: float64 (P,), start of b - end of a. probabilities: float64 (P,),
    NaN where the matcher has none. gates: (P,) of the GATE_ words, "" where accepted.
    term_names: T names of the evidence terms; term_log_odds: float32 (P, T), what each added to the
    log-odds of "same vehicle" (0 where a term was off).
    """

    pairs: np.ndarray
    tracklet_distances: np.ndarray
    image_distances_ab: np.ndarray
    image_distances_ba: np.ndarray
    ranks_ab: np.ndarray
    ranks_ba: np.ndarray
    travel_s: np.ndarray
    probabilities: np.ndarray
    gates: np.ndarray
    term_names: tuple[str, ...]
    term_log_odds: np.ndarray

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def accepted(self) -> np.ndarray:
        """bool (P,): the pairs that are links."""
        return self.gates == GATE_ACCEPTED


@dataclass(frozen=True, eq=False)
class CameraGraph:
    """What is known or learned of each directed pair of cameras; E edges.

    edges: int64 (E, 2), indices into the table's camera_ids, from → to. state: (E,) of "open" (too
    little evidence, anything goes), "passage", "none" (no vehicle passes), "overlap", "given" (the
    user's word). support: int64 (E,), confident links behind it. travel_low_s, travel_median_s,
    travel_high_s: float64 (E,), start in `to` - end in `from`, NaN where not known.
    clock_offset_s, clock_offset_error_s: float64 (E,), estimated clock of `to` minus that of `from`
    with its standard error; NaN where clock and travel time cannot be told apart. clock_drift_s_per_h,
    clock_drift_error_s_per_h: float64 (E,), how fast the clock of `to` gains on that of `from`, likewise.
    notes: (E,) one sentence each.
    Travel-time histograms for the report: edge e owns histogram_counts[histogram_offsets[e]:histogram_offsets[e + 1]],
    expected numbers of vehicles (float64, sums of link probabilities) in bins of histogram_bin_s[e] seconds that
    begin at histogram_start_s[e]; an edge without a histogram owns none. histogram_offsets: int64 (E + 1,).
    """

    edges: np.ndarray
    state: np.ndarray
    support: np.ndarray
    travel_low_s: np.ndarray
    travel_median_s: np.ndarray
    travel_high_s: np.ndarray
    clock_offset_s: np.ndarray
    clock_offset_error_s: np.ndarray
    clock_drift_s_per_h: np.ndarray
    clock_drift_error_s_per_h: np.ndarray
    notes: np.ndarray
    histogram_offsets: np.ndarray
    histogram_counts: np.ndarray
    histogram_start_s: np.ndarray
    histogram_bin_s: np.ndarray

    def __len__(self) -> int:
        return len(self.edges)


@dataclass(frozen=True, eq=False)
class Matches:
    """The answer for a gallery of M tracklets.

    links: int64 (L,), the rows of `candidates` that are accepted. global_ids: int64 (M,), from 1, one a
    vehicle, numbered in order of first appearance; every tracklet has one, also those that were linked to nothing.
    """

    candidates: Candidates
    links: np.ndarray
    global_ids: np.ndarray
    camera_graph: CameraGraph

"""Where on the ground vehicles are, for cameras with a homography: can one have got from here to there in that time?"""

from __future__ import annotations

import numpy as np

from mtmc.tracklets import TrackletTable

ERROR_M = 10.0  # of a box's lower edge taken to the ground, far from the camera
SPEED_MPS = 12.0  # a town's traffic; displacements are normal with this spread a second
CLOCK_S = 1.0  # clocks that differ
UNLIKELY = 1e-3  # share of pairs whose positions say nothing: wrong homographies, boxes on the wrong vehicle
MOST_LOG_RATIO = 4.0
MOST_REFERENCES = 200  # tracklets of the second camera that stand for all of it
PAIRS_AT_ONCE = 4096


def position_log_ratio(table: TrackletTable, a: np.ndarray, b: np.ndarray, travel_s: np.ndarray) -> np.ndarray:
    """float64 (P,): log likelihood ratio that b starts where it does if it is a's vehicle, `travel_s` after a ended,
    against b starting where any tracklet of its camera starts. 0 where a position is not known.

    a, b: int64 (P,), rows of the table. travel_s: (P,), may be negative where views overlap. Between -4 and 4: a
    camera whose vehicles all start at one place gives 0 to all that could be there.
    """
    result = np.zeros(len(a))
    known_end, known_start = np.isfinite(table.end_ground_m).all(axis=1), np.isfinite(table.start_ground_m).all(axis=1)
    rows = np.flatnonzero(known_end[a] & known_start[b])
    for camera in np.unique(table.camera_rows[b[rows]]).tolist():
        mine = rows[table.camera_rows[b[rows]] == camera]
        others = np.flatnonzero((table.camera_rows == camera) & known_start)
        others = others[np.unique(np.linspace(0, len(others) - 1, min(len(others), MOST_REFERENCES)).astype(np.int64))]
        for start in range(0, len(mine), PAIRS_AT_ONCE):
            part = mine[start:start + PAIRS_AT_ONCE]
            result[part] = _log_ratio(table.end_ground_m[a[part]], table.start_ground_m[b[part]],
                                      table.start_ground_m[others], travel_s[part])
    return result


def _log_ratio(from_m: np.ndarray, to_m: np.ndarray, usual_m: np.ndarray, travel_s: np.ndarray) -> np.ndarray:
    spread_m = ERROR_M + SPEED_MPS * (np.abs(travel_s) + CLOCK_S)
    here = np.exp(-0.5 * np.square(np.linalg.norm(to_m - from_m, axis=1) / spread_m))
    apart = np.linalg.norm(usual_m[None] - from_m[:, None], axis=2)
    usual = np.exp(-0.5 * np.square(apart / spread_m[:, None])).mean(axis=1)
    ratio = np.log((here + UNLIKELY) / (usual + UNLIKELY))
    return np.clip(ratio, -MOST_LOG_RATIO, MOST_LOG_RATIO)

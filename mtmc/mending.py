"""Repairing one track's boxes: where it breaks, which boxes are not the vehicle's, short gaps filled.

Pure functions over arrays; lengths are in box sizes (the square root of a box's area), times in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.errors import ConfigError

# Logarithm of the factor by which an extrapolated size may differ from the last one: a few noisy boxes
# must not blow it up.
_LARGEST_GROWTH = 0.7


@dataclass(frozen=True)
class MendingConfig:
    """What a vehicle's box can do.

    jump: box sizes that a box may lie off its predicted place at once. top_speed: box sizes a second for a
    vehicle of unknown speed. agility: box sizes a second by which the prediction may drift. size_jump: factor
    by which size may change at once, growing by size_rate a second. memory_s: rows used to predict.
    outlier_s: a shorter run of boxes that do not fit, after which the track goes on as predicted, is
    taken out (two vehicles in one box, another vehicle's box); a longer one breaks the track.
    fill_s: gaps up to this are filled.
    """

    jump: float = 0.6
    top_speed: float = 8.0
    agility: float = 2.5
    size_jump: float = 1.5
    size_rate: float = 2.0
    memory_s: float = 0.8
    outlier_s: float = 1.0
    fill_s: float = 1.5

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if not (np.isfinite(value) and value >= 0):
                raise ConfigError(f"mending.{key}", "a number of 0 or more", str(value))
        if self.size_jump < 1 or self.size_rate < 1:
            raise ConfigError("mending.size_jump, size_rate", "factors of 1 or more",
                              f"{self.size_jump}, {self.size_rate}")


def sizes(boxes_xyxy: np.ndarray) -> np.ndarray:
    """(N,) square roots of the boxes' areas, px, at least 1e-3."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64)
    spans = np.maximum(boxes[:, 2:4] - boxes[:, :2], 1e-3)
    return np.sqrt(spans[:, 0] * spans[:, 1])


def centres(boxes_xyxy: np.ndarray) -> np.ndarray:
    """(N, 2) centres, px."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64)
    return (boxes[:, :2] + boxes[:, 2:4]) / 2


def velocity(times_s: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(D,) slope of the least-squares line through points (N, D) over times (N,), per second; zeros for N < 2."""
    times = np.asarray(times_s, dtype=np.float64)
    spread = times - times.mean() if len(times) else times
    weight = float(spread @ spread)
    if len(times) < 2 or weight <= 0:
        return np.zeros(np.asarray(points).shape[1])
    return spread @ (points - points.mean(axis=0)) / weight


def segments(
    times_s: np.ndarray, boxes_xyxy: np.ndarray, truncated: np.ndarray, config: MendingConfig
) -> list[np.ndarray]:
    """Rows of the pieces into which one track falls, each int64 and rising; rows in none are outliers.

    truncated: bool (T,), boxes that reach the image border (their size and centre are not the vehicle's,
    so their size is not judged).
    """
    times, boxes = np.asarray(times_s, dtype=np.float64), np.asarray(boxes_xyxy, dtype=np.float64)
    pieces: list[np.ndarray] = []
    waiting = list(range(len(times)))
    while waiting:
        piece, left = [waiting[0]], list[int]()
        for row in waiting[1:]:
            if left and times[row] - times[left[0]] > config.outlier_s:
                left.extend(r for r in waiting if r >= row)
                break
            if _fits(piece, row, times, boxes, truncated, config):
                piece.append(row)
                left = []
            else:
                left.append(row)
        pieces.append(np.array(piece, dtype=np.int64))
        waiting = left
    return pieces


def _fits(
    piece: list[int], row: int, times: np.ndarray, boxes: np.ndarray, truncated: np.ndarray, config: MendingConfig
) -> bool:
    """Whether `row` may be the next box of the vehicle whose rows are `piece`."""
    last = piece[-1]
    recent = [r for r in piece[-64:] if times[r] >= times[last] - config.memory_s]
    step = float(times[row] - times[last])
    cut = bool(truncated[last] or truncated[row])
    expected = predict(times[recent], boxes[recent], float(times[row]))
    spans, expected_spans = boxes[row, 2:] - boxes[row, :2], expected[2:] - expected[:2]
    size = float(np.sqrt(np.prod(np.maximum(expected_spans, spans) if cut else expected_spans)))
    offset = np.linalg.norm((boxes[row, :2] + boxes[row, 2:] - expected[:2] - expected[2:]) / 2)
    if offset > (config.jump + step * (config.agility if len(recent) > 1 else config.top_speed)) * size:
        return False
    growth = np.abs(np.log(np.maximum(spans, 1e-3) / expected_spans)).max()
    return cut or bool(growth <= np.log(config.size_jump) + step * np.log(config.size_rate))


def predict(times_s: np.ndarray, boxes_xyxy: np.ndarray, at_s: float) -> np.ndarray:
    """(4,) the box at `at_s` from N >= 1 boxes in time order (either direction), nearest to `at_s` last.

    The centre goes on at constant velocity, the size at a constant rate of growth (so it is never negative),
    at most `_LARGEST_GROWTH` in all.
    """
    times, step = np.asarray(times_s, dtype=np.float64), at_s - float(times_s[-1])
    boxes = np.asarray(boxes_xyxy, dtype=np.float64)
    middle = centres(boxes[-1:])[0] + velocity(times, centres(boxes)) * step
    growth = velocity(times, np.log(sizes(boxes))[:, None])[0] * step
    factor = np.exp(np.clip(growth, -_LARGEST_GROWTH, _LARGEST_GROWTH))
    half = np.maximum(boxes[-1, 2:4] - boxes[-1, :2], 1e-3) / 2 * factor
    return np.concatenate([middle - half, middle + half])


def fill_gaps(
    times_s: np.ndarray, frame_indices: np.ndarray, all_times_s: np.ndarray, all_indices: np.ndarray, fill_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """The frames that a tracklet covers once gaps of at most `fill_s` are filled.

    times_s, frame_indices (T,): its own frames, rising. all_times_s, all_indices: every frame that the
    camera gave. Returns (indices into `all_*` of the covered frames, bool mask: True = filled in).
    Frames that the camera never gave are not invented.
    """
    own = np.searchsorted(all_indices, frame_indices)
    if not len(own):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    short = np.diff(np.asarray(times_s, dtype=np.float64)) <= fill_s
    parts = [np.arange(a, b) if fill else np.array([a]) for a, b, fill in zip(own[:-1], own[1:], short, strict=True)]
    covered = np.concatenate([*parts, own[-1:]]).astype(np.int64)
    return covered, ~np.isin(covered, own)


def interpolate(times_s: np.ndarray, values: np.ndarray, at_s: np.ndarray) -> np.ndarray:
    """(N, D) values (T, D) at times_s, linearly interpolated at at_s (N,), which lie inside the range."""
    values = np.asarray(values, dtype=np.float64)
    return np.stack([np.interp(at_s, times_s, values[:, d]) for d in range(values.shape[1])], axis=1)

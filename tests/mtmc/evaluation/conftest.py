"""Small crowded scenes at random: boxes on a coarse grid, so that overlaps, ties and thresholds are met often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mtmc.results.track_boxes import TrackBoxes


def make_scene(
    seed: int, n: int, cameras: int = 2, ids: int = 4, frames: int = 5, repeated: bool = False
) -> TrackBoxes:
    """N boxes; (camera, id, frame) distinct unless `repeated`."""
    rng = np.random.default_rng(seed)
    names = [f"c{i + 1:03d}" for i in range(cameras)]
    n = n if repeated else min(n, cameras * ids * frames)
    cells = rng.choice(cameras * ids * frames, n, replace=repeated)
    boxes = np.concatenate([rng.integers(0, 6, (n, 2)) * 5, rng.choice([10, 15, 20], (n, 2))], axis=1)
    return TrackBoxes.build(names, cells % cameras, cells // cameras % ids + 1, cells // cameras // ids + 1, boxes)


@pytest.fixture
def scene() -> Callable[..., TrackBoxes]:
    return make_scene


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes, left, top, width, height."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared) if shared else 0.0


@pytest.fixture
def iou() -> Callable[[np.ndarray, np.ndarray], float]:
    return plain_iou


def per_frame(truth: TrackBoxes, prediction: TrackBoxes) -> tuple[list, list, list]:
    """The three lists that `trackers.eval` reads, one entry a frame."""
    from trackers.eval import box_iou

    ids_t, ids_p, similarities = [], [], []
    last = max([int(b.frames.max()) for b in (truth, prediction) if len(b)], default=0)
    for frame in range(1, last + 1):
        t, p = truth[truth.frames == frame], prediction[prediction.frames == frame]
        ids_t.append(t.ids)
        ids_p.append(p.ids)
        similarities.append(box_iou(t.boxes_xywh, p.boxes_xywh, box_format="xywh"))
    return ids_t, ids_p, similarities


@pytest.fixture
def reference_lists() -> Callable[[TrackBoxes, TrackBoxes], tuple[list, list, list]]:
    return per_frame

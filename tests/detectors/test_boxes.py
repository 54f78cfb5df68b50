"""Box geometry against slow, plain twins."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import boxes


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.uniform(0, 80, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(1, 40, (count, 2))], axis=1)


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def plain_suppression(found: np.ndarray, scores: np.ndarray, max_iou: float) -> list[int]:
    kept: list[int] = []
    for row in sorted(range(len(scores)), key=lambda r: (-scores[r], r)):
        if all(plain_iou(found[row], found[other]) <= max_iou for other in kept):
            kept.append(row)
    return kept


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_suppression_as_its_plain_twin(count: int) -> None:
    rng = np.random.default_rng(count)
    found = random_boxes(rng, count)
    scores = rng.integers(0, 5, count) / 4  # many ties
    for max_iou in (0.1, 0.5, 1.0):
        assert boxes.non_maximum_suppression(found, scores, max_iou).tolist() == plain_suppression(
            found, scores, max_iou
        )


@pytest.mark.parametrize(("n", "m"), [(0, 3), (1, 1), (5, 4)])
def test_overlaps_as_their_plain_twin(n: int, m: int) -> None:
    rng = np.random.default_rng(n + m)
    a, b = random_boxes(rng, n), random_boxes(rng, m)
    plain = np.array([[plain_iou(x, y) for y in b] for x in a]).reshape(n, m)
    np.testing.assert_allclose(boxes.iou_matrix(a, b), plain, rtol=1e-6)


def test_formats_lead_back_to_themselves() -> None:
    xyxy = random_boxes(np.random.default_rng(0), 9).astype(np.float32)
    np.testing.assert_allclose(boxes.xywh_to_xyxy(boxes.xyxy_to_xywh(xyxy)), xyxy, rtol=1e-5)
    centres = np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    np.testing.assert_allclose(boxes.cxcywh_to_xyxy(centres), xyxy, rtol=1e-5)

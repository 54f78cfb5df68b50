"""The pairs of a large gallery: those inside the travel times that a search found, and the nearest of them only."""

from __future__ import annotations

import numpy as np

from mtmc.camera_rules import CameraRules
from mtmc.matching.distances import distances
from mtmc.matching.likeness import Likeness, evenly, measure_likeness
from mtmc.matching.looks import Looks, reduced
from mtmc.matching.pairs import PIECE_GAP_S, Pairs, obey
from mtmc.matching.search import Window, rows_by_start, search_windows, time_blocks
from mtmc.matching.structure import LagGrid
from mtmc.matching.threads import in_threads
from mtmc.tracklets import TrackletTable

KEPT_AT_LEAST = 3  # nearest pairs of every tracklet and directed pair of cameras
KEPT_AT_MOST = 20
KEPT_BELOW = -0.8  # standard deviations: farther pairs are a hundred times likelier to be false
FALSE_PER_EDGE = 50  # of the pairs left out, kept to know what false pairs look like
IMAGE_COHORT = 64
IMAGES_IN_MEMORY = 1 << 30  # bytes of images that are held ready


class _Images:
    """Corrected images of whole cameras, the last ones asked for kept, and how much nearer a best image is."""

    def __init__(self, looks: Looks, groups: list[np.ndarray]) -> None:
        self._looks, self._groups = looks, groups
        self._ready: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._bytes = 0
        self._place = np.zeros(len(looks.pooled), np.int64)
        for rows in groups:
            self._place[rows] = np.arange(len(rows))
        self.shift = self._shifts()

    def nearest(self, camera: int, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """float32 (len(rows), len(others)): from the nearest image of each of `rows`, neighbours in one camera."""
        images, offsets = self._of(camera)
        first, last = int(self._place[rows[0]]), int(self._place[rows[-1]])
        part = images[offsets[first]:offsets[last + 1]]
        apart = distances(part, self._looks.pooled[others])
        nearest = np.minimum.reduceat(apart, offsets[first:last + 1] - offsets[first], axis=0)
        return nearest[self._place[rows] - first]

    def _of(self, camera: int) -> tuple[np.ndarray, np.ndarray]:
        ready = self._ready.get(camera)
        if ready is None:
            ready = self._looks.images_of(self._groups[camera])
            if self._bytes + ready[0].nbytes <= IMAGES_IN_MEMORY:
                self._ready[camera] = ready
                self._bytes += ready[0].nbytes
        return ready

    def _shifts(self) -> np.ndarray:
        """float32 (M,): mean over a cohort of (nearest image's distance - pooled distance)."""
        shift = np.zeros(len(self._looks.pooled), np.float32)
        cohort = evenly(np.arange(len(shift)), IMAGE_COHORT)

        def measure(camera: int) -> None:
            rows = self._groups[camera]
            if len(rows):
                pooled = distances(self._looks.pooled[rows], self._looks.pooled[cohort])
                shift[rows] = (self.nearest(camera, rows, cohort) - pooled).mean(axis=1)

        in_threads(measure, range(len(self._groups)))
        return shift


def find_screened_pairs(table: TrackletTable, looks: Looks, rules: CameraRules, rates: np.ndarray, grid: LagGrid,
                        max_travel_s: float, use_images: bool, join_pieces: bool) -> Pairs:
    """The same as `find_pairs`, for galleries of which not every pair can be looked at."""
    groups, looks = rows_by_start(table), reduced(looks)
    likeness = measure_likeness(looks, table.camera_rows, len(table.camera_ids))
    windows = search_windows(table, likeness, rules, rates, grid, max_travel_s)
    images = _Images(looks, groups) if use_images else None

    def edge_pairs(edge: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(edge)
        return _edge_pairs(table, likeness, images, groups[edge[0]], groups[edge[1]], windows[edge], rng)

    found = in_threads(edge_pairs, sorted(windows))
    parts, false_parts = [kept for kept, _ in found], [false for _, false in found]
    if join_pieces:
        parts.append(_pieces(table, likeness, groups))
    rows = np.concatenate([part for part in parts if len(part)] or [np.zeros((0, 4))])
    false = np.concatenate([part for part in false_parts if len(part)] or [np.zeros((0, 3))])
    first, second = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    travel_s = table.start_s[second] - table.end_s[first]
    same = table.camera_rows[first] == table.camera_rows[second]
    allowed, given = obey(table, rules, first, second, travel_s, max_travel_s)
    kept = same | allowed
    return Pairs(first[kept], second[kept], travel_s[kept], same[kept], rows[kept, 2:], given[kept] & ~same[kept],
                 false[:, :2], false[:, 2], likeness)


def _edge_pairs(table: TrackletTable, likeness: Likeness, images: _Images | None, rows: np.ndarray,
                others: np.ndarray, window: Window, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(P, 4) of a, b and both standardised distances; (Q, 3) of both distances of false pairs and their weight."""
    kept_parts, false_parts = [np.zeros((0, 4))], [np.zeros((0, 2))]
    left_out = 0
    for own, near in time_blocks(table, rows, others, window.low_s, window.high_s):
        lag = table.start_s[near][None] - table.end_s[own][:, None]
        starts = table.start_s[near][None] - table.start_s[own][:, None]
        inside = (lag >= window.low_s) & (lag <= window.high_s) & (
            (starts > 0) | ((starts == 0) & (table.camera_rows[near[0]] > table.camera_rows[own[0]])))
        tracklet = likeness.of_block(own, near)
        image = tracklet if images is None else _image_likeness(table, likeness, images, own, near)
        nearest = np.argsort(np.where(inside, tracklet, np.inf), axis=1, kind="stable")
        order = np.empty_like(nearest)
        np.put_along_axis(order, nearest, np.arange(len(near))[None], axis=1)
        kept = inside & ((order < KEPT_AT_LEAST) | ((tracklet < KEPT_BELOW) & (order < KEPT_AT_MOST)))
        i, j = np.nonzero(kept)
        kept_parts.append(np.column_stack([own[i], near[j], tracklet[i, j], image[i, j]]))
        i, j = np.nonzero(inside & ~kept)
        left_out += len(i)
        some = rng.permutation(len(i))[:FALSE_PER_EDGE]
        false_parts.append(np.column_stack([tracklet[i[some], j[some]], image[i[some], j[some]]]))
    false = np.concatenate(false_parts)
    false = false[rng.permutation(len(false))[:FALSE_PER_EDGE]]
    weight = np.full((len(false), 1), left_out / max(len(false), 1))
    return np.concatenate(kept_parts), np.concatenate([false, weight], axis=1)


def _image_likeness(table: TrackletTable, likeness: Likeness, images: _Images, own: np.ndarray,
                    near: np.ndarray) -> np.ndarray:
    camera_a, camera_b = int(table.camera_rows[own[0]]), int(table.camera_rows[near[0]])
    apart = (images.nearest(camera_a, own, near) + images.nearest(camera_b, near, own).T) / 2
    usual = (images.shift[own][:, None] + images.shift[near][None]) / 2
    return likeness.of_distances(apart - usual, own[:, None], near[None])


def _pieces(table: TrackletTable, likeness: Likeness, groups: list[np.ndarray]) -> np.ndarray:
    """(P, 4): tracklets of one camera that follow each other within `PIECE_GAP_S`."""
    parts = [np.zeros((0, 4))]
    for rows in groups:
        starts = table.start_s[rows]
        first = np.searchsorted(starts, table.end_s[rows], "right")
        last = np.searchsorted(starts, table.end_s[rows] + PIECE_GAP_S)
        counts = np.maximum(last - first, 0)
        place = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        a, b = rows[place], rows[first[place] + within]
        z = likeness.of_pairs(a, b)
        parts.append(np.column_stack([a, b, z, z]))
    return np.concatenate(parts)

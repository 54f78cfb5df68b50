"""The four query protocols: what stands for a query and what stands in the gallery.

- `image-to-image`: each image by its own vector.
- `image-to-tracklet`: one gallery entry a track, the pooled vector of its images.
- `image-to-tracklet-propagated`: every gallery image carries its track's vector, as the published tables were
  made (their R-1 and R-5 nearly agree: the first five places are five images of one track).
- `tracklet-to-tracklet`: one query for each query image, standing for its own track (from the gallery where it
  lies there, else of the query images), or where that is not known for the first gallery track of the same
  vehicle and camera (Porrello et al., VKD, ECCV 2020); one gallery entry a track.

A track is right or junk as its images are (`Relevance.grouped`). Images of no track are tracks of one image.
Pooling is the mean of the image vectors, brought to unit length again unless asked otherwise: un-normalised
means favour scattered tracks, since d²(q, μ) = mean d²(q, x_t) − mean ‖x_t − μ‖².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmc.config import did_you_mean
from mtmc.errors import ConfigError, InputError
from reid_models.data.relevance import Relevance
from reid_models.data.samples import UNKNOWN, ReidSamples, ReidTask

IMAGE_TO_IMAGE = "image-to-image"
IMAGE_TO_TRACKLET = "image-to-tracklet"
IMAGE_TO_TRACKLET_PROPAGATED = "image-to-tracklet-propagated"
TRACKLET_TO_TRACKLET = "tracklet-to-tracklet"
PROTOCOLS = (IMAGE_TO_IMAGE, IMAGE_TO_TRACKLET, IMAGE_TO_TRACKLET_PROPAGATED, TRACKLET_TO_TRACKLET)


@dataclass(frozen=True, eq=False)
class Retrieval:
    """One protocol applied to a task: Q queries, E gallery entries, C ranked columns.

    query_vectors: float (Q, D). entry_vectors: float (E, D). columns: int64 (C,), the entry that each ranked
    column shows. relevance: the judgement of the C columns. column_images: int64 (C,), a gallery image that
    shows the column. lone_queries: queries of tracklet-to-tracklet that had no track and stand for themselves.
    """

    query_vectors: np.ndarray
    entry_vectors: np.ndarray
    columns: np.ndarray
    relevance: Relevance
    column_images: np.ndarray
    lone_queries: int = 0


def protocols_for(task: ReidTask) -> tuple[str, ...]:
    """The protocols that the data allow, in the order of `PROTOCOLS`."""
    if not (task.gallery.tracklets != UNKNOWN).any():
        return (IMAGE_TO_IMAGE,)
    known = task.labelled or (task.query.tracklets != UNKNOWN).any()
    return PROTOCOLS if known else PROTOCOLS[:-1]


def apply_protocol(protocol: str, task: ReidTask, query_features: np.ndarray, gallery_features: np.ndarray,
                   renormalise: bool = True) -> Retrieval:
    """What is compared under a protocol, from the image vectors float (Q, D) and (G, D).

    Raises `ConfigError` for an unknown protocol, `InputError` where the data have no tracks or the vectors
    do not fit the task.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError("protocol", "one of " + ", ".join(PROTOCOLS), protocol, did_you_mean(protocol, PROTOCOLS))
    if len(query_features) != len(task.query) or len(gallery_features) != len(task.gallery):
        raise InputError(f"features of {task.name}", f"{len(task.query)} and {len(task.gallery)} rows",
                         f"{len(query_features)} and {len(gallery_features)}")
    rows = np.arange(len(gallery_features))
    if protocol == IMAGE_TO_IMAGE:
        return Retrieval(query_features, gallery_features, rows, task.relevance, rows)
    if protocol not in protocols_for(task):
        raise InputError(f"{protocol} on {task.name}", "images that belong to tracks", "none that are known",
                         "This data set is scored by " + ", ".join(protocols_for(task)) + ".")
    entry_of_row, first_row = track_entries(task.gallery)
    entries = pool_rows(gallery_features, entry_of_row, len(first_row), renormalise)
    if protocol == IMAGE_TO_TRACKLET_PROPAGATED:
        return Retrieval(query_features, entries, entry_of_row, task.relevance, rows)
    by_track = task.relevance.grouped(entry_of_row, len(first_row))
    if protocol == IMAGE_TO_TRACKLET:
        return Retrieval(query_features, entries, np.arange(len(entries)), by_track, first_row)
    vectors, lone = _track_queries(task, query_features, entries, entry_of_row, renormalise)
    return Retrieval(vectors, entries, np.arange(len(entries)), by_track, first_row, lone)


def track_entries(samples: ReidSamples) -> tuple[np.ndarray, np.ndarray]:
    """Entry number of each of N images, int64 (N,), and the first image of each entry, int64 (E,).

    Tracks come in the order of their numbers, then the images of no track, each by itself.
    """
    free = samples.tracklets == UNKNOWN
    keys = samples.tracklets.copy()
    keys[free] = int(samples.tracklets.max(initial=UNKNOWN)) + 1 + np.arange(int(free.sum()))
    _, first, entries = np.unique(keys, return_index=True, return_inverse=True)
    return entries.reshape(-1), first


def pool_rows(features: np.ndarray, entry_of_row: np.ndarray, entry_count: int, renormalise: bool = True) -> np.ndarray:
    """(E, D): the mean vector of the rows of each entry, of unit length if `renormalise`; sums in float64.

    Every entry has a row. A mean of length 0 stays 0.
    """
    order = np.argsort(entry_of_row, kind="stable")
    counts = np.bincount(entry_of_row, minlength=entry_count)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)[:entry_count]
    if not entry_count:
        return np.zeros((0, features.shape[1]), dtype=features.dtype)
    means = np.add.reduceat(features[order].astype(np.float64), starts, axis=0) / counts[:, None]
    if renormalise:
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        means = means / np.where(lengths > 0, lengths, 1.0)
    return means.astype(features.dtype)


def _track_queries(task: ReidTask, query_features: np.ndarray, entries: np.ndarray, entry_of_row: np.ndarray,
                   renormalise: bool) -> tuple[np.ndarray, int]:
    """(Q, D): the vector of the track that each query stands for, and how many queries have no track."""
    entry_of_query, first = track_entries(task.query)
    vectors = pool_rows(query_features, entry_of_query, len(first), renormalise)[entry_of_query]
    in_gallery = query_tracks(task, entry_of_row)
    found = in_gallery != UNKNOWN
    vectors[found] = entries[in_gallery[found]]
    return vectors, int((~found & (task.query.tracklets == UNKNOWN)).sum())


def query_tracks(task: ReidTask, entry_of_row: np.ndarray) -> np.ndarray:
    """int64 (Q,): the gallery entry that stands for each query, -1 where there is none.

    That is the entry of the query's own track; where that is not known, the first entry that shows the same
    vehicle in the same camera.
    """
    gallery, query = task.gallery, task.query
    own: dict[int, int] = {}
    seen: dict[tuple[int, int], int] = {}
    for row in np.argsort(entry_of_row, kind="stable").tolist():
        entry = int(entry_of_row[row])
        own.setdefault(int(gallery.tracklets[row]), entry)
        seen.setdefault((int(gallery.identities[row]), int(gallery.cameras[row])), entry)
    tracks = []
    for track, vehicle, camera in zip(query.tracklets.tolist(), query.identities.tolist(), query.cameras.tolist(),
                                      strict=True):
        if track != UNKNOWN:
            tracks.append(own.get(track, UNKNOWN))
        else:
            tracks.append(seen.get((vehicle, camera), UNKNOWN) if UNKNOWN not in (vehicle, camera) else UNKNOWN)
    return np.array(tracks, dtype=np.int64)

"""What cameras add to the vectors is taken out: each camera's mean, and directions in which pictures just vary."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are loaded when they are first used

from mtmc.embedding import Gallery

SCATTER_TRACKLETS = 1000  # enough to know the scatter of pictures
COMPONENT_TRACKLETS = 8192  # enough to know the directions in which tracklets differ
KEPT_VARIANCE = 0.99  # what the components of a large gallery must hold


@dataclass(frozen=True)
class LooksConfig:
    """remove_camera_mean, remove_scatter: the two corrections. prior_tracklets: how many tracklets' worth of the
    mean of all cameras stands behind each camera's mean. scatter_ridge: see `scatter_root`."""

    remove_camera_mean: bool = True
    remove_scatter: bool = False  # helps single pairs of a histogram's vectors (1.40 to 1.20 nats), no score
    prior_tracklets: float = 5.0  # a camera with five vehicles is shifted by half of what its mean says
    scatter_ridge: float = 15.0  # times the mean variance: mild, as few tracklets say little of 1536 directions


@dataclass(frozen=True, eq=False)
class Looks:
    """The corrected vectors of M tracklets. pooled: float32 (M, D), unit length. The images stay where they lie (on
    disk, maybe) and are corrected when asked for; means: float32 (C, D); root: lower triangular (D, D) or (0, 0).
    components: float32 (D, K) onto which vectors are projected, see `reduced`, or (0, 0)."""

    gallery: Gallery
    pooled: np.ndarray
    means: np.ndarray
    root: np.ndarray
    components: np.ndarray

    def images_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 (K, D) unit vectors of the images of `rows`, int64 (len(rows) + 1,) offsets. A tracklet without
        images has its pooled vector for an image."""
        gallery = self.gallery
        first, counts = gallery.image_offsets[rows], np.diff(gallery.image_offsets)[rows]
        filled = np.maximum(counts, 1)
        offsets = np.concatenate([[0], np.cumsum(filled)]).astype(np.int64)
        owner = np.repeat(np.arange(len(rows)), filled)
        own = counts[owner] > 0
        images = np.empty((len(owner), gallery.embeddings.shape[1]), np.float32)
        images[own] = gallery.image_embeddings[(first[owner] + np.arange(len(owner)) - offsets[owner])[own]]
        images[~own] = gallery.embeddings[rows[owner[~own]]]
        cameras = gallery.tracklets.camera_rows[rows][owner]
        images = _corrected(images, cameras, self.means, self.root)
        return images @ self.components if self.components.size else images, offsets


def corrected(gallery: Gallery, config: LooksConfig) -> Looks:
    """The gallery's vectors without what the cameras add to them."""
    cameras, count = gallery.tracklets.camera_rows, len(gallery.tracklets.camera_ids)
    dimension = gallery.embeddings.shape[1]
    means = np.zeros((count, dimension), np.float32)
    if config.remove_camera_mean and len(gallery):
        means = camera_means(gallery.embeddings, cameras, count, config.prior_tracklets).astype(np.float32)
    root = np.zeros((0, 0), np.float32)
    if config.remove_scatter and len(gallery):
        root = scatter_root(gallery, config.scatter_ridge).astype(np.float32)
    pooled = _corrected(gallery.embeddings.astype(np.float32, copy=True), cameras, means, root)
    return Looks(gallery, pooled, means, root, np.zeros((0, 0), np.float32))


def reduced(looks: Looks) -> Looks:
    """The same looks in the few directions that hold `KEPT_VARIANCE` of how the tracklets differ, for galleries whose
    pairs are many: inner products, and so distances, keep all but a hundredth of what they say. `pooled` and images
    are then (·, K) and a little shorter than unit length (principal components, about the origin: the cameras' means
    are out already)."""
    pooled = looks.pooled
    rows = np.unique(np.linspace(0, len(pooled) - 1, min(len(pooled), COMPONENT_TRACKLETS)).astype(np.int64))
    sample = pooled[rows].astype(np.float64)
    values, vectors = np.linalg.eigh(sample.T @ sample)
    held = np.cumsum(values[::-1]) / max(float(values.sum()), 1e-300)
    kept = int(np.searchsorted(held, KEPT_VARIANCE)) + 1
    components = np.ascontiguousarray(vectors[:, ::-1][:, :kept], np.float32)
    return replace(looks, pooled=pooled @ components, components=components)


def camera_means(pooled: np.ndarray, cameras: np.ndarray, count: int, prior_tracklets: float) -> np.ndarray:
    """float64 (C, D): each camera's mean, drawn towards the mean of all by `prior_tracklets`."""
    everyone = pooled.mean(axis=0, dtype=np.float64)
    means = np.tile(everyone, (count, 1))
    for camera in range(count):
        own = pooled[cameras == camera]
        if len(own):
            means[camera] += (own.mean(axis=0, dtype=np.float64) - everyone) * len(own) / (len(own) + prior_tracklets)
    return means


def scatter_root(gallery: Gallery, ridge: float) -> np.ndarray:
    """Lower triangular (D, D): the Cholesky root of how a tracklet's pictures scatter around their mean, plus
    `ridge` times the mean variance in every direction (within-class covariance normalisation, Hatch et al. 2006)."""
    rows = np.unique(np.linspace(0, len(gallery) - 1, min(len(gallery), SCATTER_TRACKLETS)).astype(np.int64))
    dimension, total = gallery.embeddings.shape[1], 0
    covariance = np.zeros((dimension, dimension))
    for row in rows.tolist():
        images = np.asarray(gallery.image_embeddings[gallery.image_offsets[row]:gallery.image_offsets[row + 1]])
        if len(images) > 1:
            scatter = images.astype(np.float64) - images.mean(axis=0, dtype=np.float64)
            covariance += scatter.T @ scatter
            total += len(images)
    covariance /= max(total, 1)
    level = max(float(np.trace(covariance)) / dimension, 1e-12)
    return np.linalg.cholesky(covariance + ridge * level * np.eye(dimension))


def _corrected(vectors: np.ndarray, cameras: np.ndarray, means: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Unit rows, in place where it can be."""
    for camera in np.unique(cameras).tolist():
        vectors[cameras == camera] -= means[camera]
    if root.size and len(vectors):
        vectors = scipy.linalg.solve_triangular(root, vectors.T, lower=True).T
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    vectors /= np.maximum(lengths, 1e-12).astype(np.float32)[:, None]
    return vectors

"""From cut tracklets to the gallery that the matcher reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtmc.camera_store import EmbeddedPiece
from mtmc.errors import InputError
from mtmc.tracklets import CutTracklet, TrackletTable
from reid_models.embedder import Embedder


@dataclass(frozen=True, eq=False)
class Gallery:
    """M tracklets with what is known of their looks.

    tracklets: M rows. embeddings: float32 (M, D), the pooled vector of each tracklet, unit length.
    image_embeddings: (sum of K, D), float32 or float16 (may be memory-mapped), the unit vectors of the
    crops; tracklet i owns rows image_offsets[i]:image_offsets[i + 1]. image_offsets: int64 (M + 1,).
    Raises `InputError` where counts disagree or a pooled vector is not finite or not of unit length.
    """

    tracklets: TrackletTable
    embeddings: np.ndarray
    image_embeddings: np.ndarray
    image_offsets: np.ndarray

    def __post_init__(self) -> None:
        m = len(self.tracklets)
        if self.embeddings.ndim != 2 or len(self.embeddings) != m:
            raise InputError("gallery embeddings", f"({m}, D)", f"{self.embeddings.shape}")
        if len(self.image_offsets) != m + 1 or (m and int(self.image_offsets[-1]) != len(self.image_embeddings)):
            raise InputError("gallery image_offsets", f"{m + 1} offsets ending at {len(self.image_embeddings)} images",
                             f"{len(self.image_offsets)} offsets")
        norms = np.linalg.norm(self.embeddings, axis=1) if m else np.ones(0)
        wrong = ~(np.abs(norms - 1) < 1e-3)  # also True for NaN
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise InputError(f"embedding of {self.tracklets.key(row)}", "a unit vector", f"length {norms[row]}")

    def __len__(self) -> int:
        return len(self.tracklets)


@dataclass(frozen=True, eq=False)
class EmbeddedBatch:
    """Pieces after embedding, in order. non_finite: crops whose vector could not be used and was left out."""

    pieces: tuple[EmbeddedPiece, ...]
    non_finite: int


def embed_pieces(
    closed: Sequence[CutTracklet], embedder: Embedder, image_size_wh: tuple[int, int], keep_crops: bool
) -> EmbeddedBatch:
    """Embed the crops of all pieces in one go."""
    crops = [crop for cut in closed for crop in cut.crops_rgb]
    vectors = embedder.embed(crops) if crops else np.zeros((0, embedder.dimension), np.float32)
    return embedded(closed, vectors, image_size_wh, keep_crops)


def embedded(
    closed: Sequence[CutTracklet], vectors: np.ndarray, image_size_wh: tuple[int, int], keep_crops: bool
) -> EmbeddedBatch:
    """Pieces with the vectors (K, D) of all their crops, in order; a vector that is not finite or has no length is left
    out with its crop, since one such vector would become everybody's nearest neighbour (reliability.md 0, finding 9).
    """
    usable = np.isfinite(vectors).all(axis=1) & (np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-2)
    pieces, start = [], 0
    for cut in closed:
        rows = np.arange(start, start + len(cut.crops_rgb))
        good = np.flatnonzero(usable[rows])
        jpegs = tuple(encode_jpeg(cut.crops_rgb[i]) for i in good) if keep_crops else ()
        pieces.append(EmbeddedPiece(
            cut.tracklet, cut.crop_frame_indices[good], cut.crop_qualities[good], vectors[rows[good]], jpegs,
            image_size_wh,
        ))  # fmt: skip
        start += len(rows)
    return EmbeddedBatch(tuple(pieces), int((~usable).sum()))


def encode_jpeg(image_rgb: np.ndarray, quality: int = 90) -> bytes:
    """A crop as a JPEG file; 90 keeps what a person and a re-run of the embedder need."""
    import cv2

    done, data = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise InputError("crop", "an image that JPEG can hold", f"shape {image_rgb.shape}")
    return bytes(data)

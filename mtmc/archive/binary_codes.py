"""One bit a direction (seeds_digest G, "1-bit tracklet descriptors"): signs of rotated principal components.

The rotation is learned so that rounding to signs moves the points least (ITQ: Gong and Lazebnik 2011). Bits are then
put in an order in which neighbours mostly agree, the form that `bit_coder` writes short; the decoder's unit vector of
±1 corresponds to the unit code of the block codec.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reid_models.encodings.whitening import fit_projection, project

_ROUNDS = 30  # ITQ settles within 50; the last ones change few bits


def fit(rows: np.ndarray, size: int, seed: int) -> dict[str, np.ndarray]:
    """mean, axes (D, bits) that project and rotate, and scale (): the mean length of a value. No more bits than the
    rows have directions."""
    mean, axes = fit_projection(rows, min(size, rows.shape[1]), whiten=False)
    points = project(rows, mean, axes).astype(np.float64)
    rotation = _rotation(points, seed)
    turned = points @ rotation
    order, flip = _alike_order(turned > 0)
    matrix = (axes @ rotation)[:, order] * flip
    return {"mean": mean, "axes": matrix.astype(np.float16), "scale": np.float32(np.abs(turned).mean()).reshape(1)}


def encode(rows: np.ndarray, fitted: Mapping[str, np.ndarray]) -> np.ndarray:
    """uint8 (N, bytes): eight signs a byte, the last byte filled with zeros."""
    return np.packbits(project(rows, fitted["mean"], fitted["axes"].astype(np.float32)) > 0, axis=1)


def decode(codes: np.ndarray, fitted: Mapping[str, np.ndarray]) -> np.ndarray:
    """float32 (N, D): the corner of the cube that the signs name, turned back."""
    bits = fitted["axes"].shape[1]
    signs = np.unpackbits(codes, axis=1, count=bits).astype(np.float32) * 2 - 1
    return signs * fitted["scale"] @ fitted["axes"].astype(np.float32).T + fitted["mean"]


def bytes_per_row(size: int) -> float:
    """An eighth a bit."""
    return size / 8


def _rotation(points: np.ndarray, seed: int) -> np.ndarray:
    """(b, b): alternately the nearest signs and the nearest rotation to them (orthogonal Procrustes)."""
    width = points.shape[1]
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]
    for _ in range(_ROUNDS):
        signs = np.where(points @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(points.T @ signs)
        rotation = left @ right
    return rotation


def _alike_order(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An order of the columns of bits (N, b), and ±1 to turn each, such that each agrees with the one before it as
    often as can be had: the nearest one left, step by step."""
    signs = np.where(bits, 1.0, -1.0)
    agree = signs.T @ signs
    order, flip = [0], [1.0]
    left = np.ones(bits.shape[1], bool)
    left[0] = False
    while left.any():
        row = np.where(left, np.abs(agree[order[-1]]), -1.0)
        following = int(row.argmax())
        flip.append(flip[-1] * (1.0 if agree[order[-1], following] >= 0 else -1.0))
        order.append(following)
        left[following] = False
    return np.array(order), np.array(flip)

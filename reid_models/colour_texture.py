"""Embedding without a network: where which colours and edges lie, as one unit vector (NumPy and OpenCV).

Two parts, each made of histograms pooled over overlapping cells, square-rooted (so that the Euclidean
distance is the Hellinger distance) and weighted towards the middle of the crop, where the vehicle is:
colour in CIE Lab after a shades-of-grey white balance (Finlayson and Trezzi 2004), and the directions
of edges (histograms of oriented gradients, Dalal and Triggs 2005).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mtmc.errors import InputError


@dataclass(frozen=True)
class ColourTextureConfig:
    """Chosen on train.txt of the two-view set, clean and with the second photograph recoloured, warped and shrunk."""

    side_px: int = 48  # crops are squashed to a square: aspect changes with the view, cells should not
    grey_norm: float = 4.0  # Minkowski norm of the white balance: between grey-world (1) and max-RGB
    colour_cells_yx: tuple[int, int] = (6, 3)  # a vehicle's colours vary more from top to bottom
    lightness_bins: int = 12
    chroma_bins: int = 8  # along a and b each
    chroma_range: float = 40.0  # Lab units; vehicles and clothes seldom leave it, and the rest is clipped
    edge_cells: int = 8
    edge_bins: int = 8
    centre_sigma: float = 0.22  # of the crop's side; the border is street and neighbours
    colour_share: float = 0.7  # of the squared length; the rest is edges


class ColourTextureEmbedder:
    """The weight-free `Embedder`. Rows are computed one by one, so they cannot depend on each other."""

    def __init__(self, config: ColourTextureConfig | None = None, batch_size: int = 32) -> None:
        self.config = c = config or ColourTextureConfig()
        self.name = "colour-texture (no network)"
        self.fingerprint = f"colour-texture-2:{c}"
        colour = c.colour_cells_yx[0] * c.colour_cells_yx[1] * (c.lightness_bins + c.chroma_bins**2)
        self.dimension = colour + c.edge_cells**2 * c.edge_bins
        self.input_hw = (c.side_px, c.side_px)
        self.batch_size = batch_size

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        """(K, D) float32 unit rows for K uint8 h×w×3 RGB crops. Raises `InputError` for any other image."""
        rows = np.zeros((len(crops_rgb), self.dimension), np.float32)
        for i, crop in enumerate(crops_rgb):
            if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8 or not crop.size:
                raise InputError(f"crop {i}", "uint8 h x w x 3 with at least one pixel", f"{crop.dtype} {crop.shape}")
            rows[i] = embed_one(crop, self.config)
        return rows


def embed_one(crop_rgb: np.ndarray, config: ColourTextureConfig) -> np.ndarray:
    """(D,) float32 of unit length for one uint8 h×w×3 RGB crop."""
    side = config.side_px
    image = cv2.resize(crop_rgb, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    colour = _unit(np.sqrt(colour_histograms(balance(image, config.grey_norm), config)))
    edges = _unit(np.sqrt(edge_histograms(image, config)))
    share = config.colour_share
    return _unit(np.concatenate([np.sqrt(share) * colour, np.sqrt(1 - share) * edges])).astype(np.float32)


def balance(image: np.ndarray, norm: float) -> np.ndarray:
    """`image` (float32 H×W×3, 0 to 1) with each channel scaled so that its Minkowski mean is 0.8, clipped to 0..1."""
    mean = (image.astype(np.float64) ** norm).mean(axis=(0, 1)) ** (1 / norm)
    return np.clip(image * (0.8 / np.maximum(mean, 1e-3)), 0, 1).astype(np.float32)


def colour_histograms(image: np.ndarray, config: ColourTextureConfig) -> np.ndarray:
    """Flat float32 histograms of lightness and of (a, b) per cell; each cell sums to its weight."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2Lab).reshape(-1, 3)
    reach, n = config.chroma_range, config.chroma_bins
    pixels = np.empty((len(lab), config.lightness_bins + n * n), np.float32)
    pixels[:, :config.lightness_bins] = _soft_bins(lab[:, 0], config.lightness_bins, 0, 100)
    a, b = _soft_bins(lab[:, 1], n, -reach, reach), _soft_bins(lab[:, 2], n, -reach, reach)
    np.multiply(a[:, :, None], b[:, None], out=pixels[:, config.lightness_bins:].reshape(len(lab), n, n, copy=False))
    middle = _middle(config.side_px, config.centre_sigma)
    over_y, over_x, cell_weights = _cells(config.side_px, *config.colour_cells_yx, config.centre_sigma, spread=0.6)
    histograms = _pooled(over_y * middle, over_x * middle, pixels)
    histograms /= np.maximum(histograms.sum(axis=1, keepdims=True), 1e-9)
    return (histograms * cell_weights[:, None]).ravel()


def edge_histograms(image: np.ndarray, config: ColourTextureConfig) -> np.ndarray:
    """Flat float32 histograms of edge directions (without sign) per cell, each divided by its surroundings' energy."""
    bins, cells = config.edge_bins, config.edge_cells
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 0.8)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0).ravel(), cv2.Sobel(grey, cv2.CV_32F, 0, 1).ravel()
    position = (np.arctan2(dy, dx) % np.pi) / np.pi * bins
    apart = np.abs(position[:, None] - np.arange(bins, dtype=np.float32))
    pixels = np.maximum(0, 1 - np.minimum(apart, bins - apart)) * np.hypot(dx, dy)[:, None]
    over_y, over_x, cell_weights = _cells(config.side_px, cells, cells, config.centre_sigma + 0.07, spread=0.7)
    histograms = _pooled(over_y, over_x, pixels.astype(np.float32))
    energy = cv2.GaussianBlur(histograms.sum(axis=1).reshape(cells, cells), (0, 0), 1.5).reshape(-1, 1)
    return (histograms / (energy + 0.05 * energy.mean() + 1e-6) * cell_weights[:, None]).ravel()


def _soft_bins(values: np.ndarray, count: int, low: float, high: float) -> np.ndarray:
    """(N, count) float32: each value shared between its two nearest bin centres; rows sum to 1."""
    position = np.clip((values - low) / (high - low), 0, 1) * (count - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(count, dtype=np.float32)))


def _pooled(over_y: np.ndarray, over_x: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(rows × columns, B) float32 sums of the pixels (side², B) under each cell's window: over_y (rows, side) times
    over_x (columns, side). Not by matrix products: their threads spin (42 ms a crop instead of 1 on two busy cores)."""
    side = over_y.shape[1]
    lines = np.einsum("ry,yxb->rxb", over_y, pixels.reshape(side, side, -1))
    return np.einsum("cx,rxb->rcb", over_x, lines).reshape(len(over_y) * len(over_x), -1)


@functools.cache
def _cells(
    side: int, rows: int, columns: int, sigma: float, spread: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlapping Gaussian windows, the product of (rows, side) and (columns, side), and each cell's weight
    (rows × columns), all float32."""
    place = (np.arange(side) + 0.5) / side
    centres_y, centres_x = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
    over_y = np.exp(-0.5 * ((place[None] - centres_y[:, None]) * rows / spread) ** 2)
    over_x = np.exp(-0.5 * ((place[None] - centres_x[:, None]) * columns / spread) ** 2)
    weights = np.outer(np.exp(-0.5 * ((centres_y - 0.5) / sigma) ** 2), np.exp(-0.5 * ((centres_x - 0.5) / sigma) ** 2))
    found = over_y.astype(np.float32), over_x.astype(np.float32), weights.astype(np.float32).ravel()
    for array in found:
        array.setflags(write=False)  # shared by all calls
    return found


@functools.cache
def _middle(side: int, sigma: float) -> np.ndarray:
    """(side,) float32: a Gaussian about the middle of the picture, along one of its sides."""
    line = np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / sigma) ** 2).astype(np.float32)
    line.setflags(write=False)
    return line


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)

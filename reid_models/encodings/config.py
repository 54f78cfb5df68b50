"""The settings of an encoding. Stored inside its file; each encoding's own defaults stand beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mtmc.errors import ConfigError


@dataclass(frozen=True)
class EncodingConfig:
    """features: "sift" (key points), "dense-sift" (a grid), "conv" (every place of a network's map) or "windows"
    (pooled windows of that map at several scales). Settings that an encoding does not use are passed over."""

    features: Literal["sift", "dense-sift", "conv", "windows"] = "conv"
    words: int = 64  # of the codebook (Gaussians of Fisher); crops of 100 px give some 100 local features
    local_dimension: int = 64  # local features are reduced to this by PCA; 0 leaves them. 64: Jégou et al. 2012
    power: float = 0.5  # signed power of the encoding's entries: damps bursts (Perronnin et al. 2010); 1 is none
    dimension: int = 256  # of the final vector, by PCA; 0 leaves the encoding as long as it is
    whiten: bool = True  # each kept direction gets variance 1 before the last normalisation
    # Share of the mean kept variance that is added to each before whitening, which tames the weak directions. 0.3 gave
    # 1 to 2 points of R-1 over 0 on folds of the two-view training images, for all encodings tried.
    ridge: float = 0.3
    layer: int = 3  # stage of the network whose map is taken (conv, windows)
    levels: tuple[int, ...] = (1, 2, 3)  # pyramid: cells a side of each level (regions, windows)
    pool: Literal["sum", "max"] = "sum"  # over the places of a region
    norm: Literal["l1", "l2"] = "l1"  # of a region's vector; sum and l1 scored best in the study (F8)
    merge: Literal["sum", "concatenate"] = "sum"  # of regions
    crop_px: int = 128  # side to which crops are brought before SIFT
    step_px: int = 16  # grid of dense-sift: 64 places, at two sizes; a finer one costs time and hardly helps
    sizes_px: tuple[float, ...] = (12.0, 24.0)  # diameters of dense key points
    seed: int = 0

    def __post_init__(self) -> None:
        if self.words < 1 or self.local_dimension < 0 or self.dimension < 0 or not 0 < self.power <= 1:
            raise ConfigError("encoding", "words >= 1, dimensions >= 0 and power above 0 to 1",
                              f"{self.words}, {self.local_dimension}, {self.dimension}, {self.power}")
        if not self.levels or min(self.levels) < 1 or self.layer not in (1, 2, 3, 4) or self.ridge < 0:
            raise ConfigError("encoding", "levels of 1 or more cells, layer 1 to 4 and ridge of 0 or more",
                              f"{self.levels}, {self.layer}, {self.ridge}")
        if self.crop_px < 16 or self.step_px < 1 or not self.sizes_px or min(self.sizes_px) <= 0:
            raise ConfigError("encoding", "crop_px >= 16, step_px >= 1 and sizes above 0",
                              f"{self.crop_px}, {self.step_px}, {self.sizes_px}")

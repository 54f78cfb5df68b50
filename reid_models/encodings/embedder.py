"""The `Embedder` with an encoding behind it: local features, encoding, power, whitening, unit length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mtmc.errors import WeightsError
from mtmc.files import sha256_of
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.local_set import LocalSet
from reid_models.encodings.registry import Encoding, Extractor, build_extractor, encoding_class
from reid_models.encodings.storage import REFIT, EncodingInfo, load_encoding
from reid_models.encodings.whitening import project, signed_power, unit

FINAL_MEAN, FINAL_AXES = "final_mean", "final_axes"


class EncodingEmbedder:
    """A fitted encoding. Rows are computed one by one from each crop's own local features."""

    def __init__(self, encoding: Encoding, extractor: Extractor, info: EncodingInfo, arrays: Mapping[str, np.ndarray],
                 fingerprint: str) -> None:
        self._encoding, self._extractor, self._info, self._arrays = encoding, extractor, info, dict(arrays)
        self.name = f"{info.name} on {info.config.features} features"
        self.fingerprint = f"encoding-1:{fingerprint}"
        self.dimension = info.dimension
        self.input_hw = extractor.input_hw
        self.batch_size = extractor.batch_size

    @classmethod
    def load(cls, path: Path, name: str, backbone: Path, batch_size: int = 32, device: str = "auto",
             threads: int = 0) -> EncodingEmbedder:
        """From a file of `tools/fit_encoding.py`. `backbone`: the network for those that read one's maps; where another
        was used for the fit, a file of that content is looked for beside the encoding.

        Raises `WeightsError` where the file, its encoding or its network is not what is asked for.
        """
        info, arrays = load_encoding(path)
        if info.name != name:
            raise WeightsError(path, f"the encoding {name}", info.name, f"Name the embedder {info.name}.")
        extractor = build_extractor(info.config, backbone_of(info, path, backbone), batch_size, device, threads)
        if extractor.backbone_sha256 != info.backbone_sha256:
            raise WeightsError(path, f"a network of SHA-256 {info.backbone_sha256[:16]}… behind it",
                               f"{extractor.backbone_sha256[:16] or 'none'}…",
                               "Fit it again, or lay the network's weights beside it.")
        embedder = cls(encoding_class(name)(info.config), extractor, info, arrays,
                       f"{sha256_of(path)}:{device}:batch{batch_size}")
        embedder._try(path)
        return embedder

    def embed(self, crops_rgb: Sequence[np.ndarray]) -> np.ndarray:
        """See `Embedder.embed`."""
        rows = np.zeros((len(crops_rgb), self.dimension), np.float32)
        for i, features in enumerate(self._extractor.extract(crops_rgb)):
            rows[i] = finish(self._encoding.encode(features, self._arrays), self._info.config, self._arrays)
        return rows

    def _try(self, path: Path) -> None:
        """One flat crop: arrays that do not fit each other show here, not in the middle of a run."""
        try:
            found = self.embed([np.zeros((*self.input_hw, 3), np.uint8)])
        except (KeyError, ValueError, IndexError) as error:
            raise WeightsError(path, "arrays that fit their encoding", str(error), REFIT) from error
        if not np.isfinite(found).all():
            raise WeightsError(path, "an encoding that gives finite vectors", "others", REFIT)


def normalised(vector: np.ndarray, config: EncodingConfig) -> np.ndarray:
    """float32: signed power, then unit length; zeros become the flat vector."""
    return unit(signed_power(vector, config.power))


def finish(vector: np.ndarray, config: EncodingConfig, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """float32 unit vector: normalised, projected where the fit did so, and normalised again."""
    ready = normalised(vector, config)
    if FINAL_AXES not in arrays:
        return ready
    return unit(project(ready, arrays[FINAL_MEAN], arrays[FINAL_AXES]))


def backbone_of(info: EncodingInfo, path: Path, default: Path) -> Path:
    """The weights file that `info` was fitted with: `default`, or one of that content beside `path`."""
    if not info.backbone_sha256 or (default.is_file() and sha256_of(default) == info.backbone_sha256):
        return default
    for other in sorted(Path(path).parent.glob("*.safetensors")):
        if sha256_of(other) == info.backbone_sha256:
            return other
    return default


def local_sets(extractor: Extractor, crops_rgb: Sequence[np.ndarray]) -> list[LocalSet]:
    """The local features of many crops, a batch at a time."""
    step = max(extractor.batch_size, 1)
    return [features for start in range(0, len(crops_rgb), step)
            for features in extractor.extract(crops_rgb[start : start + step])]

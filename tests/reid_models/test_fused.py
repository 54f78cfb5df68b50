"""Two embedders side by side: unit rows, distances that mix as the shares say."""

from __future__ import annotations

import numpy as np
import pytest

from mtmc.errors import ConfigError
from mtmc.plan import embedder_fingerprint
from mtmc.run_config import RunConfig
from reid_models import reduced_colour_texture
from reid_models.colour_texture import ColourTextureConfig, ColourTextureEmbedder
from reid_models.fused import FusedEmbedder
from reid_models.registry import EmbedderConfig, build_embedder


def crops(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (30 + 7 * i, 50, 3), dtype=np.uint8) for i in range(count)]


@pytest.mark.parametrize("share", [0.25, 0.5])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_squared_distances_are_a_weighted_mean(count: int, share: float) -> None:
    first, second = ColourTextureEmbedder(), ColourTextureEmbedder(ColourTextureConfig(colour_share=0.0))
    fused = FusedEmbedder(first, second, share)
    pictures = crops(count)
    rows = fused.embed(pictures)
    assert rows.shape == (count, fused.dimension)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    parts = [embedder.embed(pictures) for embedder in (first, second)]
    squared = [np.square(p[:, None] - p[None]).sum(axis=2) for p in (*parts, rows)]
    np.testing.assert_allclose(squared[2], (1 - share) * squared[0] + share * squared[1], atol=1e-5)


def test_a_run_adds_colour_to_the_shipped_network_alone() -> None:
    assert RunConfig().embedder.adds_colour
    assert not EmbedderConfig().adds_colour
    assert not EmbedderConfig(weights="own.safetensors", colour_share=0.5).adds_colour
    assert not EmbedderConfig(name="colour-texture", colour_share=0.5).adds_colour
    for share in (-0.1, 1.0):
        with pytest.raises(ConfigError, match="colour_share"):
            EmbedderConfig(colour_share=share)


def test_built_from_the_shipped_file() -> None:
    plain, both = (build_embedder(EmbedderConfig(backend="onnx", colour_share=share)) for share in (0.0, 0.5))
    pictures = crops(2)
    rows = both.embed(pictures)
    np.testing.assert_allclose(rows[:, :plain.dimension] * np.sqrt(2), plain.embed(pictures), atol=1e-6)
    assert both.fingerprint != plain.fingerprint
    assert both.dimension - plain.dimension <= 256


def test_a_run_redoes_its_cameras_when_the_method_beside_the_network_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [embedder_fingerprint(RunConfig(embedder=EmbedderConfig(**settings))) for settings in SETTINGS]
    monkeypatch.setattr(reduced_colour_texture, "RANDOM_DIMENSIONS", 60)
    after = [embedder_fingerprint(RunConfig(embedder=EmbedderConfig(**settings))) for settings in SETTINGS]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, True]


SETTINGS: list[dict] = [{"colour_share": 0.5}, {}, {"name": "colour-texture"}]

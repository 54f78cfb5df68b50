"""The embedder that needs no network."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from mtmc.errors import InputError
from reid_models.colour_texture import ColourTextureConfig, ColourTextureEmbedder, balance, colour_histograms


def vehicle(seed: int, hw: tuple[int, int] = (90, 70)) -> np.ndarray:
    """A made-up vehicle: coloured blocks over a grey street, from `seed` alone."""
    rng = np.random.default_rng(seed)
    image = np.full((90, 70, 3), 120, np.uint8)
    for _ in range(6):
        y, x = rng.integers(10, 60), rng.integers(10, 40)
        image[y : y + rng.integers(8, 30), x : x + rng.integers(8, 30)] = rng.integers(0, 256, 3)
    return cv2.resize(image, hw[::-1], interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("count", [0, 1, 2, 33])
def test_rows_are_unit_and_do_not_depend_on_each_other(count: int) -> None:
    embedder = ColourTextureEmbedder()
    crops = [vehicle(i) for i in range(count)]
    rows = embedder.embed(crops)
    assert rows.shape == (count, embedder.dimension)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    alone = [embedder.embed([crop])[0] for crop in crops]
    assert all(np.array_equal(row, one) for row, one in zip(rows, alone, strict=True))


def test_a_recoloured_small_view_is_nearest_to_its_own_vehicle() -> None:
    embedder = ColourTextureEmbedder()
    first = embedder.embed([vehicle(i) for i in range(12)])
    gains = np.array([0.68, 0.8, 0.72])
    cast = [(vehicle(i, (50, 45)) * gains).astype(np.uint8) for i in range(12)]
    distances = np.linalg.norm(first[:, None] - embedder.embed(cast)[None], axis=2)
    assert (distances.argmin(axis=1) == np.arange(12)).all()


def test_a_colour_cast_is_taken_out_where_nothing_clips() -> None:
    image = vehicle(3).astype(np.float32) / 255 * 0.6
    np.testing.assert_allclose(balance(image * [1.2, 0.9, 1.1], 4), balance(image, 4), atol=1e-5)


def test_each_colour_cell_sums_to_its_weight_twice() -> None:
    """Lightness and chroma are two histograms of one mass, and the middle cells weigh most."""
    config = ColourTextureConfig()
    rows, columns = config.colour_cells_yx
    image = vehicle(1, (48, 48)).astype(np.float32) / 255
    cells = colour_histograms(image, config).reshape(rows * columns, -1)
    lightness, chroma = cells[:, : config.lightness_bins].sum(1), cells[:, config.lightness_bins :].sum(1)
    np.testing.assert_allclose(lightness, chroma, rtol=1e-4)
    assert lightness.reshape(rows, columns)[:, 1].min() > lightness.reshape(rows, columns)[:, 0].max() * 0.05
    assert lightness.argmax() in (7, 10)


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_image_is_named(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="crop 0"):
        ColourTextureEmbedder().embed([bad])


@pytest.mark.parametrize("value", [0, 255])
def test_flat_crops_give_finite_unit_rows(value: int) -> None:
    rows = ColourTextureEmbedder().embed([np.full((1, 1, 3), value, np.uint8)])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_it_never_imports_torch() -> None:
    code = ("import sys; from reid_models.registry import EmbedderConfig, build_embedder, describe; "
            "print(describe(build_embedder(EmbedderConfig(name='colour-texture')))); assert 'torch' not in sys.modules")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "colour-texture" in done.stdout


@pytest.mark.needs_data
def test_it_beats_hue_histograms_on_real_photographs(shared_data) -> None:
    """On 60 training identities, rank-1 from camera 1 to 2, far above an HSV histogram of the same crops."""
    folder = shared_data / "vehicle-reid-2cam" / "images" / "train"
    names = sorted(path.name for path in folder.glob("*_cam1.jpg"))[::7][:60]
    first = [cv2.imread(str(folder / n))[..., ::-1] for n in names]
    second = [cv2.imread(str(folder / n.replace("cam1", "cam2")))[..., ::-1] for n in names]

    def hsv(crops: list[np.ndarray]) -> np.ndarray:
        rows = [cv2.calcHist([cv2.cvtColor(np.ascontiguousarray(c), cv2.COLOR_RGB2HSV)], [0, 1, 2], None, [8, 4, 4],
                             [0, 180, 0, 256, 0, 256]).ravel() / c[..., 0].size for c in crops]
        return np.sqrt(np.stack(rows))

    def rank_1(embed) -> float:
        apart = np.linalg.norm(embed(first)[:, None] - embed(second)[None], axis=2)
        return float((apart.argmin(axis=1) == np.arange(len(names))).mean())

    assert rank_1(ColourTextureEmbedder().embed) > rank_1(hsv) + 0.1

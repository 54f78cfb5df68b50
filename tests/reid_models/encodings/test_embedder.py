"""Every encoding as an embedder: fitted, stored, loaded, refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mtmc.errors import ConfigError, InputError, WeightsError
from reid_models.encodings.config import EncodingConfig
from reid_models.encodings.embedder import EncodingEmbedder
from reid_models.encodings.fitting import evenly, fit_to_file
from reid_models.encodings.names import ENCODINGS
from reid_models.encodings.registry import build_extractor, encoding_class
from reid_models.encodings.storage import EncodingInfo, load_encoding, save_encoding
from reid_models.registry import EmbedderConfig, build_embedder, weights_of

# SIFT needs no network: every encoding that can read it does, so that these tests do without torch.
SMALL = {
    "bag-of-words": {"words": 24, "features": "dense-sift"}, "vlad": {"words": 4, "features": "dense-sift"},
    "fisher": {"words": 3, "features": "dense-sift"}, "mop-cnn": {"words": 3, "layer": 2, "levels": (1, 2)},
    "spoc": {"features": "dense-sift"}, "regions": {"layer": 2, "levels": (1, 2)},
    "second-order": {"features": "dense-sift", "local_dimension": 12},
}


def small(name: str) -> EncodingConfig:
    return replace(encoding_class(name).default, dimension=10, crop_px=48, step_px=12, sizes_px=(8.0,), **SMALL[name])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, pictures: list[np.ndarray], backbone: Path) -> dict[str, Path]:
    """Name → a file fitted on the pictures."""
    folder, paths = tmp_path_factory.mktemp("encodings"), {}
    for name in ENCODINGS:
        paths[name] = folder / f"{name}.safetensors"
        fit_to_file(paths[name], name, small(name), build_extractor(small(name), backbone, 8), pictures, "made up")
    (folder / "network.safetensors").write_bytes(backbone.read_bytes())
    return paths


def embedder_of(name: str, path: Path, **settings: object) -> EncodingEmbedder:
    return build_embedder(EmbedderConfig(name=name, weights=str(path), device="cpu", **settings))


def test_the_registry_knows_every_name() -> None:
    hint = get_type_hints(EmbedderConfig)["name"]
    assert set(ENCODINGS) == set(get_args(hint)) - {"auto", "multilevel", "colour-texture"}
    assert len({encoding_class(name).__name__ for name in ENCODINGS}) == len(ENCODINGS)
    with pytest.raises(ConfigError, match="vlad"):
        encoding_class("vald")


@pytest.mark.parametrize("name", ENCODINGS)
def test_rows_are_unit_vectors_that_do_not_depend_on_their_companions(
        name: str, fitted: dict[str, Path], pictures: list[np.ndarray]) -> None:
    embedder = embedder_of(name, fitted[name], batch_size=5)
    rows = embedder.embed(pictures)
    assert rows.shape == (24, embedder.dimension)
    assert rows.dtype == np.float32
    assert embedder.dimension <= 10
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.array_equal(embedder.embed([pictures[7]])[0], rows[7])
    assert np.array_equal(embedder.embed(pictures[::-1])[::-1], rows)
    assert embedder.embed([]).shape == (0, embedder.dimension)


@pytest.mark.parametrize("name", ENCODINGS)
def test_two_views_of_a_vehicle_are_nearest(name: str, fitted: dict[str, Path], pictures: list[np.ndarray]) -> None:
    """On the pictures it was fitted on: an encoding that lost what it should keep fails here."""
    rows = embedder_of(name, fitted[name]).embed(pictures)
    apart = np.linalg.norm(rows[:12, None] - rows[None, 12:], axis=2)
    assert (apart.argmin(axis=1) == np.arange(12)).mean() > 0.7


@pytest.mark.parametrize("name", ["vlad", "regions"])
def test_a_fit_is_repeatable(name: str, fitted: dict[str, Path], pictures: list[np.ndarray], backbone: Path,
                             tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    fit_to_file(again, name, small(name), build_extractor(small(name), backbone, 8), pictures, "made up")
    assert again.read_bytes() == fitted[name].read_bytes()


def test_a_crop_without_key_points_still_has_a_vector(pictures: list[np.ndarray], tmp_path: Path) -> None:
    config = replace(small("vlad"), features="sift", words=2)
    path = tmp_path / "sift.safetensors"
    info = fit_to_file(path, "vlad", config, build_extractor(config, Path("none")), pictures)
    flat = np.full((20, 30, 3), 90, np.uint8)
    row = EncodingEmbedder.load(path, "vlad", Path("none")).embed([flat])
    assert row.shape == (1, info.dimension)
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)


def test_pictures_without_any_local_feature_cannot_be_fitted_on() -> None:
    from reid_models.encodings.fitting import fit_encoding

    config = replace(small("vlad"), features="sift")
    with pytest.raises(InputError, match="some local features"):
        fit_encoding("vlad", config, build_extractor(config, Path("none")), [np.zeros((9, 9, 3), np.uint8)] * 8)
    with pytest.raises(InputError, match="8 or more, found 7"):
        fit_encoding("vlad", config, build_extractor(config, Path("none")), [np.zeros((9, 9, 3), np.uint8)] * 7)


def test_an_encoding_without_a_file_says_how_to_get_one() -> None:
    with pytest.raises(ConfigError, match="fit_encoding"):
        build_embedder(EmbedderConfig(name="vlad"))
    with pytest.raises(ConfigError, match="fit_encoding"):
        weights_of(EmbedderConfig(name="spoc"))
    with pytest.raises(ConfigError, match="flip_at_test"):
        EmbedderConfig(name="vlad", flip_at_test=True)


def test_files_that_do_not_fit_are_refused(fitted: dict[str, Path], backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the encoding fisher, found vlad"):
        embedder_of("fisher", fitted["vlad"])
    with pytest.raises(WeightsError, match="no such file"):
        embedder_of("vlad", tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="metadata mtmc-encoding-1"):
        embedder_of("vlad", backbone)
    (tmp_path / "cut.safetensors").write_bytes(fitted["vlad"].read_bytes()[:-50])
    with pytest.raises(WeightsError, match="whole"):
        embedder_of("vlad", tmp_path / "cut.safetensors")
    alone = tmp_path / "regions.safetensors"
    alone.write_bytes(fitted["regions"].read_bytes())
    with pytest.raises(WeightsError, match="lay the network's weights beside it"):
        EncodingEmbedder.load(alone, "regions", Path("reid_models/multilevel_resnet50_vehicles.safetensors"))


@pytest.mark.parametrize("spoil", ["drop", "shape", "nan", "name"])
def test_spoilt_arrays_are_found_before_a_run(spoil: str, fitted: dict[str, Path], tmp_path: Path) -> None:
    info, arrays = load_encoding(fitted["vlad"])
    path = tmp_path / "spoilt.safetensors"
    if spoil == "drop":
        del arrays["words"]
    elif spoil == "shape":
        arrays["words"] = arrays["words"][:, :-1]
    save_encoding(path, replace(info, name="colour") if spoil == "name" else info, arrays)
    if spoil == "nan":
        metadata = {"mtmc-encoding-1": _metadata(fitted["vlad"])}
        bad = load_file(path)
        bad["words"][0, 0] = np.nan
        save_file(bad, path, metadata)
    with pytest.raises(WeightsError):
        embedder_of("vlad", path)


def _metadata(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return file.metadata()["mtmc-encoding-1"]


def test_the_description_comes_back(fitted: dict[str, Path]) -> None:
    info, arrays = load_encoding(fitted["bag-of-words"])
    assert info == EncodingInfo("bag-of-words", small("bag-of-words"), "", "made up", info.dimension)
    assert arrays["words"].shape == (24, 128)


def test_a_sift_encoding_needs_no_torch(fitted: dict[str, Path]) -> None:
    program = (f"import sys\nfrom reid_models.registry import EmbedderConfig, build_embedder\nimport numpy as np\n"
               f"build_embedder(EmbedderConfig(name='fisher', weights={str(fitted['fisher'])!r}))"
               ".embed([np.zeros((9, 9, 3), np.uint8)])\nassert 'torch' not in sys.modules\n")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("n", "most"), [(0, 3), (2, 3), (10, 3), (10, 10)])
def test_evenly_takes_the_ends(n: int, most: int) -> None:
    chosen = evenly(range(n), most)
    assert len(chosen) == min(n, most)
    assert chosen == sorted(set(chosen))
    if n:
        assert (chosen[0], chosen[-1]) == (0, n - 1)


@pytest.mark.parametrize("settings", [{"words": 0}, {"power": 0.0}, {"layer": 5}, {"levels": ()}, {"ridge": -1.0},
                                      {"crop_px": 8}, {"sizes_px": ()}])
def test_impossible_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError):
        EncodingConfig(**settings)

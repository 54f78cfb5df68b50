"""Generated re-identification data: `python -m reid_models.data.generate --dataset cityflow-reid --out DIR`.

Vehicles are drawn, or cut from the photographs of the two-view set's `train.txt` (`--photographs DIR`), and passed
before made-up cameras. The CityFlow-ReID layout is the rich one: vehicles 1 to 95 drive in a scene of their own
(cameras 1 to 5), the others in another (cameras 10 and up), so that "local-scene" is as far from the
training images as the real one. Same settings, same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from mtmc.config import build, merge_sets
from mtmc.errors import EXIT_COMPLETE, ConfigError, MtmcError, OutputError
from reid_models.data import layouts
from reid_models.data.camera_looks import CameraLook, draw_camera, view_passage
from reid_models.data.cityflow import LAST_LOCAL_IDENTITY
from reid_models.data.images import read_image_rgb
from reid_models.data.layouts import Passage
from reid_models.data.registry import DATASETS, load_split
from reid_models.data.vehicle_pictures import draw_vehicle

# Where the training scene's numbers begin in CityFlow-ReID of 2020.
FIRST_TRAIN_CAMERA = 10
FIRST_OTHER_IDENTITY = 241


@dataclass(frozen=True)
class GenerateConfig:
    """How much and how hard. The defaults make about 8,000 images in a minute."""

    vehicles: int = 405  # all training vehicles of the two-view set; CityFlow-ReID holds out the first 95
    cameras: int = 12  # of the training scene
    held_out_cameras: int = 5
    cameras_per_vehicle: tuple[int, int] = (2, 5)  # CityFlow-ReID: 4.55 on average
    passages_per_camera: tuple[int, int] = (1, 2)
    frames: tuple[int, int] = (3, 8)
    side_px: int = 96
    strength: float = 1.0  # of everything a camera does to the picture
    test_vehicles: int = 0  # of the official, unlabelled test (drawn, never photographs)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.vehicles < 1 or self.side_px < 8 or not 0 <= self.strength <= 1:
            raise ConfigError("generated data", "vehicles from 1, side_px from 8, strength 0 to 1",
                              f"{self.vehicles}, {self.side_px}, {self.strength}")


TINY = GenerateConfig(vehicles=8, cameras=3, held_out_cameras=2, cameras_per_vehicle=(2, 3), frames=(2, 3), side_px=32)


@dataclass(frozen=True, eq=False)
class Photographs:
    """Views of real vehicles: for each vehicle one image uint8 (h, w, 3) a view, and its kind."""

    views: tuple[tuple[np.ndarray, ...], ...]
    kinds: tuple[str, ...]


def read_photographs(two_view: Path) -> Photographs:
    """The vehicles of the two-view set's `train.txt`, in the order of their numbers, cameras in order."""
    samples = load_split("two-view", two_view, "train")
    views, kinds = [], []
    for vehicle in np.unique(samples.identities):
        rows = np.flatnonzero(samples.identities == vehicle)
        rows = rows[np.argsort(samples.cameras[rows], kind="stable")]
        views.append(tuple(read_image_rgb(samples.paths[row]) for row in rows))
        kinds.append(samples.kinds[rows[0]])
    return Photographs(tuple(views), tuple(kinds))


def write_dataset(dataset: str, root: Path, config: GenerateConfig | None = None,
                  photographs: Photographs | None = None, release: int = 2020) -> None:
    """Write a data set in the layout of `dataset` (a name of the registry) into a folder that is new or empty.

    Raises `OutputError` where the folder holds something, `ConfigError` where there are too few photographs.
    """
    config = config or GenerateConfig()
    if root.exists() and any(root.iterdir()):
        raise OutputError(root, "a new or empty folder", "files in it", "Choose another --out.")
    if photographs is not None and len(photographs.views) < config.vehicles:
        raise ConfigError("vehicles", f"at most {len(photographs.views)}, one a photographed vehicle",
                          str(config.vehicles))
    if dataset != "cityflow-reid":
        layouts.WRITERS[dataset](root, list(make_passages(config, photographs)))
        return
    held_out = min(LAST_LOCAL_IDENTITY, config.vehicles // 4)
    official = replace(config, vehicles=config.test_vehicles, seed=config.seed + 1) if config.test_vehicles else None
    layouts.write_cityflow(root, list(make_passages(config, photographs, held_out)),
                           list(make_passages(official, None)) if official else [], release)


def make_passages(config: GenerateConfig, photographs: Photographs | None, held_out: int = 0) -> Iterator[Passage]:
    """All passages of all vehicles, by vehicle and camera. With `held_out`, vehicles 1 to `held_out` drive in a
    scene of their own and the others are numbered from `FIRST_OTHER_IDENTITY`, as CityFlow-ReID's are."""
    sources = np.random.default_rng([config.seed, 1]).permutation(
        len(photographs.views) if photographs else config.vehicles)
    own_scene = [(camera, _camera(config, camera)) for camera in range(1, config.held_out_cameras + 1)]
    first = FIRST_TRAIN_CAMERA if held_out else 1
    scene = [(camera, _camera(config, camera)) for camera in range(first, first + config.cameras)]
    for vehicle in range(config.vehicles):
        random = np.random.default_rng([config.seed, 2, vehicle])
        inside = vehicle < held_out
        number = vehicle + 1 if inside or not held_out else FIRST_OTHER_IDENTITY + vehicle - held_out
        yield from _passages_of(number, int(sources[vehicle]), own_scene if inside else scene, config, photographs,
                                random)


def _passages_of(number: int, source: int, scene: Sequence[tuple[int, CameraLook]], config: GenerateConfig,
                 photographs: Photographs | None, random: np.random.Generator) -> Iterator[Passage]:
    """The passages of one vehicle before some of the cameras of its scene."""
    low, high = config.cameras_per_vehicle
    count = min(int(random.integers(low, high + 1)), len(scene))
    for place in sorted(random.choice(len(scene), size=count, replace=False).tolist()):
        camera, look = scene[place]
        image, mask, kind = _vehicle(source, camera, config, photographs)
        for _ in range(int(random.integers(config.passages_per_camera[0], config.passages_per_camera[1] + 1))):
            frames = int(random.integers(config.frames[0], config.frames[1] + 1))
            crops = view_passage(image, mask, look, frames, config.side_px, random, config.strength)
            yield Passage(number, camera, kind, tuple(crops))


def _camera(config: GenerateConfig, camera: int) -> CameraLook:
    return draw_camera(np.random.default_rng([config.seed, 3, camera]), config.strength)


def _vehicle(source: int, camera: int, config: GenerateConfig,
             photographs: Photographs | None) -> tuple[np.ndarray, np.ndarray, str]:
    """Picture, mask and kind: odd cameras see the first view, even ones the second."""
    if photographs is None:
        drawing = draw_vehicle(source, (camera + 1) % 2, config.seed)
        return drawing.image_rgb, drawing.mask, drawing.kind
    views = photographs.views[source]
    image = views[(camera + 1) % len(views)]
    return image, _soft_mask(*image.shape[:2]), photographs.kinds[source]


def _soft_mask(height: int, width: int) -> np.ndarray:
    """float32 (height, width): 1 in the middle, falling to 0 at the border, where a photograph shows the street."""
    y = np.abs(np.linspace(-1, 1, height, dtype=np.float32))[:, None] ** 4
    x = np.abs(np.linspace(-1, 1, width, dtype=np.float32))[None] ** 4
    return np.clip((1 - (x + y)) / 0.35, 0, 1)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; settings by `--set name=value`."""
    parser = argparse.ArgumentParser(prog="python -m reid_models.data.generate",
                                     description="Write a generated re-identification data set.")
    parser.add_argument("--dataset", required=True, choices=DATASETS, metavar="NAME", help=", ".join(DATASETS))
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--photographs", type=Path, metavar="DIR",
                        help="the two-view set, whose train.txt gives the vehicles (default: drawn ones)")
    parser.add_argument("--release", type=int, default=2020, choices=(2020, 2021), help="of the CityFlow-ReID layout")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", dest="sets",
                        help=", ".join(field.name for field in fields(GenerateConfig)))
    arguments = parser.parse_args(argv)
    try:
        config = build(GenerateConfig, merge_sets({}, arguments.sets), "--set")
        photographs = read_photographs(arguments.photographs) if arguments.photographs else None
        write_dataset(arguments.dataset, arguments.out, config, photographs, arguments.release)
    except MtmcError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"wrote {arguments.out}")
    return EXIT_COMPLETE


if __name__ == "__main__":
    sys.exit(main())

"""From images on disk to augmented batches; every image is a pure function of (seed, step, place)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mtmc.errors import InputError
from reid_models.attributes.labels import MISSING
from reid_models.attributes.training_labels import places_of
from reid_models.data.camera_effects import CHANNEL_ORDERS, camera_view, is_colourful, other_vehicle
from reid_models.data.images import read_image_rgb
from reid_models.data.sampler import BatchSampler
from reid_models.data.samples import ReidSamples, number_words
from reid_models.data.transforms import standard_view
from reid_models.training.config import TrainConfig


@dataclass(frozen=True)
class Draw:
    """One image of one batch: `row` of the samples, its class, how its identity is changed, its input side (0: the
    model's), what seeds its augmentation, and its other marks (`Marks`)."""

    row: int
    label: int
    mirror: bool
    order: int
    side: int
    seed: tuple[int, ...]
    kind: int
    slot: int
    role: int
    attributes: tuple[int, ...] = ()


class Classes:
    """Numbers the training classes: identities, times the ways they are changed into others."""

    def __init__(self, identities: np.ndarray, colourful: dict[int, bool], mirrored: bool, recoloured: bool) -> None:
        """identities: sorted int64. colourful: which of them another channel order makes another vehicle of."""
        self.mirrored, self.recoloured, self._colourful = mirrored, recoloured, colourful
        self._numbers: dict[tuple[int, bool, int], int] = {}
        for identity in identities.tolist():
            for mirror in (False, True) if mirrored else (False,):
                for order in range(len(CHANNEL_ORDERS) if recoloured and colourful.get(identity, False) else 1):
                    self._numbers[identity, mirror, order] = len(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def change(self, identity: int, rng: np.random.Generator) -> tuple[int, bool, int]:
        """A random change of an identity: its class, mirrored or not, channel order. Half of the colourful stay."""
        mirror = bool(rng.integers(2)) and self.mirrored
        changed = self.recoloured and self._colourful.get(identity, False) and rng.random() < 0.5
        order = int(rng.integers(1, len(CHANNEL_ORDERS))) if changed else 0
        return self._numbers[identity, mirror, order], mirror, order


class TrainingImages(Dataset):
    """Draws to (uint8 tensor (3, H, W), marks). Images are read at each draw, or once if `cache_px` says so."""

    def __init__(self, samples: ReidSamples, config: TrainConfig) -> None:
        self.samples, self.config = samples, config
        side = config.data.cache_px
        self._cache = np.stack([_squash(read_image_rgb(p), side) for p in samples.paths]) if side else None
        red, green, blue = (round(255 * value) for value in config.model.mean)
        self._fill = (red, green, blue)

    def __len__(self) -> int:
        return len(self.samples)

    def image(self, row: int) -> np.ndarray:
        """uint8 H×W×3 RGB."""
        return read_image_rgb(self.samples.paths[row]) if self._cache is None else self._cache[row]

    def __getitem__(self, draw: Draw) -> tuple[Tensor, tuple[int, int, int, int, Tensor]]:
        data = self.config.data
        size_hw = (draw.side, draw.side) if draw.side else self.config.model.input_hw
        rng = np.random.default_rng(draw.seed)
        image = other_vehicle(self.image(draw.row), draw.mirror, draw.order)
        if rng.random() < data.clean_share:
            view = cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_AREA)
        elif data.augmentation == "cameras":
            cover = self.image(int(rng.integers(len(self.samples))))
            view = camera_view(image, size_hw, rng, data.cameras, cover)
        else:
            view = standard_view(image, size_hw, int(rng.integers(2**62)), data.standard, self._fill)
        marks = draw.label, draw.kind, draw.slot, draw.role, torch.tensor(draw.attributes, dtype=torch.int64)
        return torch.from_numpy(np.ascontiguousarray(view)).permute(2, 0, 1), marks


class AttributeMarks:
    """Each image's attributes, for networks that learn them; another channel order makes its colour unknown."""

    def __init__(self, samples: ReidSamples, config: TrainConfig) -> None:
        self._places = places_of(samples, config.model.attributes, config.data.attributes)
        self._colour = [name == "colour" for name, _ in config.model.attributes]

    def of(self, row: int, order: int) -> tuple[int, ...]:
        """The marks of one image in channel order `order` (0: as it is)."""
        return tuple(MISSING if order and colour else int(place)
                     for place, colour in zip(self._places[row], self._colour, strict=True))


class DrawBatches(Sampler):
    """The draws of step `first_step`, the next step, and so on to `last_step`; one process's share of each."""

    def __init__(self, sampler: BatchSampler, classes: Classes, samples: ReidSamples, config: TrainConfig,
                 first_step: int, last_step: int, rank: int = 0, world: int = 1) -> None:
        self._sampler, self._classes, self._identities, self._config = sampler, classes, samples.identities, config
        self._kinds = number_words(samples.kinds)
        self._attributes = AttributeMarks(samples, config)
        self._steps, self._rank, self._world = range(first_step, last_step), rank, world
        self.side = 0  # the loop sets it where the input grows; with workers it takes effect a few steps later

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in self._steps:
            yield self.draws(step)

    def draws(self, step: int) -> list[Draw]:
        """The draws of one batch, slot by slot (this process's slots only)."""
        seed, result = self._config.seed, []
        for slot, rows in enumerate(self._sampler.batch(step)):
            if slot % self._world != self._rank:
                continue
            # One change an identity, the same for all its images in the slot.
            random = np.random.default_rng([seed, 2, step, slot])
            identities = self._identities[rows].tolist()
            changes = {identity: self._classes.change(identity, random) for identity in dict.fromkeys(identities)}
            result += [Draw(int(row), *changes[identity], self.side_at(step), (seed, 3, step, slot, place),
                            int(self._kinds[row]), slot, int(self._sampler.roles[place]),
                            self._attributes.of(int(row), changes[identity][2]))
                       for place, (row, identity) in enumerate(zip(rows, identities, strict=True))]
        return result

    def side_at(self, step: int) -> int:
        """The input side at a step: by steps where the length is given in steps, else what the loop has set."""
        if self._config.minutes:
            return self.side
        return side_of(self._config, step / self._config.steps)


def side_of(config: TrainConfig, progress: float) -> int:
    """The input side at a progress of 0 to 1; 0 where the model's own input is meant."""
    sides = [side for start, side in config.resolutions if progress >= start]
    return sides[-1] if sides else 0


def read_batches(images: TrainingImages, batches: DrawBatches,
                 workers: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Batches in order; `workers` processes read ahead. Raises `InputError` naming a picture that cannot be read."""
    loader = DataLoader(images, batch_sampler=batches, num_workers=workers, worker_init_fn=_quiet_worker,
                        pin_memory=torch.cuda.is_available(), persistent_workers=False)
    try:
        yield from loader
    except InputError as error:
        if not workers:
            raise
        # torch makes a new one, whose text is the whole trace of the worker.
        raise InputError(error.thing.strip().rpartition("InputError: ")[2]) from error


def colourful_identities(samples: ReidSamples, images: TrainingImages) -> dict[int, bool]:
    """Which identities have colour, judged on the first image of each."""
    identities, first = np.unique(samples.identities, return_index=True)
    return {int(i): is_colourful(images.image(int(row))) for i, row in zip(identities, first, strict=True)}


def _squash(image: np.ndarray, side: int) -> np.ndarray:
    shrinks = min(image.shape[:2]) >= side
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _quiet_worker(_: int) -> None:
    # OpenCV's own threads inside each worker only get in each other's way.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)

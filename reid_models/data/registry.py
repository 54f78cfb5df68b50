"""Data sets by name. Each name is one module with `SPLITS`, `TASKS`, `load_split` and `load_tasks`."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from mtmc.config import did_you_mean
from mtmc.errors import ConfigError, InputError
from reid_models.data.samples import ReidSamples, ReidTask

_MODULES = {
    "two-view": "two_view",
    "veri-776": "veri776",
    "cityflow-reid": "cityflow",
    "vehicleid": "vehicleid",
    "veri-wild": "veri_wild",
    "csv": "csv_manifest",
    "run": "run_folder",
}
DATASETS = tuple(_MODULES)


def load_split(dataset: str, root: Path, split: str) -> ReidSamples:
    """The images of one split, e.g. `load_split("veri-776", root, "train")`.

    Every data set has "train" (and "val" where its makers cut one); the others are listed by `splits_of`.
    Raises `ConfigError` for an unknown data set or split, `InputError` naming the file that was expected
    where `root` is missing or half unpacked.
    """
    module = _module(dataset)
    _check_split(dataset, split, module.SPLITS)
    return module.load_split(_existing(root, dataset), split)


def load_tasks(dataset: str, root: Path, split: str) -> tuple[ReidTask, ...]:
    """The retrieval tasks of one split: one, or several repetitions whose scores are averaged (VehicleID: ten).

    Raises as `load_split` does.
    """
    module = _module(dataset)
    _check_split(dataset, split, module.TASKS)
    return module.load_tasks(_existing(root, dataset), split)


def splits_of(dataset: str) -> tuple[str, ...]:
    """The names that `load_split` takes for a data set; empty where the data names its own (csv)."""
    return _module(dataset).SPLITS


def tasks_of(dataset: str) -> tuple[str, ...]:
    """The names that `load_tasks` takes for a data set; empty where the data names its own (csv)."""
    return _module(dataset).TASKS


def _module(dataset: str) -> ModuleType:
    if dataset not in _MODULES:
        raise ConfigError("data set", "one of " + ", ".join(DATASETS), dataset, did_you_mean(dataset, DATASETS))
    return importlib.import_module(f"reid_models.data.{_MODULES[dataset]}")


def _check_split(dataset: str, split: str, known: tuple[str, ...]) -> None:
    if known and split not in known:
        raise ConfigError(f"split of {dataset}", "one of " + ", ".join(known), split, did_you_mean(split, known))


def _existing(root: Path, dataset: str) -> Path:
    root = Path(root)
    if not root.exists():
        raise InputError(root, f"the folder of {dataset}", "nothing of that name", "Check --data.")
    return root

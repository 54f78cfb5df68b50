"""Starting from torchvision's ImageNet weights, fetched only when asked for."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from torch import Tensor

from mtmc.errors import WeightsError
from mtmc.files import sha256_of
from reid_models.architectures import build_network
from reid_models.embedding_network import EmbeddingNetwork
from reid_models.model_config import ModelConfig

# The addresses of torchvision's own table, named here so that a new torchvision does not silently change a training.
ENUMS = {"resnet18": "IMAGENET1K_V1", "resnet34": "IMAGENET1K_V1", "resnet50": "IMAGENET1K_V2"}


def imagenet_model(config: ModelConfig, folder: Path, download: bool) -> EmbeddingNetwork:
    """The network of `config` with torchvision's backbone and random heads.

    The file is looked for in `folder` under the name that torchvision gives it, which ends in the first eight digits
    of its SHA-256 (the public source of the pinned hash); it is checked each time. Raises `WeightsError` where it is
    absent and `download` is off, where no network answers, or where the hash differs.
    """
    weights = getattr(getattr(torchvision.models, f"ResNet{config.backbone[6:]}_Weights"), ENUMS[config.backbone])
    path = Path(folder) / weights.url.rsplit("/", 1)[1]
    if not path.is_file():
        if not download:
            raise WeightsError(path, "torchvision's ImageNet weights", "no such file",
                               f"Add --download imagenet, or put {weights.url} there.")
        _fetch(weights.url, path)
    digits = path.stem.rsplit("-", 1)[1]
    found = sha256_of(path)
    if not found.startswith(digits):
        raise WeightsError(path, f"a SHA-256 that begins with {digits}", found[:16],
                           "Delete the file and fetch it again.")
    model = build_network(config)
    place_backbone(model, torch.load(path, map_location="cpu", weights_only=True), path)
    return model


def place_backbone(model: EmbeddingNetwork, backbone: dict[str, Tensor], path: Path) -> None:
    """Copy a torchvision ResNet's tensors into `model`; its classifier and stages that no tap needs are left."""
    state = model.state_dict()
    wanted = {name for name in state if not name.startswith("heads.")}
    renamed = {("stages." if name.startswith("layer") else "stem.") + name: t for name, t in backbone.items()}
    missing = sorted(n for n in wanted if n not in renamed or renamed[n].shape != state[n].shape)
    missing = [n for n in missing if not n.endswith("num_batches_tracked")]
    if missing:
        raise WeightsError(path, f"the {len(wanted)} tensors of a {model.config.backbone}",
                           f"{len(missing)} missing or of another shape, first {missing[0]}")
    model.load_state_dict({n: renamed[n] for n in wanted if n in renamed}, strict=False)
    model.adopt_backbone()


def _fetch(url: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[1])
    except (OSError, RuntimeError) as error:
        raise WeightsError(url, "a download", str(error), f"Fetch it elsewhere and put it at {path}.") from error

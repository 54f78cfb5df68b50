"""The block codec as one safetensors file: its networks, and how often bits change at each place of their codes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes

from mtmc.archive.bit_coder import SCALE
from mtmc.archive.block_networks import BlockCodecConfig, BlockNetwork
from mtmc.archive.deblocking import Deblocker
from mtmc.config import build, to_plain
from mtmc.errors import MtmcError, WeightsError
from mtmc.files import write_bytes

FORMAT = "mtmc-block-codec-1"
SHIPPED_CODEC = Path(__file__).with_name("block_codec_vehicles.safetensors")
_REMEDY = "Give a file written by archive_run.py train-codec."


@dataclass(frozen=True, eq=False)
class BlockCodec:
    """A trained codec.

    networks: one a code length, cheapest first. changes: for each a uint16 (n, 2) table for `bit_coder`.
    deblocker: None, or what smooths the seams of whole pictures. digest: 16 bytes that tell one codec from another.
    """

    config: BlockCodecConfig
    networks: tuple[BlockNetwork, ...]
    changes: tuple[np.ndarray, ...]
    deblocker: Deblocker | None
    digest: bytes


def codec_bytes(
    config: BlockCodecConfig, networks: tuple[BlockNetwork, ...], changes: tuple[np.ndarray, ...],
    deblocker: Deblocker | None, training_data: str,
) -> bytes:
    """The file's content. Filters are stored in half precision, as they are then used by everybody."""
    modules = {f"network{i}": network for i, network in enumerate(networks)}
    modules |= {"deblocker": deblocker} if deblocker is not None else {}  # type: ignore[dict-item]
    tensors = {f"{prefix}.{name}": tensor.detach().to(torch.float16 if tensor.ndim > 1 else torch.float32).contiguous()
               for prefix, module in modules.items() for name, tensor in module.state_dict().items()}
    for i, table in enumerate(changes):
        tensors[f"changes{i}"] = torch.from_numpy(table.astype(np.int32))
    described = {"config": to_plain(config), "training_data": training_data}
    return safetensors_bytes(tensors, {FORMAT: json.dumps(described, sort_keys=True)})


def save_codec(path: Path, content: bytes) -> None:
    """Write `codec_bytes`, atomically."""
    write_bytes(path, content)


def load_codec(path: Path) -> BlockCodec:
    """The codec of a file, in evaluation mode on the CPU. Raises `WeightsError` for a file that is none."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            described = json.loads((file.metadata() or {})[FORMAT])
        config = build(BlockCodecConfig, described["config"], f"{path} metadata")
        networks = tuple(_loaded(BlockNetwork(bits, config.filters), tensors, f"network{i}.")
                         for i, bits in enumerate(config.code_bits))
        changes = tuple(tensors[f"changes{i}"].numpy() for i in range(len(networks)))
        deblocker = None
        if any(name.startswith("deblocker.") for name in tensors):
            deblocker = _loaded(Deblocker(), tensors, "deblocker.")
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        if isinstance(error, MtmcError) and not isinstance(error, ValueError):
            raise
        raise WeightsError(path, "a whole block codec", " ".join(str(error).split()), _REMEDY) from error
    for table, network in zip(changes, networks, strict=True):
        if table.shape != (network.bits, 2) or table.min() < 1 or table.max() >= SCALE:
            raise WeightsError(path, f"changes of shape ({network.bits}, 2), 1 to {SCALE - 1}", f"{table.shape}",
                               _REMEDY)
    digest = hashlib.sha256(Path(path).read_bytes()).digest()[:16]
    return BlockCodec(config, networks, tuple(t.astype(np.uint16) for t in changes), deblocker, digest)


def _loaded(module: torch.nn.Module, tensors: dict[str, torch.Tensor], prefix: str):  # type: ignore[no-untyped-def]
    mine = {name[len(prefix) :]: tensor.float() for name, tensor in tensors.items() if name.startswith(prefix)}
    if not all(torch.isfinite(tensor).all() for tensor in mine.values()):
        raise ValueError(f"NaN or infinity in {prefix}*")
    module.load_state_dict(mine, strict=True)
    return module.eval()

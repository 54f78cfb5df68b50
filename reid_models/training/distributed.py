"""The place of this process among those that `torchrun` started."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Place:
    """rank of world processes; local: number among those of this machine (its GPU)."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def agree(self, value: float) -> float:
        """The value of process 0, in all processes."""
        if self.world == 1:
            return value
        tensor = torch.tensor([value], dtype=torch.float64)
        if dist.get_backend() == "nccl":
            tensor = tensor.cuda()
        dist.broadcast(tensor, 0)
        return float(tensor.item())


@contextlib.contextmanager
def process_group() -> Iterator[Place]:
    """Join the processes of `torchrun` (NCCL where there are GPUs, else Gloo); alone without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Place()
        return
    place = Place(int(os.environ["RANK"]), world, int(os.environ.get("LOCAL_RANK", "0")))
    if torch.cuda.is_available():
        torch.cuda.set_device(place.local)
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield place
    finally:
        dist.destroy_process_group()

"""Better codes at encoding time (seeds_digest G, "code optimisation"): what is decoded stays fixed, the code moves.

Published: the encoder is tuned on one block until the decoder meets the target. All that a tuned encoder gives is a
code, so here the code itself is tuned, many blocks side by side, which needs no copy of the encoder a block.
"""

from __future__ import annotations

import numpy as np
import torch

from mtmc.archive.block_networks import BATCH, BlockNetwork, decode, to_tensor
from mtmc.archive.codes import with_noise
from mtmc.archive.fidelity import block_errors

_RATE = 0.15  # of Adam on logits; a bit at ±2 turns in about 20 steps
_START = 2.0  # logit of a bit of the first code: sure, yet with slope left
_LOOK_EVERY = 10  # steps between trials of the rounded code


def search_codes(
    network: BlockNetwork, blocks: np.ndarray, bits: np.ndarray, steps: int, target_error: float, seed: int = 0
) -> np.ndarray:
    """uint8 (B, n): for each block uint8 (B, 32, 32, 3) the best code met on a way that begins at `bits`.

    Never worse than `bits`. A code that reaches `target_error` is left as it is. The network is not changed.
    """
    best = bits.copy()
    errors = block_errors(blocks, decode(network, bits))
    todo = np.flatnonzero(errors > target_error)
    for start in range(0, len(todo), BATCH):
        rows = todo[start : start + BATCH]
        best[rows] = _search(network, blocks[rows], bits[rows], errors[rows], steps, seed)
    return best


def _search(
    network: BlockNetwork, blocks: np.ndarray, bits: np.ndarray, errors: np.ndarray, steps: int, seed: int
) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    images = to_tensor(blocks)
    logits = ((torch.from_numpy(bits.astype(np.float32)) * 2 - 1) * _START).requires_grad_()
    optimiser = torch.optim.Adam([logits], _RATE)
    best, lowest = bits.copy(), errors.copy()
    for step in range(1, steps + 1):
        codes = with_noise(torch.sigmoid(logits), generator)
        loss = (network.decoder(codes) - images).square().mean(dim=(1, 2, 3)).sum()
        (logits.grad,) = torch.autograd.grad(loss, [logits])  # the decoder's own gradients are never made
        optimiser.step()
        if step % _LOOK_EVERY == 0 or step == steps:
            found = (logits.detach() > 0).to(torch.uint8).numpy()
            now = block_errors(blocks, decode(network, found))
            better = now < lowest
            best[better], lowest[better] = found[better], now[better]
    return best

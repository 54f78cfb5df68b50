"""Verification loss of the verification-identification siamese network (Zheng, Zheng, Yang 2016; seeds_digest E1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtmc.errors import InputError
from reid_models.data.marks import Marks
from reid_models.pair_verifier import PairVerifier


class VerificationLoss(nn.Module):
    """Mean over the batch's pairs of −log of the verifier's probability for what the pair is.

    A pair is a slot of two images; a sampler that draws pairs makes them (`sampler.kind: pairs`). The source adds this
    loss with weight 1 and the identification losses of the two images with ½ each: since `Objective` averages the
    identity loss over all images, `identity_weight: 1` is that ½ + ½.
    """

    def __init__(self, verifier: PairVerifier) -> None:
        super().__init__()
        self.verifier = verifier

    def forward(self, embeddings: Tensor, marks: Marks) -> Tensor:
        """embeddings: joined unit vectors (N, D). Raises `InputError` where images do not come in pairs."""
        order = torch.argsort(marks.slots, stable=True)
        slots = marks.slots[order].reshape(-1, 2) if len(order) % 2 == 0 else order.new_zeros(1, 2)
        if len(order) % 2 or not bool((slots[:, 0] == slots[:, 1]).all()):
            raise InputError("verification loss", "a batch of pairs", "another batch",
                             "Set sampler.kind: pairs, or loss.verification_weight: 0.")
        first, second = order.reshape(-1, 2).T
        answers = (marks.identities[first] == marks.identities[second]).long()
        return functional.cross_entropy(self.verifier(embeddings[first], embeddings[second]), answers)

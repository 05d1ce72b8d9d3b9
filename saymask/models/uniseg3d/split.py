"""A sentence's mask as one mask for each object in it (ours: the published model has one mask per sentence, §6.4)."""

import torch
from torch import Tensor

from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.encoded import Said
from saymask.models.uniseg3d.matching import wide
from saymask.models.uniseg3d.naming import shown_objects

MEANT = 0.5
"""Share of an object's points that a mask holds when it means the object."""


def split_objects(logits: Tensor, said: Said, counts: Tensor, config: UniSeg3DConfig) -> Tensor:
    """Return logits float [M, S], M ≥ 1, of disjoint masks whose union is that of logits float [S] (> 0).

    The objects are the confident ones among the scan's (`naming.shown_objects`) that lie in the mask with more than
    half of their points. Each superpoint of the mask goes to that of them whose query likes it most. Nothing is split
    where fewer than two objects are meant. counts: int64 [S], points of each superpoint.
    """
    inside = logits > 0
    found = shown_objects(said.stage, counts, config)
    held = (found.masks & inside) * counts
    meant = found.take(held.sum(1) > MEANT * (found.masks * counts).sum(1))
    if len(meant) < 2:
        return logits[None]
    owner = wide(said.stage.masks[meant.queries]).argmax(0)
    mine = owner == torch.arange(len(meant), device=owner.device)[:, None]
    rows = torch.where(inside & ~mine, -logits.abs(), logits)
    return rows[(rows > 0).any(1)]

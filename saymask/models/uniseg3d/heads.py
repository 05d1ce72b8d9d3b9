"""Heads of the queries: masks, classes by their texts, semantics, predicted IoU.

Source: docs/systems/uniseg3d.md §3.3.
"""

import math

import torch
from torch import Tensor, nn

from saymask.models.uniseg3d.config import STUFF, UniSeg3DConfig
from saymask.models.uniseg3d.outputs import LayerOutputs
from saymask.nn.blocks import full_precision, mlp, unit


class ClassHead(nn.Module):
    """A query and the mean of the mask features inside its mask, together a direction in the space of the texts."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.pooled = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        self.embed = mlp(width, width, width, text_width)

    def forward(self, normed: Tensor, pooled: Tensor) -> Tensor:
        """Return float32 [Q, W] of length 1 for normed queries and pooled features [Q, D]."""
        return unit(self.embed(self.pooled(pooled) + normed))


class Heads(nn.Module):
    """The heads that all stages share."""

    def __init__(self, config: UniSeg3DConfig) -> None:
        super().__init__()
        width = config.width
        self.scale = math.exp(config.logit_scale)
        self.norm = nn.LayerNorm(width)
        self.things = ClassHead(width, config.text_width)
        self.semantic = ClassHead(width, config.text_width)
        self.iou = mlp(width, width, width, 1)

    def masks(self, normed: Tensor, features: Tensor) -> Tensor:
        """Return float32 logits [Q, S] of normed queries [Q, D] over mask features [S, D]."""
        return full_precision(normed @ features.T)

    def stage(self, normed: Tensor, masks: Tensor, pooled: Tensor, prototypes: Tensor) -> LayerOutputs:
        """Return the answers for Q queries without predicted IoU; `prototypes` are the class embeddings [20, K, W]."""
        directions = self.things(normed, pooled)
        classes = class_logits(directions, prototypes[STUFF:], self.scale)
        return LayerOutputs(classes, masks, full_precision(normed), directions=directions)

    def semantics(self, normed: Tensor, pooled: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32 logits [Q, 21] over all classes, "none" last, and the directions [Q, W] they come from."""
        directions = self.semantic(normed, pooled)
        return class_logits(directions, prototypes, self.scale), directions

    def overlap(self, normed: Tensor) -> Tensor:
        """Return the predicted IoU, float32 [Q], no sigmoid."""
        return full_precision(self.iou(normed)[..., 0])


def class_logits(directions: Tensor, prototypes: Tensor, scale: float) -> Tensor:
    """Return [Q, C + 1]: `scale` · the best cosine among a class's prototypes; "none" is last and always 0.

    directions: [Q, W] of length 1; prototypes: [C, K, W], rows of length 1.

    Source: docs/systems/uniseg3d.md §Q9.
    """
    flat = prototypes.flatten(0, 1).to(directions.dtype)
    with torch.autocast(directions.device.type, enabled=False):  # cosines times 100 need the digits of float32
        best = (directions @ flat.T).unflatten(1, prototypes.shape[:2]).amax(-1)
    return torch.cat([scale * best, best.new_zeros(len(best), 1)], dim=1)


def inside(masks: Tensor, features: Tensor) -> Tensor:
    """Return the mean [Q, D] of features [S, D] over each mask (logit > 0) of logits [Q, S]; an empty mask gives 0.

    The choice of superpoints has no gradient, their features have.
    """
    chosen = (masks.detach() > 0).to(features.dtype)
    return (chosen @ features) / (full_precision(chosen).sum(-1, keepdim=True) + 1e-8)


def blocked_by(masks: Tensor) -> Tensor:
    """Return bool [Q, S], True = the query does not look there: outside its mask (probability below a half).

    A query whose mask is empty sees every superpoint.
    """
    masks = masks.detach()
    return (masks < 0) & (masks.amax(-1, keepdim=True) >= 0)

"""Matching of superpoint queries to objects: the best one of those that lie on the object.

Source: docs/systems/uniseg3d.md §4.1.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.outputs import LayerOutputs, Truth
from saymask.nn.blocks import full_precision


@dataclass(frozen=True, eq=False)
class Pairs:
    """M pairs in order of the queries; an object is in at most one of them, a query may be in several."""

    queries: Tensor  # int64 [M] rows of the superpoint queries
    objects: Tensor  # int64 [M] rows of Truth.masks: instances, or novel objects from Truth.instances on

    def __len__(self) -> int:
        return len(self.queries)


def match(costs: Tensor, inside: Tensor) -> Pairs:
    """Pair every object with its cheapest query of those inside it; `costs` float and `inside` bool are [Q, G].

    A pair must be strictly cheaper than the object's second best query, so objects whose two best queries tie stay
    alone (docs/systems/uniseg3d.md §Q7), and so do objects without a query inside. One query alone competes with
    nothing (the official code needs two, docs/systems/uniseg3d.md §Q10); Q and G may be 0.
    """
    costs = costs.masked_fill(~inside, math.inf)
    second = F.pad(costs, (0, 0, 0, 2), value=math.inf).topk(2, dim=0, largest=False).values[1]  # two rows: Q may be 0
    query, thing = (costs < second).nonzero(as_tuple=True)
    return Pairs(query, thing)


def match_stage(stage: LayerOutputs, truth: Truth, config: UniSeg3DConfig) -> tuple[Pairs, Pairs]:
    """Return the pairs of (instances, novel objects) of a stage of one scene's superpoint queries; no gradient.

    Instances cost -probability of their class, cross-entropy and dice, weighted as in the losses; novel objects cost
    the two mask terms, and the queries of instances are not available to them. Computed in float32, float64 where the
    masks are.
    """
    inside = truth.masks[:, truth.queries].T  # [Q, I + J]
    rows = inside.any(1).nonzero()[:, 0]  # the other queries cannot be paired: their costs are not needed
    inside = inside[rows]
    costs = mask_costs(full_precision(stage.masks.detach().index_select(0, rows)), truth.masks, config)
    known = truth.instances
    probability = full_precision(stage.classes.detach().index_select(0, rows)).softmax(1)[:, truth.labels]
    base = match(costs[:, :known] - config.class_weight * probability, inside[:, :known])
    free = inside[:, known:].index_fill(0, base.queries, False)
    novel = match(costs[:, known:], free)
    return Pairs(rows[base.queries], base.objects), Pairs(rows[novel.queries], novel.objects + known)


def mask_costs(logits: Tensor, targets: Tensor, config: UniSeg3DConfig) -> Tensor:
    """Return the weighted sum of cross-entropy and dice of every pair, float [Q, G].

    `logits` float [Q, S], `targets` bool [G, S]. Sums over superpoints are matrix products: nothing of Q·G·S is held.
    """
    wanted = targets.to(logits.dtype)
    probability = logits.sigmoid()
    both = probability @ wanted.T
    softplus = logits.relu() - torch.maximum(probability, 1 - probability).log()  # faster than F.softplus
    cross_entropy = (softplus.sum(1, keepdim=True) - logits @ wanted.T) / max(1, logits.shape[1])
    dice = 1 - (2 * both + 1) / (probability.sum(1, keepdim=True) + wanted.sum(1) + 1)
    return config.mask_weight * cross_entropy + config.dice_weight * dice

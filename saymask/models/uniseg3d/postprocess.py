"""Post-processing of all tasks from the decoder's last stage (docs/systems/uniseg3d.md §6.1, §6.2, §6.3, §6.4, §6.5).

Everything stays at superpoints. Masks are constant on them, so thresholds on points need the number of points of each
superpoint only, and a point's answer is that of its superpoint: exactly what point arrays would give.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from scipy.sparse import csr_array
from torch import Tensor

from saymask.errors import InputError
from saymask.models.uniseg3d.config import CLASSES, STUFF, THINGS, UniSeg3DConfig
from saymask.models.uniseg3d.outputs import LayerOutputs
from saymask.nn.blocks import full_precision
from saymask.nn.components import own_components

FIRST_ID = 2
"""Instance id of the lowest scored thing in a panoptic answer; the smaller ones are the stuff classes."""
ENTRIES_AT_ONCE = 2**22
"""Entries of masks that are weighted together."""


@dataclass(frozen=True, eq=False)
class Found:
    """K masks over S superpoints, the best first."""

    masks: Tensor  # bool [K, S]
    scores: Tensor  # float [K]
    queries: Tensor  # int64 [K]: superpoint query (so: superpoint) that the mask comes from; may repeat
    labels: Tensor | None = None  # int64 [K] thing classes 0..17; None = unnamed
    directions: Tensor | None = None  # float [K, W] of length 1, of the queries; None = not needed

    def __len__(self) -> int:
        return len(self.masks)

    def take(self, rows: Tensor) -> "Found":
        """Return the masks of `rows`, bool [K] or int64 [k]."""
        labels, directions = (None if x is None else x[rows] for x in (self.labels, self.directions))
        return Found(self.masks[rows], self.scores[rows], self.queries[rows], labels, directions)


@dataclass(frozen=True, eq=False)
class Panoptic:
    """The panoptic answer at S superpoints; -1 = nothing, with `config.empty_rest`."""

    semantic: Tensor  # int64 [S]: 0 wall, 1 floor, 2..19 things
    instance: Tensor  # int64 [S]: 0 or 1 on stuff (its class), from 2 on things, larger = higher score


@dataclass(frozen=True, eq=False)
class OwnParts:
    """Cuts masks to the connected part where their query's superpoint lies (ours, `config.connected`)."""

    superpoints: Tensor  # int64 [Q]: superpoint of each query
    counts: Tensor  # int64 [S] points of each superpoint
    graph: csr_array  # [S, S] superpoints that lie near each other

    def __call__(self, masks: Tensor, queries: Tensor) -> Tensor:
        """Return bool [K, S]: the own part of masks bool [K, S] of `queries` int64 [K].

        The largest part by points where the superpoint lies outside of its mask.
        """
        bits, own, counts = (t.cpu().numpy() for t in (masks, self.superpoints[queries], self.counts))
        return torch.from_numpy(own_components(bits, own, counts, self.graph)).to(masks.device)


def matrix_nms(
    masks: Tensor,  # float [M, S] probabilities
    labels: Tensor,  # int64 [M]
    scores: Tensor,  # float [M]
    *,
    kernel: Literal["linear", "gaussian"] = "linear",
    sigma: float = 2.0,
    filter_thr: float | None = None,
    nms_pre: int | None = None,
    max_num: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return (scores float [K] lowered by overlaps, rows int64 [K] of the input), the highest score first.

    Mask j is lowered by every better mask i of its label: linear by (1 - IoU_ij) / (1 - comp_i), gaussian by
    exp(-σ·IoU_ij²) / exp(-σ·comp_i²), where comp_i is the largest IoU of i with a better mask; the smallest counts.
    IoUs are of the soft masks. Nothing is removed, except by the options: `nms_pre` looks at that many masks only,
    `filter_thr` drops lowered scores below it, `max_num` keeps that many. Of equal scores the first row wins.

    A mask identical to a better one gets score 0. When that one had a twin, too, the published code has 0 / 0 = NaN
    instead, which passes no threshold either. IoUs that rounding (of products in reduced precision) pushes above 1
    count as 1, and two masks that are 0 everywhere have the IoU 0: in the published code a single such pair turns every
    score negative or NaN.

    Source: docs/systems/uniseg3d.md §6.1.
    """
    if kernel not in ("linear", "gaussian"):
        raise InputError(f"expected the kernel 'linear' or 'gaussian', got {kernel!r}; pass one of the two")
    order = scores.argsort(descending=True, stable=True)[:nms_pre]
    soft, label, score = full_precision(masks)[order], labels[order], full_precision(scores)[order]
    if len(order):
        area = soft.sum(1)
        both = soft @ soft.T
        overlap = (both / (area[:, None] + area - both)).nan_to_num(0).clamp(max=1)
        overlap = (overlap * (label[:, None] == label)).triu(1)
        covered = overlap.amax(0)[:, None]
        if kernel == "linear":
            decay = torch.where(overlap == 1, 0, (1 - overlap) / (1 - covered))
        else:
            decay = torch.exp(-sigma * (overlap.square() - covered.square()))
        score = score * decay.amin(0)
    if filter_thr is not None:
        kept = score >= filter_thr
        order, score = order[kept], score[kept]
    score, again = score.sort(descending=True, stable=True)
    return score[:max_num], order[again[:max_num]]


def mask_scores(masks: Tensor) -> Tensor:
    """Return the mean probability of each mask's superpoints with positive logits, float [Q]; masks [Q, S] logits.

    0 for masks without such a superpoint.
    """
    masks = full_precision(masks)
    positive = masks > 0
    return (masks.sigmoid() * positive).sum(1) / (positive.sum(1).to(masks.dtype) + 1e-6)


def instances(
    classes: Tensor,  # float [Q, 19] logits, "no object" last
    masks: Tensor,  # float [Q, S] logits
    counts: Tensor,  # int64 [S] points of each superpoint
    config: UniSeg3DConfig,
    *,
    iou: Tensor | None = None,  # float [Q] predicted IoU, a factor of the scores
    threshold: float = 0.0,
    own: OwnParts | None = None,  # what an object is of its mask; None = all
) -> Found:
    """Return the scored things of a scene, best first; a query may give several, with different classes.

    Scores are the class probability (times `iou`) times `mask_scores`, lowered by `matrix_nms`; only those above
    `threshold` stay. Of Q·18 candidates the best `config.top_masks` are looked at, all of them when there are fewer
    (the published code fails, docs/systems/uniseg3d.md §Q10).

    Source: docs/systems/uniseg3d.md §6.1.
    """
    _check_counts(masks, counts)
    masks = full_precision(masks)
    share = full_precision(classes).softmax(1)[:, :THINGS]
    if iou is not None:
        share = share * full_precision(iou)[:, None]
    score, flat = share.flatten().topk(min(config.top_masks, share.numel()))
    query, label = flat // THINGS, flat % THINGS
    chosen = query.unique()  # the sigmoid of a query is taken once, however many classes it has
    score = score * mask_scores(masks[chosen])[torch.searchsorted(chosen, query)]
    if own is not None:  # what fails the threshold before the others lower it need not be cut
        likely = score > threshold
        score, query, label = score[likely], query[likely], label[likely]
        chosen = query.unique()
    place = torch.searchsorted(chosen, query)
    probability = masks[chosen].sigmoid()
    if own is not None:
        probability = probability * own(probability > config.mask_threshold, chosen)
    score, rows = matrix_nms(probability[place], label, score)
    place, query, label = place[rows], query[rows], label[rows]
    inside = probability > config.mask_threshold
    large = points(inside, counts) > config.fewest_points
    kept = (score > threshold) & large[place]
    return Found(inside[place[kept]], score[kept], query[kept], label[kept])


def points(masks: Tensor, counts: Tensor) -> Tensor:
    """Return the number of points of each mask, int64 [K]; masks bool [K, S], counts int64 [S]."""
    return (masks * counts).sum(1)


def semantic(logits: Tensor) -> Tensor:
    """Return the class of each superpoint, int64 [S] 0..19, from logits [S, 21]; "none" is no answer.

    Source: docs/systems/uniseg3d.md §6.2.
    """
    return logits[:, :CLASSES].argmax(1)


def panoptic(
    classes: Tensor,  # float [Q, 19] logits
    masks: Tensor,  # float [Q, S] logits
    iou: Tensor,  # float [Q] predicted IoU
    semantics: Tensor,  # float [S, 21] logits
    counts: Tensor,  # int64 [S]
    config: UniSeg3DConfig,
) -> Panoptic:
    """Return the panoptic answer of a scene: things whose scores pass `config.panoptic_threshold`, else stuff.

    The things' scores contain the predicted IoU, those of `instances` do not (docs/systems/uniseg3d.md §Q12).

    Source: docs/systems/uniseg3d.md §6.3.
    """
    things = instances(classes, masks, counts, config, iou=iou, threshold=config.panoptic_threshold)
    return stitch(things, semantics, counts, config)


def stitch(things: Found, semantics: Tensor, counts: Tensor, config: UniSeg3DConfig) -> Panoptic:
    """Lay `things` (the best first, with labels) over stuff: a superpoint goes to the best thing that covers it.

    Things that keep `config.fewest_points` points or fewer vanish, what they covered is stuff. With `config.empty_rest`
    only what is likelier wall or floor than anything else is stuff, the rest is nothing. `semantics` float [S, 21]
    logits; `counts` int64 [S].

    Source: docs/systems/uniseg3d.md §6.3.
    """
    if len(semantics) != len(counts):
        raise InputError(
            f"expected semantic logits of every superpoint ({len(counts)}), got {len(semantics)}; "
            "in prediction every superpoint is a query"
        )
    stuff = semantics[:, :STUFF].argmax(1)
    if config.empty_rest:
        stuff = stuff.masked_fill(semantics[:, :CLASSES].argmax(1) >= STUFF, -1)
    if not len(things):
        return Panoptic(stuff, stuff)
    if things.labels is None:
        raise InputError("expected things with labels, got unnamed masks; use `instances`")
    covered, best = things.masks.max(0)  # of several True the first, which has the highest score
    kept = counts.new_zeros(len(things)).index_add_(0, best, counts * covered)
    thing = covered & (kept > config.fewest_points)[best]
    return Panoptic(
        semantic=torch.where(thing, things.labels[best] + STUFF, stuff),
        instance=torch.where(thing, len(things) - 1 - best + FIRST_ID, stuff),
    )


def prompt_masks(masks: Tensor, config: UniSeg3DConfig) -> Tensor:
    """Return the masks of clicks or sentences, bool [P, S], from their logits [P, S]: probability above 0.4.

    Source: docs/systems/uniseg3d.md §6.4.
    """
    return full_precision(masks).sigmoid() > config.mask_threshold


def prompt_answers(stage: LayerOutputs, counts: Tensor, config: UniSeg3DConfig) -> tuple[Tensor, Tensor]:
    """Return logits [P, S], positive where the probability is above `config.mask_threshold`, and scores [P] in 0..1.

    The score is the mean probability over the points of the mask times that of showing any class; `counts` int64 [S].
    """
    threshold, masks = config.mask_threshold, full_precision(stage.masks)
    logits = masks - math.log(threshold / (1 - threshold))
    sure = weighted_mean(masks.sigmoid(), (logits > 0) * counts)
    return logits, (sure * stage.something()).clamp(0, 1)


def class_agnostic(masks: Tensor, iou: Tensor, config: UniSeg3DConfig, own: OwnParts | None = None) -> Found:
    """Return the unnamed masks of a scene with confidence above `config.agnostic_threshold`, in query order.

    `masks` float [Q, S] logits, `iou` float [Q]; confidence is `mask_scores` times `iou`. Overlaps stay. `own` cuts
    masks to what an object is of them.

    Source: docs/systems/uniseg3d.md §6.5.
    """
    masks = full_precision(masks)
    confidence = mask_scores(masks) * full_precision(iou)
    query = (confidence > config.agnostic_threshold).nonzero()[:, 0]
    inside = prompt_masks(masks[query], config)
    return Found(inside if own is None else own(inside, query), confidence[query], query)


def _check_counts(masks: Tensor, counts: Tensor) -> None:
    if counts.shape != masks.shape[1:] or counts.is_floating_point():
        raise InputError(
            f"expected the number of points of each of {masks.shape[1]} superpoints as integers, "
            f"got {counts.dtype} {tuple(counts.shape)}; count them with torch.bincount(superpoint, minlength=S)"
        )


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of values float [..., S] with non-negative weights [..., S]; 0 where these are 0."""
    weights = weights.to(values.dtype)
    return (values * weights).sum(-1) / weights.sum(-1).clamp(min=1)


def mean_over(values: Tensor, masks: Tensor, counts: Tensor) -> Tensor:
    """Return the mean [K] of values float [S] over the points of masks bool [K, S]; counts int64 [S].

    Rows are taken in parts, so that many masks over many superpoints take no more memory than the masks themselves.
    """
    parts = masks.split(max(1, ENTRIES_AT_ONCE // max(1, masks.shape[1])))
    return torch.cat([weighted_mean(values, part * counts) for part in parts])

"""Referred objects: those of a scan that a sentence means (ours: the published answer is one mask per sentence).

A sentence's mask is vague where several objects might be meant: it covers a part of each. The model knows the objects
of the scan much better than that, so the mask only says how much of each it takes in.

Source: docs/systems/uniseg3d.md §6.4.
"""

from typing import Literal

import torch
from torch import Tensor

from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.encoded import EncodedScan
from saymask.models.uniseg3d.naming import weighted_mean

LEAST = 0.2
"""Mean probability that the likeliest object needs where exactly one is asked for."""


def referred_objects(
    probability: Tensor,  # float [S] of the sentence's mask
    objects: Tensor,  # bool [K, S]
    counts: Tensor,  # int64 [S] points of each superpoint
    count: Literal["one", "any"],
    config: UniSeg3DConfig,
) -> tuple[Tensor, Tensor]:
    """Return the rows int64 [M] of the objects that are meant, the surest first, and how sure, float [M] in 0..1.

    Sure is the mean probability over an object's points. "any" takes those from `config.object_threshold` on, "one" the
    surest, if it has `LEAST`. No object is an answer, too: what is meant may be none of the scan's objects.
    """
    sure = weighted_mean(probability.expand(len(objects), -1), objects * counts)
    order = sure.argsort(descending=True, stable=True)
    if count == "one":
        rows = order[:1]
        rows = rows[sure[rows] >= LEAST]
    else:
        rows = order[sure[order] >= config.object_threshold]
    return rows, sure[rows]


def object_logits(objects: Tensor, sure: Tensor, threshold: float) -> Tensor:
    """Return logits float [M, S], positive inside objects bool [M, S]: how far `sure` [M] is above `threshold`."""
    above = (sure.logit(1e-6) - torch.full_like(sure, threshold).logit()).clamp(min=1e-3)[:, None]
    return torch.where(objects, above, -above)


def answer(
    scan: EncodedScan,
    mask: Tensor,  # float [S] logits of the sentence's mask
    row: Tensor,  # the same, positive where its probability is above `config.mask_threshold`
    something: Tensor,  # float, the probability that the sentence means anything
    score: Tensor,  # float, how sure the mask is
    count: Literal["one", "any"],
    config: UniSeg3DConfig,
) -> tuple[Tensor, Tensor]:
    """Return logits [M, S] and scores [M] of the objects that a sentence means; "one" always gets one row.

    Without such an object its own mask is the answer, if it has any.
    """
    if count == "any" and not (bool((row > 0).any()) and bool(something >= config.target_threshold)):
        return row[None][:0], score[None][:0]
    objects = scan.objects(config).masks
    rows, sure = referred_objects(mask.sigmoid(), objects, scan.counts, count, config)
    if not len(rows):
        return row[None], score[None]
    return object_logits(objects[rows], sure, config.mask_threshold), (sure * something).clamp(0, 1)

"""Naming of masks by words: unnamed masks of a scan are compared with texts instead of classes (ours).

The published open-vocabulary step names the masks by CLIP features of posed frames (docs/systems/uniseg3d.md §6.7),
which a scan alone does not have. Here the model's own class direction of each mask is compared with the texts.

Source: docs/systems/uniseg3d.md §6.5.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from saymask.models.uniseg3d.config import CLASSES, STUFF, UniSeg3DConfig
from saymask.models.uniseg3d.heads import Heads, class_logits, inside
from saymask.models.uniseg3d.outputs import LayerOutputs
from saymask.models.uniseg3d.postprocess import Found, class_agnostic, points

SAME_OBJECT = 0.5
"""IoU of points from which two masks are taken for the same object."""
SAME_MEANING = 0.5
"""Share of the way from the mean similarity of a name to all classes to 1 from which a class means the same."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """K masks that a name may be given to: objects, then wall and floor where there are any."""

    masks: Tensor  # bool [K, S]
    confidence: Tensor  # float32 [K] in 0..1
    directions: Tensor  # float32 [K, W] of length 1


def candidates(
    found: Found,  # the scan's `shown_objects`
    stage: LayerOutputs,  # of the superpoint queries that they come from
    features: Tensor,  # float [S, D] mask features
    semantic: Tensor,  # float [S, 21] logits
    counts: Tensor,  # int64 [S] points of each superpoint
    heads: Heads,
    class_embeddings: Tensor,  # float [20, K, W]
) -> Candidates:
    """Return the masks of a scan that a name may be given to: its objects, wall and floor.

    Wall and floor are the superpoints whose class they are, with the direction of their own texts, since the object
    queries never learned them.
    """
    pooled = inside(stage.masks[found.queries], features)
    shown = [(found.masks, found.scores.clamp(0, 1), heads.things(stage.embeddings[found.queries], pooled))]
    probability = semantic[:, :CLASSES].softmax(1)
    best = semantic[:, :CLASSES].argmax(1)
    for stuff in range(STUFF):
        mask = best == stuff
        if bool(mask.any()):
            sure = weighted_mean(probability[:, stuff], mask * counts)
            shown.append((mask[None], sure[None], class_embeddings[stuff, :1].to(semantic.dtype)))
    return Candidates(*(torch.cat(column) for column in zip(*shown)))


def shown_objects(stage: LayerOutputs, counts: Tensor, config: UniSeg3DConfig) -> Found:
    """Return the confident masks of a scan, the best first; of those that show the same object the most confident.

    An object has more than `config.fewest_points` points.
    """
    assert stage.iou is not None
    found = class_agnostic(stage.masks, stage.iou, config)
    found = found.take(points(found.masks, counts) > config.fewest_points)
    found = found.take(found.scores.argsort(descending=True, stable=True)[: config.top_masks])
    return found.take(distinct(found.masks, counts))


def distinct(masks: Tensor, counts: Tensor) -> Tensor:
    """Return the rows int64 of masks bool [K, S], best first, that overlap no better one that stays."""
    weight = counts.float()
    both = (masks * weight) @ masks.float().T
    area = both.diagonal()
    doubled = (both / (area[:, None] + area - both).clamp(min=1) > SAME_OBJECT).cpu()
    free = torch.ones(len(masks), dtype=torch.bool)
    for row in range(len(masks)):
        if free[row]:
            free[row + 1 :] &= ~doubled[row, row + 1 :]
    return free.nonzero()[:, 0].to(masks.device)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of values float [..., S] with non-negative weights [..., S]; 0 where these are 0."""
    weights = weights.to(values.dtype)
    return (values * weights).sum(-1) / weights.sum(-1).clamp(min=1)


def same_meaning(names: Tensor, classes: Tensor) -> Tensor:
    """Return bool [T, 20], which classes mean the same as a name; embeddings float [T, K, W] and [20, K', W].

    Unrelated words are not at the cosine 0 in these spaces, so that the mean over the classes is taken for unrelated.
    """
    similar = (names.flatten(0, 1) @ classes.flatten(0, 1).T).unflatten(1, classes.shape[:2]).amax(-1)
    similar = similar.unflatten(0, names.shape[:2]).amax(1)
    mean = similar.mean(1, keepdim=True)
    return similar - mean >= SAME_MEANING * (1 - mean)


def relevance(found: Candidates, names: Tensor, class_embeddings: Tensor, scale: float) -> Tensor:
    """Return float32 [K, T] in 0..1: how well each mask fits each name, embeddings float [T, K', W].

    It is the probability of the name among the 20 classes and "none", times the mask's confidence. Names do not compete
    with each other, and a class that means the same as a name ("couch", "sofa") counts for it, not against it.
    """
    asked = class_logits(found.directions, names, scale)[:, :-1]
    known = class_logits(found.directions, class_embeddings, scale)[:, None, :CLASSES]
    same = same_meaning(names, class_embeddings)
    own = torch.maximum(asked, known.masked_fill(~same, -torch.inf).amax(-1))
    others = torch.logaddexp(known.masked_fill(same, -torch.inf).logsumexp(-1), asked.new_zeros(()))
    return (own - others).sigmoid() * found.confidence[:, None]

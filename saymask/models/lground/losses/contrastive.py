"""Stage 1 of LGround: voxel features are pulled to frozen text anchors of their class (arXiv 2204.07761, section 3.1).

The published loss is `contrastive`; `anchor_cross_entropy`, `anchor_mse` and `voxel_contrast` are the other choices of
the official code (docs/systems/lground.md §4.1, §4.2). All give one value per voxel; `classification.reduce_losses`
makes the scalar of it. Ignored voxels have label -1. Everything is computed in float32, float64 where the features are.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from saymask.errors import InputError
from saymask.nn.blocks import full_precision

Distance = Literal["cos", "l2"]
"""Distance of a feature from an anchor: 1 - cosine, or sqrt(‖f - b‖² + 1e-7) of vectors as they are.

The official code's third choice, `l1`, sums signed differences and is no distance; it is left out.
"""
NORM_WEIGHT = 0.2
"""Value of `norm_penalty` for all norms."""


@dataclass(frozen=True, eq=False)
class Hinge:
    """The contrastive loss of N voxels, before it is reduced."""

    positive: Tensor
    """float [N]: max(0, d⁺ - positive margin); 0 where ignored."""
    negative: Tensor
    """float [N]: max(0, negative margin - d⁻), d⁻ the mean over the negatives; the constant margin where ignored."""
    loss: Tensor
    """float [N]: positive + weight · negative."""
    valid: Tensor
    """bool [N]: False where ignored."""

    def logs(self) -> dict[str, Tensor]:
        """Return the detached means of both parts over the valid voxels, empty without any.

        The official log averages the constant of the ignored voxels too (docs/systems/lground.md §7.9).
        """
        if not bool(self.valid.any()):
            return {}
        parts = {"positive": self.positive, "negative": self.negative}
        return {name: value.detach()[self.valid].mean() for name, value in parts.items()}


def draw_negatives(
    labels: Tensor,  # int64 [N], -1 ignored
    classes: int,
    count: int = 3,
    *,
    present: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return int64 [N, count]: `count` classes per voxel, uniform with replacement, never the voxel's own.

    They come from all `classes`, or with `present` from those that occur in `labels`. `count` -1 means `classes`
    draws, as in the official option. Ignored voxels have -1, and so has everybody when there is no other class (the
    official code crashes there). One draw for all voxels, on the CPU, so every device gets the same; without a
    `generator` from PyTorch's own.
    """
    count = classes if count < 0 else count
    empty = labels.new_full((len(labels), count), -1)
    if present:
        pool, own = _present(labels)
    else:
        pool, own = torch.arange(classes, device=labels.device), labels
    if len(pool) < 2:
        return empty
    drawn = torch.randint(len(pool) - 1, (len(labels), count), generator=generator).to(labels.device)
    drawn += drawn >= own[:, None]  # step over the own class
    return torch.where(labels[:, None] >= 0, pool[drawn], empty)


def contrastive(
    features: Tensor,  # float [N, D]
    anchors: Tensor,  # float [C, D] or [C, A, D], column 0 of which is the plain name
    labels: Tensor,  # int [N], -1 ignored
    *,
    negatives: Tensor | None = None,  # int [N, K], -1 none
    count: int = 3,
    present: bool = False,
    distance: Distance = "cos",
    positive_margin: float = 0.0,
    negative_margin: float = 0.6,
    negative_weight: float = 1.0,
    attributes: Tensor | None = None,  # int [N]
    generator: torch.Generator | None = None,
) -> Hinge:
    """Return the contrastive hinge of each voxel: near its class's anchor, far from the mean of K other anchors.

    Without `negatives` they are drawn by `draw_negatives(labels, C, count, present=…, generator=…)`. With
    `attributes` the positive anchor is that of (class, attribute); negatives are plain names. A valid voxel without a
    negative has negative part 0. Raises InputError when the shapes do not fit.

    Source: docs/systems/lground.md §4.1.
    """
    features = full_precision(features)
    plain = _plain(anchors, features)
    labels = check_labels(labels, len(features), len(plain))
    if negatives is None:
        negatives = draw_negatives(labels, len(plain), count, present=present, generator=generator)
    elif negatives.ndim != 2 or len(negatives) != len(features):
        raise InputError(f"negatives: expected int [{len(features)}, K], got {list(negatives.shape)}")
    negatives = negatives.long()
    own = labels.clamp(min=0)
    target = None if attributes is None else _attributed(anchors, own, attributes).to(features)
    near, far = _distances(features, plain, own, negatives.clamp(min=0), target, distance)
    drawn = negatives >= 0
    d_negative = far.masked_fill(~drawn, 0).sum(1) / drawn.sum(1).clamp(min=1)
    d_negative = d_negative.masked_fill(~drawn.any(1), negative_margin)
    valid = labels >= 0
    return hinge(
        near.masked_fill(~valid, 0),
        d_negative.masked_fill(~valid, 0),
        valid,
        positive_margin=positive_margin,
        negative_margin=negative_margin,
        negative_weight=negative_weight,
    )


def hinge(
    near: Tensor,  # float [N] distance to the positive, 0 where ignored
    far: Tensor,  # float [N] mean distance to the negatives, 0 where ignored
    valid: Tensor,  # bool [N]
    *,
    positive_margin: float = 0.0,
    negative_margin: float = 0.6,
    negative_weight: float = 1.0,
) -> Hinge:
    """Return the hinge of two distances per voxel; the mean over negatives is taken before.

    Source: docs/systems/lground.md §4.1.
    """
    positive = F.relu(near - positive_margin)
    negative = F.relu(negative_margin - far)
    return Hinge(positive, negative, positive + negative_weight * negative, valid)


def cosine(features: Tensor, anchors: Tensor) -> Tensor:
    """Return the cosine of every feature [N, D] and the plain anchor of every class ([C, D] or [C, A, D]), [N, C]."""
    features = full_precision(features)
    return F.normalize(features, dim=1) @ F.normalize(_plain(anchors, features), dim=1).T


def anchor_cross_entropy(features: Tensor, anchors: Tensor, labels: Tensor, temperature: float = 1.0) -> Tensor:
    """Return float [N]: cross-entropy over the cosines (`contrast_ce`; published without a temperature), 0 if ignored.

    Raises InputError for a temperature that is not above 0.
    """
    if not temperature > 0:
        raise InputError(f"temperature: expected a number above 0, got {temperature}")
    similarity = cosine(features, anchors) / temperature
    labels = check_labels(labels, *similarity.shape)
    return F.cross_entropy(similarity, labels, ignore_index=-1, reduction="none")


def anchor_mse(features: Tensor, anchors: Tensor, labels: Tensor) -> Tensor:
    """Return float [N]: mean over dimensions of (f - a_y)² (`l2`, to be weighted by the user), 0 where ignored."""
    features = full_precision(features)
    plain = _plain(anchors, features)
    labels = check_labels(labels, len(features), len(plain))
    error = (features - plain[labels.clamp(min=0)]).square().mean(1)
    return error.masked_fill(labels < 0, 0)


def norm_penalty(features: Tensor) -> Tensor:
    """Return 0.2·m/m.detach() with m the mean of (‖f‖ - 1)²: the value is always 0.2, the gradient scaled to it.

    0 when there is no voxel or every norm is 1 already. Source: `normalize_features`, docs/systems/lground.md §4.1.
    """
    features = full_precision(features)
    if len(features) == 0:
        return features.sum()
    m = (features.norm(dim=1) - 1).square().mean()
    return NORM_WEIGHT * m / m.detach().clamp(min=torch.finfo(m.dtype).tiny)


@dataclass(frozen=True, eq=False)
class VoxelPairs:
    """Rows of other voxels that a voxel is compared with."""

    positive: Tensor
    """int64 [N]: a voxel of the same class (itself where it is the only one); -1 where ignored."""
    negative: Tensor
    """int64 [N, K]: voxels of other classes; -1 where ignored or where there is no other class."""


def draw_voxels(
    labels: Tensor,  # int64 [N], -1 ignored
    classes: int,
    count: int = 3,
    *,
    confusion: Tensor | None = None,  # [classes, classes], row: true class, column: predicted
    generator: torch.Generator | None = None,
) -> VoxelPairs:
    """Draw a positive and `count` negative voxels for every voxel, with replacement, in one draw for all.

    The class of a negative is drawn among the other classes in the batch with a probability that is proportional to
    the voxel's row of `confusion` + 1 (uniform without it), the voxel uniformly within that class.
    """
    pool, own = _present(labels)
    valid = labels >= 0
    rows = torch.nonzero(valid)[:, 0]
    by_class = rows[torch.argsort(own[rows], stable=True)]
    sizes = torch.bincount(own[rows], minlength=len(pool))
    starts = sizes.cumsum(0) - sizes

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64).to(labels.device)

    def member(rank: Tensor) -> Tensor:
        within = (uniform(*rank.shape) * sizes[rank]).long()
        return by_class[starts[rank] + torch.minimum(within, sizes[rank] - 1)]

    positive = torch.full_like(labels, -1)
    negative = labels.new_full((len(labels), count), -1)
    positive[rows] = member(own[rows])
    if len(pool) > 1:
        weight = torch.ones(len(pool), len(pool), dtype=torch.float64, device=labels.device)
        if confusion is not None:
            weight += confusion.to(weight)[pool][:, pool]
        weight.fill_diagonal_(0)
        bounds = (weight / weight.sum(1, keepdim=True)).cumsum(1)
        bounds[:, -1] = 1
        bounds[-1, -2:] = 1  # the last class's own column, like any own column, holds no share
        # Row r of the table is moved to (r, r + 1], so that one search serves all voxels.
        offset = torch.arange(len(pool), dtype=torch.float64, device=labels.device)
        place = own[rows, None] + uniform(len(rows), count).clamp(max=1 - 1e-9)  # the sum must not round up to the next
        found = torch.searchsorted((bounds + offset[:, None]).flatten(), place, right=True)
        negative[rows] = member(found - own[rows, None] * len(pool))
    return VoxelPairs(positive, negative)


def voxel_contrast(
    features: Tensor,  # float [N, D]
    labels: Tensor,  # int [N], -1 ignored
    classes: int,
    *,
    pairs: VoxelPairs | None = None,
    count: int = 3,
    confusion: Tensor | None = None,
    distance: Distance = "cos",
    positive_margin: float = 0.0,
    negative_margin: float = 0.6,
    negative_weight: float = 1.0,
    generator: torch.Generator | None = None,
) -> Hinge:
    """Return the hinge of each voxel against features of other voxels, which get no gradient (`supcon`).

    The description (docs/systems/lground.md §4.2) names positives, negatives and their weighting only; one positive,
    `count` negatives and the hinge of the anchor loss are our reading of it.
    """
    features = full_precision(features)
    labels = check_labels(labels, len(features), classes)
    if pairs is None:
        pairs = draw_voxels(labels, classes, count, confusion=confusion, generator=generator)
    fixed = features.detach()
    drawn = pairs.negative >= 0
    near = _paired(features, fixed[pairs.positive.clamp(min=0)], distance)
    far = features.new_zeros(len(features))
    for column in range(pairs.negative.shape[1]):  # a few samples, each for all voxels at once
        part = _paired(features, fixed[pairs.negative[:, column].clamp(min=0)], distance)
        far = far + part.masked_fill(~drawn[:, column], 0)
    far = (far / drawn.sum(1).clamp(min=1)).masked_fill(~drawn.any(1), negative_margin)
    valid = labels >= 0
    return hinge(
        near.masked_fill(~valid, 0),
        far.masked_fill(~valid, 0),
        valid,
        positive_margin=positive_margin,
        negative_margin=negative_margin,
        negative_weight=negative_weight,
    )


def check_labels(labels: Tensor, count: int, classes: int) -> Tensor:
    """Return labels as int64; raise InputError unless they are [count] whole numbers of -1 .. classes - 1."""
    if labels.shape != (count,) or labels.is_floating_point():
        raise InputError(f"labels: expected whole numbers [{count}], got {labels.dtype} {list(labels.shape)}")
    if count:
        low, high = torch.stack(torch.aminmax(labels)).tolist()
        if low < -1 or high >= classes:
            raise InputError(
                f"labels: expected -1 (ignored) to {classes - 1}, got {low} to {high}; "
                "are they raw ids instead of class indices?"
            )
    return labels.long()


def _present(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the classes that occur, ascending, and each voxel's rank among them (any number where ignored)."""
    pool = torch.unique(labels)
    pool = pool[pool >= 0]
    return pool, torch.searchsorted(pool, labels)


def _plain(anchors: Tensor, features: Tensor) -> Tensor:
    """Return the anchors of the plain names [C, D], in the type and on the device of the features."""
    if anchors.ndim not in (2, 3) or features.ndim != 2 or anchors.shape[-1] != features.shape[1]:
        raise InputError(
            "expected features [N, D] and anchors [C, D] or [C, A, D] of the same D, "
            f"got {list(features.shape)} and {list(anchors.shape)}; "
            "for a network of another width project the anchors to it first"
        )
    return (anchors if anchors.ndim == 2 else anchors[:, 0]).to(features)


def _attributed(anchors: Tensor, own: Tensor, attributes: Tensor) -> Tensor:
    if anchors.ndim != 3:
        raise InputError(f"attributes need anchors [C, A, D], got {list(anchors.shape)}")
    attributes = check_labels(attributes, len(own), anchors.shape[1])
    return anchors[own, attributes.clamp(min=0)]


def _distances(
    features: Tensor,  # [N, D]
    anchors: Tensor,  # [C, D]
    own: Tensor,  # int64 [N]
    others: Tensor,  # int64 [N, K]
    target: Tensor | None,  # [N, D], instead of the anchors of `own`
    distance: Distance,
) -> tuple[Tensor, Tensor]:
    """Return the distances to the positive [N] and to each negative [N, K]."""
    if distance == "cos":
        # One product with all classes needs [N, C] numbers; gathering the anchors would need [N, K, D].
        similarity = cosine(features, anchors)
        near = 1 - similarity.gather(1, own[:, None])[:, 0] if target is None else _paired(features, target, distance)
        return near, 1 - similarity.gather(1, others)
    if distance != "l2":
        raise InputError(f"distance: expected 'cos' or 'l2', got {distance!r}")
    near = _paired(features, anchors[own] if target is None else target, distance)
    # One sample of all voxels at a time: [N, K, D] would not fit, and ‖f‖² + ‖b‖² - 2⟨f, b⟩ loses small distances.
    far = [_paired(features, anchors[column], distance) for column in others.unbind(1)]
    return near, torch.stack(far, 1) if far else features.new_zeros(len(features), 0)


def _paired(features: Tensor, others: Tensor, distance: Distance) -> Tensor:
    """Return the distance [N] of row i of both, [N, D]."""
    if distance == "cos":
        return 1 - (F.normalize(features, dim=1) * F.normalize(others, dim=1)).sum(1)
    if distance == "l2":
        return ((features - others).square().sum(1) + 1e-7).sqrt()
    raise InputError(f"distance: expected 'cos' or 'l2', got {distance!r}")

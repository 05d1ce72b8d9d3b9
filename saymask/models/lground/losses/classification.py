"""Stages 2 and 3 of LGround: cross-entropy or class-balanced focal loss, and the reduction that balances classes.

Source: docs/systems/lground.md §4.3, §4.4, §7.8, §7.13. Ignored voxels have label -1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from saymask.errors import InputError
from saymask.labels.tables import LabelClass, scannet200
from saymask.models.lground.losses.contrastive import check_labels
from saymask.nn.blocks import full_precision

SPLITS = ("head", "common", "tail")
Kind = Literal["ce", "focal"]
Divisor = Literal["kept", "valid", "all"]
"""Divisor of a sum over kept voxels: the kept voxels, all labelled ones, or every voxel of the batch."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """A loss over N voxels as one number."""

    loss: Tensor
    """float [], with gradient; 0 when no voxel counts."""
    splits: Tensor
    """float [3], detached: the mean over the kept voxels of head, common and tail classes; NaN where there is none."""

    def logs(self) -> dict[str, Tensor]:
        """Return the means of the splits that occur, by name."""
        return {name: mean for name, mean in zip(SPLITS, self.splits) if not bool(mean.isnan())}


def class_splits(classes: Sequence[LabelClass] | None = None) -> Tensor:
    """Return int64 [C]: 0 head, 1 common, 2 tail, -1 for classes without a split; of ScanNet200 by default."""
    classes = scannet200() if classes is None else classes
    return torch.tensor([SPLITS.index(c.split) if c.split in SPLITS else -1 for c in classes])


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return float [N]: the cross-entropy of logits [N, C] and target int [N], without class weights; 0 where ignored.

    The official code loads class weights but never gives them to this loss (docs/systems/lground.md §4.3).
    """
    logits = full_precision(logits)
    return F.cross_entropy(logits, check_labels(target, *_shape(logits)), ignore_index=-1, reduction="none")


def focal(
    logits: Tensor,  # float [N, C]
    target: Tensor,  # int [N], -1 ignored
    weights: Tensor | None = None,  # float [C]
    gamma: float = 2.0,
) -> Tensor:
    """Return float [N]: w_y · (1 - p)^γ · (-log p) with p the probability of the true class; 0 where ignored.

    Without `weights` all are 1. "Category-balanced focal loss" of the long-tail follow-up is this with γ = 2.
    """
    logits = full_precision(logits)
    count, classes = _shape(logits)
    target = check_labels(target, count, classes)
    if gamma < 0:
        raise InputError(f"focal loss: expected gamma of at least 0, got {gamma}")
    if weights is not None and weights.shape != (classes,):
        raise InputError(f"class weights: expected one for each of {classes} classes, got {list(weights.shape)}")
    own = target.clamp(min=0)
    log_p = F.log_softmax(logits, 1).gather(1, own[:, None])[:, 0]
    # 1 - p without the loss of digits near p = 1; above 0, because the slope of x^γ at 0 is infinite for γ < 1.
    missing = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
    loss = missing**gamma * -log_p
    if weights is not None:
        loss = loss * weights.to(loss)[own]
    return loss.masked_fill(target < 0, 0)


def keep_voxels(
    target: Tensor,  # int64 [N], -1 ignored
    splits: Tensor,  # int64 [C]
    *,
    head: float = -1.0,
    common: float = -1.0,
    generator: torch.Generator | np.random.RandomState | None = None,
) -> Tensor:
    """Return bool [N]: the voxels that count. Of each head or common class a random round(ratio · count) are kept.

    A ratio of 0 or less keeps all, and so do tail classes and classes without a split; ignored voxels are never kept. A
    torch generator (PyTorch's own without one) serves all classes in one draw; a numpy generator draws class by class
    in ascending order, as the official code does. Source: docs/systems/lground.md §4.4.
    """
    for name, ratio in (("head", head), ("common", common)):
        if not ratio <= 1:
            raise InputError(f"share of {name} voxels to keep: expected at most 1, or -1 for all, got {ratio}")
    valid = target >= 0
    if head <= 0 and common <= 0:
        return valid
    classes = len(splits)
    share = torch.ones(classes, dtype=torch.float64)
    for split, ratio in ((0, head), (1, common)):
        if ratio > 0:
            share[splits.cpu() == split] = ratio
    sizes = torch.bincount(target[valid], minlength=classes)
    quota = (share.to(target.device) * sizes).round().long()
    if isinstance(generator, np.random.RandomState):
        return _keep_in_turn(target, share, quota, generator)
    rows = torch.nonzero(valid)[:, 0]
    rows = rows[torch.randperm(len(rows), generator=generator).to(rows.device)]
    rows = rows[torch.argsort(target[rows], stable=True)]  # by class, in random order within each
    rank = torch.arange(len(rows), device=rows.device) - (sizes.cumsum(0) - sizes)[target[rows]]
    kept = torch.zeros_like(valid)
    kept[rows[rank < quota[target[rows]]]] = True
    return kept


def _keep_in_turn(target: Tensor, share: Tensor, quota: Tensor, rng: np.random.RandomState) -> Tensor:
    labels = target.cpu().numpy()
    kept = np.zeros(len(labels), bool)
    for c in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == c)
        if share[c] < 1:
            rows = rng.choice(rows, int(quota[c]), replace=False)
        kept[rows] = True
    return torch.from_numpy(kept).to(target.device)


def reduce_losses(
    losses: Tensor,  # float [N]
    target: Tensor,  # int64 [N], -1 ignored
    splits: Tensor,  # int64 [C]
    *,
    kept: Tensor | None = None,  # bool [N]
    divisor: Divisor = "kept",
) -> Reduced:
    """Return the sum over kept voxels (all labelled ones by default) divided by `divisor`, and the means per split.

    The official balancing reduction divides cross-entropy and contrastive losses by "all", ignored voxels included, so
    that their size depends on how much of a scene is labelled, and the focal loss by "valid"
    (docs/systems/lground.md §4.4, §7.8). The default is the mean over the voxels that count. A batch without such a
    voxel gives 0 with a gradient of 0 (docs/systems/lground.md §7.13).
    """
    valid = target >= 0
    kept = valid if kept is None else kept & valid
    total = losses.masked_fill(~kept, 0).sum()
    number = {"kept": kept.sum(), "valid": valid.sum(), "all": torch.tensor(len(losses))}.get(divisor)
    if number is None:
        raise InputError(f"divisor: expected 'kept', 'valid' or 'all', got {divisor!r}")
    return Reduced(total / number.to(losses.device).clamp(min=1), _split_means(losses.detach(), target, kept, splits))


def _split_means(losses: Tensor, target: Tensor, kept: Tensor, splits: Tensor) -> Tensor:
    split = splits.to(target.device)[target[kept]]
    named = split >= 0
    split, values = split[named], losses[kept][named].double()
    sums = values.new_zeros(len(SPLITS)).index_add_(0, split, values)
    return (sums / torch.bincount(split, minlength=len(SPLITS))).to(losses.dtype)  # 0 / 0 is NaN


def classification_loss(
    logits: Tensor,  # float [N, C]
    target: Tensor,  # int [N], -1 ignored
    splits: Tensor,  # int64 [C]
    *,
    kind: Kind = "ce",
    weights: Tensor | None = None,
    gamma: float = 2.0,
    balanced: bool = True,
    head: float = -1.0,
    common: float = -1.0,
    compat: bool = False,
    generator: torch.Generator | np.random.RandomState | None = None,
) -> Reduced:
    """Return the loss of stage 2 and 3: `ce` or `focal` per voxel, sub-sampled when `balanced`, and reduced.

    `compat` divides as the official code does: with `balanced`, cross-entropy by all voxels and focal by the labelled
    ones; without it, both by the labelled ones. Otherwise the result is the mean over the voxels that count.
    `weights` [C] belong to the focal loss. Raises InputError when shapes or labels do not fit.
    """
    if len(splits) != logits.shape[-1]:
        raise InputError(f"splits: expected one for each of {logits.shape[-1]} classes, got {len(splits)}")
    if kind not in ("ce", "focal"):
        raise InputError(f"classification loss: expected 'ce' or 'focal', got {kind!r}")
    losses = cross_entropy(logits, target) if kind == "ce" else focal(logits, target, weights, gamma)
    target = target.long()
    kept = keep_voxels(target, splits, head=head, common=common, generator=generator) if balanced else None
    divisor: Divisor = "kept"
    if compat:
        divisor = "all" if balanced and kind == "ce" else "valid"
    return reduce_losses(losses, target, splits, kept=kept, divisor=divisor)


def _shape(logits: Tensor) -> tuple[int, int]:
    if logits.ndim != 2:
        raise InputError(f"logits: expected [N, C], got {list(logits.shape)}")
    return logits.shape[0], logits.shape[1]

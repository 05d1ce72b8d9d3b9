"""Matching of queries and seeds to objects: by the nearest position and by the instance label.

Source: docs/systems/bqnet.md §4.1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from saymask.models.bqnet.outputs import NO_INSTANCE, Truth


@dataclass(frozen=True, eq=False)
class Targets:
    """The objects of U sentences that have a superpoint of their own, in list order; K = the most per sentence, ≥ 1."""

    labels: Tensor  # int64 [U, K]: instance ids, NO_INSTANCE where there is no object
    present: Tensor  # bool [U, K]: an object; the True of a sentence come first
    masks: Tensor  # bool [U, K, S]: superpoints of the object
    centers: Tensor  # float [U, K, 3]: mean position of these superpoints, metres; 0 where there is no object


@dataclass(frozen=True, eq=False)
class Pairs:
    """Objects paired with X candidates (queries or seeds); an object has at least one, a candidate may have several."""

    nearest: Tensor  # bool [U, K, X]: the candidate nearest to the object's centre
    others: Tensor  # bool [U, K, X]: candidates on the object that are nearest to no object

    @property
    def paired(self) -> Tensor:
        """Candidates with an object, bool [U, X]."""
        return (self.nearest | self.others).any(1)

    @property
    def counts(self) -> Tensor:
        """Candidates per object, int64 [U, K]."""
        return self.nearest.sum(2) + self.others.sum(2)

    def listed(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return (sentence, object, candidate) int64 [P] of all pairs: per sentence the nearest first, then by object.

        An object's nearest candidate and its other ones are listed in the order of docs/systems/bqnet.md §4.1.
        """
        sentence, _, k, candidate = torch.stack([self.nearest, self.others], 1).nonzero(as_tuple=True)
        return sentence, k, candidate


def targets(truth: Truth, padding: Tensor) -> Targets:
    """Return the objects of each sentence that have a superpoint; the others are skipped (see `absent_objects`).

    `padding` bool [U, S], True = not a superpoint of the sentence's scan.
    """
    device = truth.instances.device
    k = max(1, *(len(ids) for ids in truth.objects)) if truth.objects else 1
    rows = [[*ids, *[NO_INSTANCE] * (k - len(ids))] for ids in truth.objects]
    labels = torch.tensor(rows, dtype=torch.int64).reshape(-1, k).to(device)
    masks = _object_masks(labels, truth.instances[truth.scene], padding)
    present = masks.any(2)
    order = torch.argsort((~present).to(torch.int8), dim=1, stable=True)  # objects first, in list order
    present = present.gather(1, order)
    labels = labels.gather(1, order).masked_fill(~present, NO_INSTANCE)
    masks = masks.gather(1, order[..., None].expand_as(masks))
    return Targets(labels, present, masks, _centers(masks, truth))


def _centers(masks: Tensor, truth: Truth) -> Tensor:
    sentence, k, row = masks.nonzero(as_tuple=True)
    total = truth.positions.new_zeros(masks.shape[0] * masks.shape[1], 3)
    total.index_add_(0, sentence * masks.shape[1] + k, truth.positions[truth.scene[sentence], row])
    return total.reshape(*masks.shape[:2], 3) / masks.sum(2).clamp(min=1)[..., None]


def _object_masks(labels: Tensor, instances: Tensor, padding: Tensor) -> Tensor:
    """Return bool [U, K, S]; ids that mean "no instance" or "not annotated" have no superpoints."""
    real = (labels >= 0) & (labels != NO_INSTANCE)
    return (labels[..., None] == instances[:, None]) & real[..., None] & ~padding[:, None]


def absent_objects(truth: Truth, padding: Tensor) -> tuple[tuple[int, ...], ...]:
    """Return, per sentence, the object ids that have no superpoint of their own and which the losses therefore skip.

    `padding` as in `targets`. Meant for a caller that logs them; it copies a small table to the CPU.
    """
    found = targets(truth, padding)
    rows = zip(truth.objects, found.labels.tolist())
    return tuple(tuple(i for i in ids if i not in set(labels) - {NO_INSTANCE}) for ids, labels in rows)


def match(
    objects: Targets,
    labels: Tensor,  # int64 [U, X] instance label of each candidate
    points: Tensor,  # float [U, X, 3] position of each candidate, metres
) -> Pairs:
    """Pair every object with the candidate nearest to its centre and with all candidates on it.

    Candidates that are nearest to some object are left out of the second group. Of equally near ones the first counts.

    Source: docs/systems/bqnet.md §4.1.
    """
    distance = (points[:, None] - objects.centers[:, :, None]).square().sum(-1)  # [U, K, X]
    nearest = torch.zeros_like(distance, dtype=torch.bool)
    nearest.scatter_(2, distance.argmin(2, keepdim=True), objects.present[..., None])
    same = (labels[:, None] == objects.labels[..., None]) & objects.present[..., None]
    return Pairs(nearest, same & ~nearest.any(1, keepdim=True))


def mask_rows(objects: Targets, pairs: Pairs, *, repeated: bool = False) -> Tensor:
    """Return int64 [U, K]: the object whose mask the pairs of object k are trained on, which should be k.

    `repeated` gives the official behaviour: row k of the stack in which mask j stands as often as j has pairs. It
    differs from k for sentences with several objects only.
    """
    k = torch.arange(objects.labels.shape[1], device=objects.labels.device)
    if not repeated:
        return k.expand_as(objects.labels)
    ends = pairs.counts.cumsum(1)  # [U, K]
    return (ends[:, None] <= k[:, None]).sum(2).clamp(max=len(k) - 1)  # the clamp acts on rows without an object

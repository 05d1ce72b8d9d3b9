"""Overlaps of predicted masks with true instances, in points: one pass over the points that a mask holds."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from saymask.errors import InputError
from saymask.metrics.benchmark import MOST_INSTANCES


@dataclass(frozen=True)
class TrueInstances:
    """The true instances of a scene."""

    slots: np.ndarray  # int32 [N]: 1 + row in `ids`, 0 = void (no class that is evaluated)
    ids: np.ndarray  # int64 [G] ascending: class id * 1000 + instance
    sizes: np.ndarray  # int64 [G] points

    @property
    def classes(self) -> np.ndarray:
        """Class id of each instance, int64 [G]."""
        return self.ids // MOST_INSTANCES


def read_true_instances(truth: np.ndarray, class_ids: np.ndarray) -> TrueInstances:
    """Number the instances of int [N] values class id * 1000 + instance; what is of no class in `class_ids` is void."""
    truth = np.asarray(truth)
    if truth.ndim != 1 or truth.dtype.kind not in "iu":
        raise InputError(
            f"true instances: expected one whole number per point (class id * 1000 + instance), "
            f"got {truth.dtype} {list(truth.shape)}"
        )
    # Everything above the last class is void, so the table need not be longer than that.
    limit = (int(class_ids.max()) + 1) * MOST_INSTANCES
    truth = np.clip(truth, 0, limit)
    table = np.zeros(int(truth.max(initial=0)) + 1, np.int32)
    table[truth] = 1
    ids = np.flatnonzero(table)
    table[ids] = 0
    ids = ids[np.isin(ids // MOST_INSTANCES, class_ids)]
    table[ids] = np.arange(1, len(ids) + 1)
    slots = table[truth]
    return TrueInstances(slots, ids, np.bincount(slots, minlength=len(ids) + 1)[1:])


def count_overlaps(masks: np.ndarray, truth: TrueInstances, index: np.ndarray | None = None) -> np.ndarray:
    """Return int64 [M, 1 + G]: the points that each mask shares with the void and with each true instance.

    masks: bool [M, N] over the points, which may overlap; or, with `index` int [N] (row of each point, -1 none), bits
    [M, S] over superpoints. A row sums to the points of its mask. Raises InputError where sizes do not fit.
    """
    masks, count = np.asarray(masks), len(truth.slots)
    if masks.ndim != 2 or masks.dtype != np.bool_:
        raise InputError(f"masks: expected bits bool [M, N], got {masks.dtype} {list(masks.shape)}")
    if index is None:
        if masks.shape[1] != count:
            raise InputError(f"masks: expected bits over {count:,} points, got {masks.shape[1]:,}")
        bits = np.ascontiguousarray(masks).reshape(-1)
        # Eight points per step: most of a mask is empty.
        words = bits[: bits.size // 8 * 8].view(np.uint64)
        return _count_points(bits, words, len(masks), truth.slots, len(truth.ids) + 1)
    index = np.asarray(index)
    if index.shape != (count,) or index.dtype.kind not in "iu":
        raise InputError(f"masks: expected an index int [{count}], got {index.dtype} {list(index.shape)}")
    if count and not (index.min() >= -1 and index.max() < masks.shape[1]):
        raise InputError(f"masks: index must lie in -1..{masks.shape[1] - 1}, got {index.min()}..{index.max()}")
    width = len(truth.ids) + 1
    # Row 0 of the table takes the points without a superpoint.
    cells = (index.astype(np.int64) + 1) * width + truth.slots
    table = np.bincount(cells, minlength=(masks.shape[1] + 1) * width).reshape(-1, width)[1:]
    return _sum_rows(np.ascontiguousarray(masks), table.astype(np.int64))


def label_iou(
    masks: np.ndarray,  # bool [M, N] over the points; or [M, S] over the rows of `index`
    labels: np.ndarray,  # int [N]: 0..count-1, -1 none
    count: int,
    index: np.ndarray | None = None,  # int [N]: row of each point in the masks, -1 none
    *,
    epsilon: float = 0.0,
) -> np.ndarray:
    """Return intersection / (union + epsilon) of every mask with the points of every label, float64 [M, count].

    0 where both are empty. Raises InputError where sizes do not fit.
    """
    slots = np.asarray(labels).astype(np.int32) + 1
    sizes = np.bincount(slots, minlength=count + 1)[1:]
    counts = count_overlaps(masks, TrueInstances(slots, np.arange(count), sizes), index)
    inter = counts[:, 1:]
    union = counts.sum(1)[:, None] + sizes - inter
    return np.divide(inter, union + epsilon, out=np.zeros(inter.shape), where=union > 0)


@njit(cache=True, nogil=True)
def _count_points(bits, words, masks, slots, width):
    out = np.zeros((masks, width), np.int64)
    points = slots.size
    for m in range(masks):
        first, last = m * points, (m + 1) * points
        at = first
        while at < last:
            if at & 7 == 0 and at + 8 <= last:
                if words[at >> 3] != 0:
                    for i in range(at, at + 8):
                        if bits[i]:
                            out[m, slots[i - first]] += 1
                at += 8
            else:
                if bits[at]:
                    out[m, slots[at - first]] += 1
                at += 1
    return out


@njit(cache=True, nogil=True)
def _sum_rows(masks, table):
    out = np.zeros((masks.shape[0], table.shape[1]), np.int64)
    for m in range(masks.shape[0]):
        for s in range(masks.shape[1]):
            if masks[m, s]:
                for g in range(table.shape[1]):
                    out[m, g] += table[s, g]
    return out

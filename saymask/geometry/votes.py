"""Votes of points over superpoints: a superpoint gets the label that most, or more than half, of its points have."""

import numpy as np


def majority(labels: np.ndarray, index: np.ndarray, size: int) -> np.ndarray:
    """Return int64 [size], the label int [N] from 0 of more than half of a superpoint's points, -1 where none has it.

    index: int64 [N], the superpoint of each point. Labels below 0 are none, but their points count
    (docs/systems/uniseg3d.md §2.6).
    """
    winner = np.full(size, -1, np.int64)
    labelled = labels >= 0
    if not labelled.any():
        return winner
    width = int(labels.max()) + 1
    pairs, points = np.unique(index[labelled] * width + labels[labelled].astype(np.int64), return_counts=True)
    most = 2 * points > np.bincount(index, minlength=size)[pairs // width]
    winner[pairs[most] // width] = pairs[most] % width
    return winner


def most_frequent(labels: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return int64 [S], the label int [N] from 0 that most of a superpoint's points have, the highest where several do.

    index: int [N], the superpoint 0..S-1 of each point; every superpoint has points.
    """
    base = int(labels.max()) + 1
    pairs, counts = np.unique(index.astype(np.int64) * base + labels, return_counts=True)
    superpoint, label = pairs // base, pairs % base
    out = np.zeros(int(index.max()) + 1, dtype=np.int64)
    order = np.argsort(counts, kind="stable")
    out[superpoint[order]] = label[order]
    return out


def numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values int64 [V], ascending, and the row of each of `values` int [N], int64 [N].

    As `np.unique(return_inverse=True)`, without sorting where the values lie as close together as labels do.
    """
    values = values.astype(np.int64)
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, -1)
    if high - low > 4 * len(values):
        known, row = np.unique(values, return_inverse=True)
        return known, row.reshape(-1)
    there = np.zeros(high - low + 1, bool)
    there[values - low] = True
    known = np.flatnonzero(there)
    return known + low, (np.cumsum(there) - 1)[values - low]


def one_hot(labels: np.ndarray, count: int) -> np.ndarray:
    """Return bool [count, S] of labels int [S]; labels outside 0..count-1 are in no row."""
    return labels == np.arange(count)[:, None]


def owners(masks: np.ndarray) -> np.ndarray:
    """Return int64 [S], the first of the masks bool [J, S] that holds each column, -1 none: `one_hot` turned round."""
    if not len(masks):
        return np.full(masks.shape[1], -1, np.int64)
    return np.where(masks.any(0), masks.argmax(0), -1)


def vote(masks: np.ndarray, index: np.ndarray, size: int) -> np.ndarray:
    """Return bool [J, size] of masks bool [J, N]: superpoints with more than half of their points in a mask.

    index: int64 [N], the superpoint of each point (docs/systems/uniseg3d.md §2.6).
    """
    from saymask.geometry.vote_kernel import surplus  # late: numba is slow to import

    return surplus(np.ascontiguousarray(masks), index, size) > 0

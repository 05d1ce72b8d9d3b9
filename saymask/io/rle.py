"""Run lengths of masks, the way COCO writes them without compression: zeros first, then ones, in turn."""

from collections.abc import Sequence

import numpy as np

from saymask.errors import InputError


def encode_rle(mask: np.ndarray) -> list[int]:
    """Return the run lengths of a mask bool [n], beginning with the (possibly empty) run of zeros."""
    mask = np.asarray(mask, bool)
    if not len(mask):
        return []
    edges = np.flatnonzero(np.diff(mask)) + 1
    runs = np.diff(np.concatenate([[0], edges, [len(mask)]]))
    return [0, *runs.tolist()] if mask[0] else runs.tolist()


def decode_rle(counts: Sequence[int], n: int) -> np.ndarray:
    """Return the mask bool [n] of run lengths; raises InputError when they do not add up to `n`."""
    given = np.asarray(counts)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputError(f"run lengths: expected a list of whole numbers, got {str(counts)[:60]}")
    if given.size and (given.min() < 0 or given.max() > n):  # before they are added up: the sum of huge ones wraps
        raise InputError(f"run lengths: expected numbers that add up to {n:,}, got {given.min():,} to {given.max():,}")
    runs = given.astype(np.int64)
    if int(runs.sum()) != n:
        raise InputError(f"run lengths: expected them to add up to {n:,}, got {int(runs.sum()):,}")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)

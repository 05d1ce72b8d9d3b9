"""Quantisation as MinkowskiEngine does it: one row per voxel, by first appearance.

Source: docs/systems/lground.md §2.5, §7.6.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from saymask.errors import InputError
from saymask.geometry.voxelize import unique_cells


@dataclass(frozen=True, eq=False)
class Quantized:
    """Voxels of a cloud in order of first appearance."""

    cells: np.ndarray
    """int32 [V, D]: floor(coords / size)."""
    unique_map: np.ndarray
    """int64 [V]: the first input row of each voxel."""
    inverse_map: np.ndarray
    """int64 [N]: the voxel of each input row."""
    labels: np.ndarray | None = None
    """int32 [V] where labels were given."""


def sparse_quantize(
    coords: np.ndarray,
    size: float = 1.0,
    *,
    labels: np.ndarray | None = None,
    ignore_label: int = -1,
    compat: bool = False,
) -> Quantized:
    """Return the voxels of coords [N, D] (float, in the unit of `size`) and, from labels [N], a label per voxel.

    A voxel whose rows carry different labels gets `ignore_label`. With `compat` the published engine's rule is
    reproduced: on the first conflict of voxel u the ignore label goes to the voxel of input *row* u instead (7.6).
    Raises InputError for coordinates that are not finite and for labels of another length.
    """
    coords = np.asarray(coords)
    if coords.ndim != 2 or not size > 0:
        raise InputError(f"expected coords [N, D] and a size above 0, got {list(coords.shape)} and {size}")
    if not np.isfinite(coords).all():
        raise InputError("coords to quantise: expected finite numbers, got NaN or infinity")
    cells = np.floor(coords / size).astype(np.int64)
    _, inverse, first = _first_appearance(cells)
    if labels is None:
        return Quantized(cells[first].astype(np.int32), first, inverse)
    labels = np.asarray(labels)
    if labels.shape != (len(coords),):
        raise InputError(f"expected labels [{len(coords)}], got {list(labels.shape)}")
    merged = _merge_labels(labels.astype(np.int32), first, inverse, np.int32(ignore_label), compat)
    return Quantized(cells[first].astype(np.int32), first, inverse, merged)


def _first_appearance(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (unique cells, inverse [N], first row [V]) with voxels numbered as they appear."""
    if cells.shape[1] == 3:
        unique, inverse, first = unique_cells(cells)
    else:
        unique, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return unique[order], rank[inverse.reshape(-1)], first[order]


@njit(nogil=True, cache=True)
def _merge_labels(labels, first, inverse, ignore, compat):
    merged = labels[first]
    seen = merged.copy()  # what the engine remembers of a voxel while it reads the rows
    for row in range(len(labels)):
        voxel = inverse[row]
        if seen[voxel] != ignore and labels[row] != seen[voxel]:
            seen[voxel] = ignore
            merged[inverse[voxel] if compat else voxel] = ignore
    return merged
